import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from realcoze.app.outbox import Outbox

pytestmark = pytest.mark.anyio


class Letter:
    """Something that waits to be written."""

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write

    def flush(self, now: float) -> None:
        assert 0 < now <= asyncio.get_running_loop().time()
        self._write()


async def test_what_a_turn_of_the_loop_brings_is_written_at_its_end_in_its_order() -> None:
    outbox, done = Outbox(), list[str]()

    def first() -> None:
        done.append("a")
        outbox.add(Letter(lambda: done.append("later")))

    outbox.add(Letter(first))
    outbox.add(Letter(lambda: done.append("b")))
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

    for flush in (lambda: done.append("first"), fail, lambda: done.append("last")):
        outbox.add(Letter(flush))
    await checkpoint()
    loop.set_exception_handler(None)
    assert done == ["first", "last"]
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError]
