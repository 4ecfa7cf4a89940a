import asyncio
from functools import partial
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from realcoze.app.outbox import Outbox

pytestmark = pytest.mark.anyio


async def test_what_a_turn_of_the_loop_brings_is_written_at_its_end_in_its_order() -> None:
    outbox, done = Outbox(), list[str]()

    def write(name: str) -> None:
        done.append(name)
        if name == "a":
            outbox.add(lambda: done.append("later"))

    for name in "ab":
        outbox.add(partial(write, name))
    assert done == []
    await checkpoint()
    assert done == ["a", "b"]
    await checkpoint()
    assert done == ["a", "b", "later"]


async def test_what_fails_takes_nothing_else_with_it() -> None:
    told, done = list[dict[str, Any]](), list[str]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    outbox = Outbox()

    def fail() -> None:
        raise ZeroDivisionError

    for write in (partial(done.append, "first"), fail, partial(done.append, "last")):
        outbox.add(write)
    await checkpoint()
    loop.set_exception_handler(None)
    assert done == ["first", "last"]
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError]
