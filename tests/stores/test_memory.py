"""What the contract (tests/contract/test_stores.py) does not say: how it stays small."""

from realcoze.stores.memory import MemoryStore


async def test_what_has_expired_goes_when_something_is_put() -> None:
    now = 0.0
    store = MemoryStore(now=lambda: now)
    for key in ("first", "second", "second"):
        await store.put("shelf", key, b"value", keep_s=10)
    now = 10.0
    await store.put("shelf", "third", b"value", keep_s=10)
    assert len(store) == 1


async def test_what_has_expired_goes_when_it_is_asked_for() -> None:
    now = 0.0
    store = MemoryStore(now=lambda: now)
    await store.put("shelf", "long", b"value", keep_s=100)
    await store.put("shelf", "short", b"value", keep_s=10)
    now = 10.0
    assert await store.get("shelf", "short") is None
    assert len(store) == 1


async def test_a_value_that_is_to_be_kept_for_no_time_is_not_kept() -> None:
    store = MemoryStore(now=lambda: 0.0)
    await store.put("shelf", "key", b"value", keep_s=0)
    assert await store.get("shelf", "key") is None
    assert len(store) == 0


async def test_keys_that_hold_nothing_leave_nothing() -> None:
    store = MemoryStore()
    for number in range(100):
        await store.put("shelf", str(number), b"value", keep_s=10)
        await store.take("shelf", str(number))
        await store.take("shelf", f"never-{number}")
    assert len(store) == 0
    assert not store._shelves["shelf"]._places


async def test_what_has_expired_goes_though_something_is_put_on_another_shelf() -> None:
    now = 0.0
    store = MemoryStore(now=lambda: now)
    await store.put("shelf", "key", b"value", keep_s=10)
    now = 10.0
    await store.put("other", "key", b"value", keep_s=10)
    assert len(store) == 1
