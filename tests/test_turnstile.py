import anyio
import pytest

from realcoze.errors import Busy
from realcoze.turnstile import WAITING, Turnstile
from servers import soon

ONE, OTHER = "1", "2"


async def test_the_second_turn_of_a_conversation_waits_for_the_first() -> None:
    turnstile, done = Turnstile(10), anyio.Event()
    order = []

    async def first() -> None:
        async with turnstile.turn(ONE):
            order.append("first begins")
            await done.wait()
            order.append("first ends")

    async def second() -> None:
        async with turnstile.turn(ONE):
            order.append("second begins")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        await soon(lambda: order)
        tasks.start_soon(second)
        await anyio.lowlevel.checkpoint()
        async with turnstile.turn(OTHER):
            order.append("others need not wait")
        done.set()
    assert order == ["first begins", "others need not wait", "first ends", "second begins"]


async def test_one_that_waits_for_too_long_is_refused() -> None:
    turnstile = Turnstile(0.01)
    async with turnstile.turn(ONE):
        with pytest.raises(Busy) as caught:
            async with turnstile.turn(ONE):
                pytest.fail("two at once")
    assert caught.value.retry_after_s == 1
    async with turnstile.turn(ONE):
        pass


async def test_a_few_may_wait_and_the_next_is_refused_at_once() -> None:
    turnstile = Turnstile(10)
    began = 0

    async def turn() -> None:
        nonlocal began
        began += 1
        async with turnstile.turn(ONE):
            pass

    async with anyio.create_task_group() as tasks, turnstile.turn(ONE):
        for _ in range(WAITING):
            tasks.start_soon(turn)
        await soon(lambda: began == WAITING)
        await anyio.lowlevel.checkpoint()
        with pytest.raises(Busy):
            async with turnstile.turn(ONE):
                pytest.fail("too many wait")


async def test_a_conversation_that_has_just_begun_is_somebodys() -> None:
    turnstile = Turnstile(0.01)
    leave = turnstile.take(ONE)
    with pytest.raises(Busy):
        async with turnstile.turn(ONE):
            pytest.fail("two at once")
    turnstile.take(ONE)()
    with pytest.raises(Busy):
        async with turnstile.turn(ONE):
            pytest.fail("it is still the first one's")
    leave()
    async with turnstile.turn(ONE):
        pass
    assert turnstile._lines == {}


async def test_nothing_is_kept_of_a_conversation_that_nobody_uses() -> None:
    turnstile = Turnstile(0.01)
    with pytest.raises(ZeroDivisionError):
        async with turnstile.turn(ONE):
            raise ZeroDivisionError
    with anyio.move_on_after(0.01):
        async with turnstile.turn(ONE):
            await anyio.sleep_forever()
    assert turnstile._lines == {}


async def test_who_leaves_as_it_is_called_calls_the_next() -> None:
    turnstile, began = Turnstile(10), []

    async def turn(name: str) -> None:
        async with turnstile.turn(ONE):
            began.append(name)

    async with anyio.create_task_group() as tasks:
        leaving = anyio.CancelScope()

        async def leave() -> None:
            with leaving:
                await turn("who leaves")

        async with turnstile.turn(ONE):
            tasks.start_soon(leave)
            tasks.start_soon(turn, "next")
            await soon(lambda: len(turnstile._lines[ONE]) == 2)
            leaving.cancel()
    assert began == ["next"]
    assert turnstile._lines == {}
