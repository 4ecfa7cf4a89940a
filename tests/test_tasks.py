import threading

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from realcoze.tasks import LARGE_BYTES, SharedWork, aside, background_tasks

PATIENCE_S = 10.0


class Background:
    """A task that says how it ended."""

    def __init__(self) -> None:
        self.began = anyio.Event()
        self.was_cancelled = False

    async def run(self) -> None:
        self.began.set()
        try:
            await anyio.sleep_forever()
        except BaseException:
            self.was_cancelled = True
            raise


async def breaking() -> None:
    raise ZeroDivisionError


async def breaking_at_the_end() -> None:
    try:
        await anyio.sleep_forever()
    finally:
        raise ZeroDivisionError


async def test_the_tasks_are_stopped_at_the_end_of_the_block() -> None:
    background = Background()
    with anyio.fail_after(PATIENCE_S):
        async with background_tasks() as tasks:
            tasks.start_soon(background.run)
            await background.began.wait()
    assert background.was_cancelled


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    background, error = Background(), KeyError("mine")

    async def block() -> None:
        async with background_tasks() as tasks:
            tasks.start_soon(background.run)
            await background.began.wait()
            raise error

    with anyio.fail_after(PATIENCE_S), pytest.raises(KeyError) as caught:
        await block()
    assert caught.value is error
    assert background.was_cancelled


async def test_what_a_task_raises_stops_the_block_and_comes_in_a_group() -> None:
    async def block() -> None:
        async with background_tasks() as tasks:
            tasks.start_soon(breaking)
            await anyio.sleep_forever()

    with anyio.fail_after(PATIENCE_S), pytest.raises(ExceptionGroup) as caught:
        await block()
    assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]


async def test_when_both_fail_neither_error_is_lost() -> None:
    error = KeyError("mine")

    async def block() -> None:
        async with background_tasks() as tasks:
            tasks.start_soon(breaking_at_the_end)
            await anyio.lowlevel.checkpoint()
            raise error

    with anyio.fail_after(PATIENCE_S), pytest.raises(ExceptionGroup) as caught:
        await block()
    assert [type(each) for each in caught.value.exceptions] == [ZeroDivisionError]
    assert caught.value.__cause__ is error


async def test_a_task_may_end_the_block_without_an_error() -> None:
    reached_the_end = False
    with anyio.fail_after(PATIENCE_S):
        async with background_tasks() as tasks:
            tasks.start_soon(anyio.lowlevel.checkpoint)
            tasks.cancel_scope.cancel()
            await anyio.sleep_forever()
            reached_the_end = True
    assert not reached_the_end


async def test_cancelling_from_outside_goes_through() -> None:
    background = Background()
    with anyio.fail_after(PATIENCE_S), anyio.CancelScope() as scope:
        async with background_tasks() as tasks:
            tasks.start_soon(background.run)
            await background.began.wait()
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert background.was_cancelled


async def test_only_what_is_large_is_worked_on_in_another_thread() -> None:
    def work(_data: bytes) -> int:
        return threading.get_ident()

    assert await aside(work, bytes(LARGE_BYTES)) == threading.get_ident()
    assert await aside(work, bytes(LARGE_BYTES + 1)) != threading.get_ident()


async def test_who_is_cancelled_meanwhile_leaves_when_the_other_thread_is_done() -> None:
    is_at_it, may_end, said = threading.Event(), threading.Event(), []

    def work(_data: bytes) -> None:
        is_at_it.set()
        may_end.wait(PATIENCE_S)
        said.append("done")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(aside, work, bytes(LARGE_BYTES + 1))
        await anyio.to_thread.run_sync(is_at_it.wait, PATIENCE_S)
        tasks.cancel_scope.cancel()
        may_end.set()
    assert said == ["done"]


async def test_what_is_raised_in_another_thread_comes_out_as_it_is() -> None:
    def work(data: bytes) -> None:
        raise ZeroDivisionError(len(data))

    for size in (1, LARGE_BYTES + 1):
        with pytest.raises(ZeroDivisionError):
            await aside(work, bytes(size))


async def test_shared_work_is_done_once_for_all_who_wait_and_again_when_it_is_wanted_again() -> None:
    gate, times = anyio.Event(), 0

    async def work() -> None:
        nonlocal times
        times += 1
        await gate.wait()

    async with background_tasks() as tasks:
        shared = SharedWork(tasks, work)
        await shared.wait()
        shared.begin()
        shared.begin()
        with anyio.move_on_after(0):  # one who leaves
            await shared.wait()
        gate.set()
        with anyio.fail_after(PATIENCE_S):
            await shared.wait()
            assert times == 1
            shared.begin()
            await shared.wait()
        assert times == 2


async def test_shared_work_is_not_begun_where_nobody_would_do_it() -> None:
    async def work() -> None:
        raise AssertionError

    async with background_tasks() as tasks:
        shared = SharedWork(tasks, work)
        tasks.cancel_scope.cancel()
        shared.begin()
        with anyio.CancelScope(shield=True), anyio.fail_after(PATIENCE_S):
            await shared.wait()
