from collections.abc import AsyncIterator

import anyio
import pytest
from anyio.abc import TaskGroup

from realcoze.errors import Overloaded
from realcoze.gateway.unattended import Unattended
from realcoze.tasks import background_tasks
from servers import PATIENCE_S


@pytest.fixture
async def tasks(nothing_left: None) -> AsyncIterator[TaskGroup]:
    with anyio.fail_after(PATIENCE_S):
        async with background_tasks() as opened:
            yield opened


class Work:
    """What a test wants done, and what became of it."""

    def __init__(self) -> None:
        self.go = anyio.Event()
        self.has_begun = anyio.Event()
        self.ended = ""

    async def __call__(self) -> None:
        self.has_begun.set()
        try:
            await self.go.wait()
            self.ended = "well"
        except BaseException:
            self.ended = "cancelled"
            raise


async def test_a_turn_goes_on_though_who_began_it_has_left(tasks: TaskGroup) -> None:
    unattended, work = Unattended(tasks), Work()
    with anyio.CancelScope() as caller:
        is_over = unattended.begin("1", work)
        caller.cancel()
        await is_over.wait()
    assert caller.cancelled_caught
    work.go.set()
    await is_over.wait()
    assert work.ended == "well"


async def test_a_turn_can_be_stopped_and_is_over_then(tasks: TaskGroup) -> None:
    unattended, work, other = Unattended(tasks), Work(), Work()
    unattended.begin("1", work)
    unattended.begin("2", other)
    await work.has_begun.wait()
    assert await unattended.stop("1")
    assert (work.ended, other.ended) == ("cancelled", "")
    assert [await unattended.stop(key) for key in ("1", "nowhere")] == [False, False]


async def test_one_that_is_at_its_end_is_not_stopped_any_more(tasks: TaskGroup) -> None:
    unattended, has_begun, go = Unattended(tasks), anyio.Event(), anyio.Event()
    stopped: list[bool] = []

    async def work() -> None:
        with anyio.CancelScope(shield=True):
            has_begun.set()
            await go.wait()

    async def stop() -> None:
        stopped.append(await unattended.stop("1"))

    unattended.begin("1", work)
    await has_begun.wait()
    async with anyio.create_task_group() as stopping:
        stopping.start_soon(stop)
        await anyio.lowlevel.checkpoint()
        go.set()
    assert stopped == [False]


async def test_there_are_never_more_than_the_most(tasks: TaskGroup) -> None:
    unattended, work = Unattended(tasks, most=2), Work()
    first, _ = (unattended.begin(key, work) for key in "12")
    with pytest.raises(Overloaded, match="2 answers") as caught:
        unattended.begin("3", work)
    assert caught.value.retry_after_s
    work.go.set()
    await first.wait()
    unattended.begin("3", work)


async def test_a_defect_of_one_is_logged_and_stops_no_other(tasks: TaskGroup, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise RuntimeError("a defect")

    unattended, work = Unattended(tasks), Work()
    other = unattended.begin("1", work)
    await unattended.begin("2", broken).wait()
    assert "a defect" in caplog.text
    work.go.set()
    await other.wait()
    assert work.ended == "well"


async def test_closing_cancels_them_all(nothing_left: None) -> None:
    works = [Work(), Work()]
    async with background_tasks() as tasks:
        unattended = Unattended(tasks)
        for number, work in enumerate(works):
            unattended.begin(str(number), work)
        await works[-1].has_begun.wait()
    assert [work.ended for work in works] == ["cancelled", "cancelled"]
