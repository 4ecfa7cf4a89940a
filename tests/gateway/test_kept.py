import logging

import anyio
import anyio.lowlevel
import pytest

from realcoze.domain.ids import CallerId
from realcoze.errors import Internal
from realcoze.gateway.kept import Kept, key_of
from realcoze.stores.memory import MemoryStore

ADA, BOB = CallerId("ada"), CallerId("bob")
KEY = key_of(ADA, "resp_1")


class Slow(MemoryStore):
    """A store whose writing waits until it is let go on; it fails as long as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = anyio.Event()
        self.is_writing = anyio.Event()
        self.is_broken = False

    async def replace(self, shelf: str, key: str, value: bytes, *, keep_s: float) -> None:
        self.is_writing.set()
        await self.go.wait()
        self._fail()
        await super().replace(shelf, key, value, keep_s=keep_s)

    async def get(self, shelf: str, key: str) -> bytes | None:
        self._fail()
        return await super().get(shelf, key)

    def _fail(self) -> None:
        if self.is_broken:
            raise Internal("the disk is full", code="store_failed")


@pytest.fixture
async def slow() -> Slow:
    return Slow()


async def put(kept: Kept, record: bytes) -> None:
    kept.announce(KEY, record)
    await kept.keep(KEY)


async def test_what_is_kept_can_be_found_again_and_again() -> None:
    kept = Kept(MemoryStore())
    await put(kept, b"1")
    assert [await kept.find(KEY) for _ in range(2)] == [b"1", b"1"]
    assert await kept.find(key_of(ADA, "resp_2")) is None


async def test_an_answer_is_its_caller_s_alone() -> None:
    kept = Kept(MemoryStore())
    await put(kept, b"1")
    assert await kept.find(key_of(BOB, "resp_1")) is None
    assert len({key_of(ADA, "1"), key_of(CallerId("ada1"), ""), key_of(CallerId(""), "ada1")}) == 3


async def test_an_answer_is_found_while_it_is_on_its_way_to_the_store(slow: Slow) -> None:
    kept = Kept(slow)
    kept.announce(KEY, b"1")
    assert await kept.find(KEY) == b"1"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.keep, KEY)
        await slow.is_writing.wait()
        assert await kept.find(KEY) == b"1"
        slow.go.set()
    assert (await kept.find(KEY), len(slow)) == (b"1", 1)


async def test_what_is_forgotten_on_its_way_does_not_arrive(slow: Slow) -> None:
    kept = Kept(slow)
    kept.announce(KEY, b"1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.keep, KEY)
        await slow.is_writing.wait()
        assert await kept.forget(KEY)
        slow.go.set()
    assert (await kept.find(KEY), len(slow)) == (None, 0)


async def test_what_is_announced_meanwhile_counts(slow: Slow) -> None:
    """A turn that ended while it was being cancelled, say."""
    kept = Kept(slow)
    kept.announce(KEY, b"1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.keep, KEY)
        await slow.is_writing.wait()
        kept.announce(KEY, b"2")
        slow.go.set()
    assert await kept.find(KEY) == b"2"
    await kept.keep(KEY)
    assert (await kept.find(KEY), len(slow)) == (b"2", 1)


async def test_what_was_not_announced_is_not_kept() -> None:
    store = MemoryStore()
    await Kept(store).keep(KEY)
    assert len(store) == 0


async def test_what_is_withdrawn_is_not_there_and_is_not_stored() -> None:
    store = MemoryStore()
    kept = Kept(store)
    kept.announce(KEY, b"1")
    for _ in range(2):
        kept.withdraw(KEY)
    await kept.keep(KEY)
    assert (await kept.find(KEY), len(store)) == (None, 0)


async def test_what_is_forgotten_is_gone_and_only_once() -> None:
    kept = Kept(MemoryStore())
    await put(kept, b"1")
    assert [await kept.forget(KEY) for _ in range(2)] == [True, False]
    assert await kept.find(KEY) is None


async def test_an_answer_is_kept_for_its_time() -> None:
    now = 0.0
    kept = Kept(MemoryStore(now=lambda: now), keep_s=10)
    await put(kept, b"1")
    now = 10.0
    assert await kept.find(KEY) is None


async def test_an_answer_is_kept_though_its_turn_is_cancelled(slow: Slow) -> None:
    kept = Kept(slow)
    kept.announce(KEY, b"1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.keep, KEY)
        await slow.is_writing.wait()
        tasks.cancel_scope.cancel()
        slow.go.set()
    assert await slow.get("answers", KEY) == b"1"


async def test_a_store_that_fails_is_told_of_once_and_costs_no_turn(
    slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    slow.go.set()
    slow.is_broken = True
    kept = Kept(slow)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await put(kept, b"1")
    assert [record.message for record in caplog.records] == ["answers are not kept: the disk is full"]
    with pytest.raises(Internal, match="disk is full"):
        await kept.find(KEY)
    slow.is_broken = False
    assert await kept.find(KEY) is None
    await put(kept, b"2")
    assert await kept.find(KEY) == b"2"


async def test_a_store_that_hangs_costs_the_answer(
    slow: Slow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("realcoze.gateway.kept.PUT_S", 0.0)
    kept = Kept(slow)
    await put(kept, b"1")
    assert await kept.find(KEY) is None
    assert "could not be stored" in caplog.text
