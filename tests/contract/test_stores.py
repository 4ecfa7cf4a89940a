"""What every implementation of the port `Store` must do; one suite, run on each (domain/ports.py)."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from clocks import Clock
from realcoze.domain.ports import Store
from realcoze.stores.memory import MemoryStore
from realcoze.stores.sqlite import open_sqlite

pytestmark = pytest.mark.usefixtures("nothing_left")

DAY_S = 24 * 3600.0


MANY_BYTES = 1 << 20

Open = Callable[[Path, Clock, int, int], AbstractAsyncContextManager[Store]]
Opened = Callable[..., AbstractAsyncContextManager[Store]]


@asynccontextmanager
async def _memory(_folder: Path, clock: Clock, most: int, most_bytes: int) -> AsyncIterator[Store]:
    yield MemoryStore(most=most, most_bytes=most_bytes, now=clock)


@asynccontextmanager
async def _sqlite(folder: Path, clock: Clock, most: int, most_bytes: int) -> AsyncIterator[Store]:
    async with open_sqlite(folder / "store.sqlite", most=most, most_bytes=most_bytes, now=clock) as store:
        yield store


STORES: dict[str, Open] = {"memory": _memory, "sqlite": _sqlite}
"""Every implementation there is; a new one needs a line here."""


@pytest.fixture
def clock() -> Clock:
    return Clock(1_700_000_000.0)


@pytest.fixture(params=STORES)
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Opened:
    return lambda most, most_bytes=MANY_BYTES: STORES[request.param](tmp_path, clock, most, most_bytes)


@pytest.fixture
async def store(opened: Opened) -> AsyncIterator[Store]:
    async with opened(1000) as one:
        yield one


async def test_what_is_put_can_be_got_and_stays(store: Store) -> None:
    await store.put("shelf", "key", b"value", keep_s=DAY_S)
    assert [await store.get("shelf", "key") for _ in range(2)] == [b"value", b"value"]


async def test_what_is_taken_is_gone(store: Store) -> None:
    await store.put("shelf", "key", b"value", keep_s=DAY_S)
    assert [await store.take("shelf", "key") for _ in range(2)] == [b"value", None]
    assert await store.get("shelf", "key") is None


async def test_nothing_is_where_nothing_was_put(store: Store) -> None:
    await store.put("shelf", "key", b"value", keep_s=DAY_S)
    assert await store.get("shelf", "other") is None
    assert await store.take("other", "key") is None
    assert await store.get("shelf", "key") == b"value"


async def test_several_values_under_one_key_are_taken_newest_first(store: Store) -> None:
    for value in (b"1", b"2", b"2", b"3"):
        await store.put("shelf", "key", value, keep_s=DAY_S)
    assert [await store.take("shelf", "key") for _ in range(5)] == [b"3", b"2", b"2", b"1", None]


async def test_a_value_may_take_the_place_of_all_under_its_key_and_of_no_other(store: Store) -> None:
    for key in ("key", "key", "other"):
        await store.put("shelf", key, key.encode(), keep_s=DAY_S)
    await store.replace("shelf", "key", b"new", keep_s=DAY_S)
    assert [await store.take("shelf", key) for key in ("key", "key", "other")] == [b"new", None, b"other"]


@pytest.mark.parametrize("value", [b"", b"\x00\xff'\"", b"x" * 100_000, "人".encode()])
async def test_a_value_is_any_bytes(store: Store, value: bytes) -> None:
    await store.put("sh'elf", 'k"ey\x00人', value, keep_s=DAY_S)
    assert await store.take("sh'elf", 'k"ey\x00人') == value


async def test_a_value_is_gone_after_its_time_and_those_below_it_are_not(store: Store, clock: Clock) -> None:
    await store.put("shelf", "key", b"long", keep_s=10)
    await store.put("shelf", "key", b"short", keep_s=5)
    clock.now += 5
    assert await store.get("shelf", "key") == b"long"
    clock.now += 4.9
    assert await store.get("shelf", "key") == b"long"
    clock.now += 0.1
    assert await store.get("shelf", "key") is None
    assert await store.take("shelf", "key") is None


async def test_there_are_never_more_values_than_the_most_and_the_oldest_go(opened: Opened) -> None:
    async with opened(3) as store:
        for number in range(5):
            await store.put("shelf", str(number), b"%d" % number, keep_s=DAY_S)
        await store.put("shelf", "4", b"again", keep_s=DAY_S)
        left = [await store.get("shelf", str(number)) for number in range(5)]
    assert left == [None, None, None, b"3", b"again"]


async def test_values_are_never_longer_together_than_the_most_and_the_oldest_go(opened: Opened) -> None:
    async with opened(100, 10) as store:
        for number in range(4):
            await store.put("shelf", str(number), b"%d..." % number, keep_s=DAY_S)
        left = [await store.get("shelf", str(number)) for number in range(4)]
        await store.put("shelf", "long", b"x" * 11, keep_s=DAY_S)
        assert await store.get("shelf", "long") is None
    assert left == [None, None, b"2...", b"3..."]


async def test_a_full_shelf_drives_out_nothing_of_another_one(opened: Opened) -> None:
    async with opened(3, 10) as store:
        for number in range(3):
            await store.put("places", str(number), b"...", keep_s=DAY_S)
        for number in range(5):
            await store.put("answers", str(number), b"%d" % number, keep_s=DAY_S)
        await store.replace("answers", "long", b"x" * 10, keep_s=DAY_S)
        await store.put("answers", "longer", b"x" * 11, keep_s=DAY_S)
        left = [await store.get("answers", key) for key in ("0", "4", "long", "longer")]
        assert [await store.get("places", str(number)) for number in range(3)] == [b"..."] * 3
        await store.put("places", "3", b"...", keep_s=DAY_S)
        assert [await store.get("places", str(number)) for number in range(4)] == [None, *[b"..."] * 3]
    assert left == [None] * 4


async def test_all_values_under_a_key_can_be_seen_newest_first_but_those_whose_time_is_over(
    store: Store, clock: Clock
) -> None:
    for value, keep_s in ((b"1", 10), (b"2", 5), (b"3", 10)):
        await store.put("shelf", "key", value, keep_s=keep_s)
    await store.put("shelf", "other", b"4", keep_s=10)
    assert list(await store.each("shelf", "key")) == [b"3", b"2", b"1"]
    clock.now += 5
    assert [list(await store.each("shelf", key)) for key in ("key", "other", "none")] == [[b"3", b"1"], [b"4"], []]


async def test_one_value_of_several_can_be_removed(store: Store, clock: Clock) -> None:
    for value in (b"1", b"2", b"2", b"3"):
        await store.put("shelf", "key", value, keep_s=5)
    await store.put("shelf", "other", b"2", keep_s=DAY_S)
    assert [await store.remove("shelf", "key", value) for value in (b"2", b"2", b"4")] == [True, False, False]
    assert [list(await store.each("shelf", key)) for key in ("key", "other")] == [[b"3", b"1"], [b"2"]]
    clock.now += 5
    assert not await store.remove("shelf", "key", b"1")


async def test_what_is_removed_makes_room(opened: Opened) -> None:
    async with opened(100, 10) as store:
        await store.put("shelf", "first", b"1", keep_s=DAY_S)
        for _ in range(10):
            await store.put("shelf", "second", b"12345", keep_s=DAY_S)
            await store.remove("shelf", "second", b"12345")
        assert await store.get("shelf", "first") == b"1"


async def test_what_is_taken_makes_room(opened: Opened) -> None:
    async with opened(2) as store:
        await store.put("shelf", "first", b"1", keep_s=DAY_S)
        for _ in range(10):
            await store.put("shelf", "second", b"2", keep_s=DAY_S)
            await store.take("shelf", "second")
        assert await store.get("shelf", "first") == b"1"


async def test_many_takers_at_once_get_each_value_once(store: Store) -> None:
    values = [b"%d" % number for number in range(20)]
    for value in values:
        await store.put("shelf", "key", value, keep_s=DAY_S)
    taken: list[bytes | None] = []

    async def take() -> None:
        taken.append(await store.take("shelf", "key"))

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(take)
    assert sorted(value for value in taken if value) == sorted(values)
    assert taken.count(None) == 30


async def test_a_caller_that_leaves_leaves_the_store_as_it_works(store: Store) -> None:
    """Each of them is cancelled somewhere in its call; then all is there or nothing of it."""

    async def put(number: int) -> None:
        await store.put("shelf", f"left-{number}", b"value", keep_s=DAY_S)

    for number in range(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(put, number)
            for _ in range(number):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    assert {await store.get("shelf", f"left-{number}") for number in range(20)} <= {None, b"value"}
    await store.put("shelf", "key", b"value", keep_s=DAY_S)
    assert await store.take("shelf", "key") == b"value"
