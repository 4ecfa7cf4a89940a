import logging
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from realcoze.domain.ids import ConversationId
from realcoze.errors import Internal
from realcoze.gateway.continuity import Key, Place
from realcoze.gateway.places import Places
from realcoze.stores.memory import MemoryStore
from realcoze.stores.sqlite import open_sqlite
from servers import PATIENCE_S

KEY, THREAD = Key(digest="k", holds_one=False), Key(digest="t", holds_one=True)
ONE, TWO = (Place(conversation_id=ConversationId(name)) for name in ("1", "2"))


class Broken(MemoryStore):
    """A store that fails as long as it is told to."""

    is_broken = True

    async def put(self, shelf: str, key: str, value: bytes, *, keep_s: float) -> None:
        self._fail()
        await super().put(shelf, key, value, keep_s=keep_s)

    async def take(self, shelf: str, key: str) -> bytes | None:
        self._fail()
        return await super().take(shelf, key)

    def _fail(self) -> None:
        if self.is_broken:
            raise Internal("the disk is full", code="store_failed")


class Stuck(MemoryStore):
    """A store that says nothing until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.go = anyio.Event()

    async def put(self, shelf: str, key: str, value: bytes, *, keep_s: float) -> None:
        await self.go.wait()
        await super().put(shelf, key, value, keep_s=keep_s)

    async def take(self, shelf: str, key: str) -> bytes | None:
        await self.go.wait()
        return await super().take(shelf, key)


async def _put(places: Places, key: Key, place: Place) -> None:
    places.announce(key, place)
    await places.keep(key, place)


async def test_what_is_kept_can_be_taken_once() -> None:
    places = Places(MemoryStore())
    await _put(places, KEY, ONE)
    assert [await places.take(KEY), await places.take(KEY)] == [ONE, None]


async def test_what_is_announced_can_be_taken_at_once_and_is_not_stored_then() -> None:
    store = MemoryStore()
    places = Places(store)
    places.announce(KEY, ONE)
    assert await places.take(KEY) == ONE
    await places.keep(KEY, ONE)
    assert await places.take(KEY) is None
    assert len(store) == 0


async def test_places_under_one_key_are_each_taken_once() -> None:
    places = Places(MemoryStore())
    await _put(places, KEY, ONE)
    places.announce(KEY, TWO)
    places.announce(KEY, TWO)
    assert [await places.take(KEY) for _ in range(4)] == [TWO, TWO, ONE, None]


async def test_a_key_that_holds_one_place_holds_the_newest() -> None:
    places = Places(MemoryStore())
    await _put(places, THREAD, ONE)
    await _put(places, THREAD, TWO)
    assert [await places.take(THREAD), await places.take(THREAD)] == [TWO, None]


async def test_a_place_is_kept_for_its_time() -> None:
    now = 0.0
    places = Places(MemoryStore(now=lambda: now), keep_s=10)
    await _put(places, KEY, ONE)
    now = 10.0
    assert await places.take(KEY) is None


async def test_a_place_is_kept_though_its_turn_is_cancelled() -> None:
    places = Places(MemoryStore())
    with anyio.CancelScope() as scope:
        scope.cancel()
        await _put(places, KEY, ONE)
    assert await places.take(KEY) == ONE


async def test_a_place_that_was_taken_is_told_of_though_its_turn_is_cancelled(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "store.sqlite") as store:
        places = Places(store)
        await _put(places, KEY, ONE)
        with anyio.CancelScope() as scope:
            scope.cancel()
            taken = await places.take(KEY)
        assert taken == ONE
        assert await places.take(KEY) is None


@pytest.mark.parametrize("key", [KEY, THREAD])
async def test_whoever_asks_while_a_place_is_being_stored_gets_it(key: Key, tmp_path: Path) -> None:
    got: list[Place | None] = []
    async with open_sqlite(tmp_path / "store.sqlite") as store:
        places = Places(store)

        async def take() -> None:
            got.append(await places.take(key))

        for _ in range(50):
            places.announce(key, ONE)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(places.keep, key, ONE)
                for _ in range(3):
                    await anyio.lowlevel.checkpoint()
                tasks.start_soon(take)
    assert got == [ONE] * 50


@pytest.mark.parametrize("place", [ONE, Place(conversation_id=ConversationId("1"), after="a", event_id="e", kind="k")])
async def test_a_place_can_be_written_and_read(place: Place) -> None:
    places = Places(MemoryStore())
    await _put(places, KEY, place)
    assert await places.take(KEY) == place


@pytest.mark.parametrize("data", [b"", b"null", b"{}", b'{"conversation_id": 1}', b"\xff"])
async def test_what_another_version_wrote_is_not_there(data: bytes) -> None:
    store = MemoryStore()
    await store.put("places", KEY.digest, data, keep_s=10)
    assert await Places(store).take(KEY) is None


async def test_a_store_that_fails_is_told_of_once_and_costs_no_turn(caplog: pytest.LogCaptureFixture) -> None:
    store = Broken()
    places = Places(store)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await _put(places, KEY, ONE)
            assert await places.take(KEY) is None
    assert len(caplog.records) == 1
    assert "the disk is full" in caplog.text
    store.is_broken = False
    await _put(places, KEY, ONE)
    assert await places.take(KEY) == ONE
    store.is_broken = True
    assert await places.take(KEY) is None
    assert len(caplog.records) == 2


async def test_turns_do_not_wait_for_one_another_where_the_store_is_stuck(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("realcoze.gateway.places.TAKE_S", 0.02)
    places, got = Places(Stuck()), list[Place | None]()

    async def take() -> None:
        got.append(await places.take(KEY))

    with anyio.fail_after(PATIENCE_S), caplog.at_level(logging.WARNING):
        async with anyio.create_task_group() as tasks:
            for _ in range(500):
                tasks.start_soon(take)
    assert got == [None] * 500
    assert [record.getMessage() for record in caplog.records] == [
        "conversations are not gone on with, and everything is sent each time: the store has not answered in 0.02 s"
    ]


async def test_what_could_not_be_stored_in_time_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("realcoze.gateway.places.PUT_S", 0.02)
    store = Stuck()
    places = Places(store)
    with anyio.fail_after(PATIENCE_S), caplog.at_level(logging.WARNING):
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(_put, places, KEY, ONE)
    assert len(caplog.records) == 5
    store.go.set()
    assert await places.take(KEY) is None
