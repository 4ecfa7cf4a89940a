import asyncio
from functools import partial
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from realcoze.transports.sweep import running_sweep

pytestmark = pytest.mark.anyio


async def test_all_that_arrived_is_read_before_anything_is_written() -> None:
    sweep, done = running_sweep(), list[str]()

    def read(name: str) -> None:
        done.append(f"read {name}")
        sweep.write(lambda: done.append(f"written {name}"))

    sweep.write(lambda: done.append("written before"))
    for name in "ab":
        sweep.read(partial(read, name))
    assert done == []
    await checkpoint()
    assert done == ["read a", "read b", "written before", "written a", "written b"]


async def test_what_comes_up_meanwhile_has_its_turn_in_the_next() -> None:
    sweep, done = running_sweep(), list[str]()

    def write() -> None:
        done.append("written")
        sweep.read(lambda: done.append("read later"))

    sweep.write(write)
    await checkpoint()
    assert done == ["written"]
    await checkpoint()
    assert done == ["written", "read later"]


async def test_what_fails_takes_nothing_else_with_it() -> None:
    told, done = list[dict[str, Any]](), list[str]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    sweep = running_sweep()

    def fail() -> None:
        raise ZeroDivisionError

    for work in (partial(done.append, "first"), fail, partial(done.append, "last")):
        sweep.read(work)
    await checkpoint()
    loop.set_exception_handler(None)
    assert done == ["first", "last"]
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError]


async def test_a_loop_has_one() -> None:
    assert running_sweep() is running_sweep()
