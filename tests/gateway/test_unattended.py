from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import pytest
from anyio.abc import TaskGroup

from realcoze.domain.ids import CallerId
from realcoze.errors import Overloaded
from realcoze.gateway.unattended import Bounds, Unattended
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


def _begin(
    unattended: Unattended, key: str, work: Callable[[], Awaitable[None]], *, caller: str = "one", size_bytes: int = 9
) -> anyio.Event:
    return unattended.begin(key, work, caller=CallerId(caller), size_bytes=size_bytes)


async def test_a_turn_goes_on_though_who_began_it_has_left(tasks: TaskGroup) -> None:
    unattended, work = Unattended(tasks), Work()
    with anyio.CancelScope() as caller:
        is_over = _begin(unattended, "1", work)
        caller.cancel()
        await is_over.wait()
    assert caller.cancelled_caught
    work.go.set()
    await is_over.wait()
    assert work.ended == "well"


async def test_a_turn_can_be_stopped_and_is_over_then(tasks: TaskGroup) -> None:
    unattended, work, other = Unattended(tasks), Work(), Work()
    _begin(unattended, "1", work)
    _begin(unattended, "2", other)
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

    _begin(unattended, "1", work)
    await has_begun.wait()
    async with anyio.create_task_group() as stopping:
        stopping.start_soon(stop)
        await anyio.lowlevel.checkpoint()
        go.set()
    assert stopped == [False]


async def test_there_are_never_more_than_the_most(tasks: TaskGroup) -> None:
    unattended, work = Unattended(tasks, whole=Bounds(turns=2, size_bytes=100)), Work()
    first, _ = (_begin(unattended, key, work, caller=key) for key in "12")
    with pytest.raises(Overloaded, match="2 answers are being made in the background, and") as caught:
        _begin(unattended, "3", work, caller="3")
    assert caught.value.retry_after_s
    work.go.set()
    await first.wait()
    _begin(unattended, "3", work, caller="3")


async def test_one_caller_leaves_the_others_some(tasks: TaskGroup) -> None:
    unattended, work = Unattended(tasks, share=Bounds(turns=2, size_bytes=100)), Work()
    first, _ = (_begin(unattended, key, work) for key in "12")
    with pytest.raises(Overloaded, match="2 answers are being made in the background for one caller"):
        _begin(unattended, "3", work)
    _begin(unattended, "3", work, caller="another")
    work.go.set()
    await first.wait()
    _begin(unattended, "4", work)


async def test_the_requests_of_all_of_them_are_never_larger_than_the_most(tasks: TaskGroup) -> None:
    unattended, work, go_on = Unattended(tasks, whole=Bounds(turns=9, size_bytes=1024)), Work(), Work()
    first = _begin(unattended, "1", work, caller="1", size_bytes=1000)
    _begin(unattended, "2", go_on, caller="2", size_bytes=24)
    with pytest.raises(Overloaded, match="in the background would have more than 1 KiB together") as caught:
        _begin(unattended, "3", go_on, caller="3", size_bytes=1)
    assert caught.value.retry_after_s
    work.go.set()
    await first.wait()
    _begin(unattended, "3", go_on, caller="3", size_bytes=1000)


async def test_the_requests_of_one_caller_leave_the_others_room(tasks: TaskGroup) -> None:
    unattended, work = Unattended(tasks, share=Bounds(turns=9, size_bytes=1024)), Work()
    _begin(unattended, "1", work, size_bytes=1024)
    with pytest.raises(Overloaded, match="for one caller would have more than 1 KiB together"):
        _begin(unattended, "2", work, size_bytes=1)
    _begin(unattended, "2", work, caller="another", size_bytes=1024)


async def test_what_is_refused_takes_no_room(tasks: TaskGroup) -> None:
    unattended, work = Unattended(tasks, share=Bounds(turns=9, size_bytes=1024)), Work()
    with pytest.raises(Overloaded):
        _begin(unattended, "1", work, size_bytes=1025)
    assert not await unattended.stop("1")
    _begin(unattended, "1", work, size_bytes=1024)


async def test_a_defect_of_one_is_logged_and_stops_no_other(tasks: TaskGroup, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise RuntimeError("a defect")

    unattended, work = Unattended(tasks), Work()
    other = _begin(unattended, "1", work)
    await _begin(unattended, "2", broken).wait()
    assert "a defect" in caplog.text
    work.go.set()
    await other.wait()
    assert work.ended == "well"


async def test_closing_cancels_them_all(nothing_left: None) -> None:
    works = [Work(), Work()]
    async with background_tasks() as tasks:
        unattended = Unattended(tasks)
        for number, work in enumerate(works):
            _begin(unattended, str(number), work)
        await works[-1].has_begun.wait()
    assert [work.ended for work in works] == ["cancelled", "cancelled"]
