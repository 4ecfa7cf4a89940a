import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import anyio.lowlevel
import pytest

from realcoze.leaving import Leaving, finishing, in_thread

PATIENCE_S = 10.0


class Told:
    """What a task came to, and the way to leave it."""

    def __init__(self) -> None:
        self.leaving = Leaving()
        self.steps: list[str] = []
        self.is_waiting = anyio.Event()
        self.may_go_on = anyio.Event()

    async def wait(self, step: str) -> None:
        self.is_waiting.set()
        await self.may_go_on.wait()
        self.steps.append(step)


async def left(work: Callable[[Told], Awaitable[None]], *, in_between: Callable[[Told], None] = lambda _: None) -> Told:
    """What `work` came to that was left when it waited for the first time."""
    told = Told()

    async def run() -> None:
        try:
            with told.leaving:
                await work(told)
        finally:
            told.steps.append("over")

    with anyio.fail_after(PATIENCE_S):
        task = asyncio.create_task(run())
        await told.is_waiting.wait()
        told.leaving.leave()
        in_between(told)
        await asyncio.sleep(0)
        told.may_go_on.set()
        await asyncio.wait([task])
    told.steps.append("cancelled" if task.cancelled() else "ended")
    return told


async def test_who_leaves_ends_what_waits() -> None:
    told = await left(lambda told: told.wait("waited"))
    assert told.steps == ["over", "ended"]


async def test_what_has_to_be_finished_is_and_nothing_behind_it() -> None:
    async def work(told: Told) -> None:
        with finishing(), finishing():
            await told.wait("finished")
        await anyio.sleep_forever()

    assert (await left(work)).steps == ["finished", "over", "ended"]


async def test_of_two_blocks_that_have_to_be_finished_both_are() -> None:
    async def work(told: Told) -> None:
        with finishing():
            await told.wait("finished")
        with finishing():
            await told.wait("this, too")
        await anyio.sleep_forever()

    assert (await left(work)).steps == ["finished", "this, too", "over", "ended"]


async def test_who_leaves_while_the_task_runs_interrupts_nothing_that_has_to_be_finished() -> None:
    async def work(told: Told) -> None:
        told.leaving.leave()
        with finishing():
            await told.wait("finished")
        await anyio.sleep_forever()

    assert (await left(work)).steps == ["finished", "over", "ended"]


async def test_a_block_that_takes_too_long_tells_so_though_its_caller_has_left() -> None:
    async def work(told: Told) -> None:
        with finishing(0.01) as limit:
            told.is_waiting.set()
            await anyio.sleep_forever()
        told.steps.append(f"given up: {limit.cancelled_caught}")
        await anyio.sleep_forever()

    assert (await left(work)).steps == ["given up: True", "over", "ended"]


async def test_a_task_that_does_not_wait_any_more_goes_on_behind_the_block() -> None:
    with Leaving() as leaving:
        leaving.leave()
    await asyncio.sleep(0)


async def test_who_has_left_before_the_block_begins_is_heard() -> None:
    leaving = Leaving()
    leaving.leave()
    with anyio.fail_after(PATIENCE_S) as limit, leaving:
        await anyio.sleep_forever()
    assert not limit.cancelled_caught


async def test_a_cancelling_that_was_swallowed_is_taken_back() -> None:
    leaving = Leaving()
    task = asyncio.current_task()
    assert task is not None
    with leaving, contextlib.suppress(asyncio.CancelledError):
        asyncio.get_running_loop().call_soon(leaving.leave)
        await anyio.sleep_forever()
    assert task.cancelling() == 0


async def test_whoever_cleans_up_is_cancelled_once() -> None:
    async def work(told: Told) -> None:
        try:
            await told.wait("waited")
        finally:
            with finishing():
                await asyncio.sleep(0)
                told.steps.append("cleaned up")
            await asyncio.sleep(0)
            told.steps.append("and more")

    assert (await left(work, in_between=lambda told: told.leaving.leave())).steps == [
        "cleaned up",
        "and more",
        "over",
        "ended",
    ]


def cancel(task: "asyncio.Task[object]") -> None:
    task.cancel()


async def test_a_task_that_others_cancel_as_well_is_cancelled() -> None:
    tasks: list[asyncio.Task[object]] = []

    async def work(told: Told) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        await told.wait("waited")

    assert (await left(work, in_between=lambda _: cancel(tasks[0]))).steps == ["over", "cancelled"]


async def test_a_task_that_only_others_cancel_is_cancelled() -> None:
    told = Told()

    async def work() -> None:
        with told.leaving:
            await told.wait("waited")

    task = asyncio.create_task(work())
    await told.is_waiting.wait()
    task.cancel()
    await asyncio.wait([task])
    assert (task.cancelled(), told.steps) == (True, [])


async def test_an_error_goes_through() -> None:
    leaving = Leaving()
    with pytest.raises(ZeroDivisionError), leaving, finishing():
        raise ZeroDivisionError
    leaving.leave()  # nothing is left to cancel
    await asyncio.sleep(0)


async def test_what_another_task_finishes_does_not_keep_who_started_it() -> None:
    told, is_cancelled = Told(), anyio.Event()

    async def child() -> None:
        with finishing():
            await told.wait("child finished")

    async def host() -> None:
        with told.leaving:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(child)
                try:
                    await anyio.sleep_forever()
                finally:
                    is_cancelled.set()
        told.steps.append("over")

    with anyio.fail_after(PATIENCE_S):
        task = asyncio.create_task(host())
        await told.is_waiting.wait()
        told.leaving.leave()
        await is_cancelled.wait()
        told.may_go_on.set()
        await task
    assert told.steps == ["child finished", "over"]


async def test_a_thread_is_waited_for() -> None:
    may_end = threading.Event()

    async def work(told: Told) -> None:
        told.is_waiting.set()
        told.steps.append(f"the thread has ended: {await in_thread(partial(may_end.wait, PATIENCE_S))}")
        await anyio.sleep_forever()

    assert (await left(work, in_between=lambda _: may_end.set())).steps == [
        "the thread has ended: True",
        "over",
        "ended",
    ]


async def test_scopes_are_waited_for_as_well_but_not_for_ever() -> None:
    with anyio.CancelScope() as scope:
        with finishing():
            scope.cancel()
            await anyio.lowlevel.checkpoint()
        with finishing(0.01) as waiting:
            await anyio.sleep_forever()
        assert waiting.cancelled_caught
        await anyio.sleep_forever()
    assert scope.cancelled_caught


async def test_a_task_that_is_over_is_held_by_nothing() -> None:
    async def work() -> None:
        with Leaving(), finishing():
            await asyncio.sleep(0)

    gc.disable()
    try:
        task = asyncio.create_task(work())
        await task
        gone = weakref.ref(task)
        del task
        await asyncio.sleep(0)
        assert gone() is None
    finally:
        gc.enable()
