import math

import anyio
import pytest

from realcoze.errors import Overloaded
from realcoze.upstreams.slots import Slots

pytestmark = pytest.mark.usefixtures("nothing_left")


async def _hold(slots: Slots, until: anyio.Event, held: list[str], name: str) -> None:
    async with slots.place():
        held.append(name)
        await until.wait()


async def test_a_place_is_taken_for_the_block_and_given_back() -> None:
    slots = Slots(limit=2, queue=0, queue_s=1)
    async with slots.place(), slots.place():
        assert slots.taken == 2
    assert slots.taken == 0


async def test_a_place_is_given_back_after_an_error() -> None:
    slots = Slots(limit=1, queue=0, queue_s=1)
    with pytest.raises(ValueError, match="mine"):
        async with slots.place():
            raise ValueError("mine")
    assert slots.taken == 0


async def test_beyond_the_queue_turns_are_refused_at_once() -> None:
    slots = Slots(limit=1, queue=1, queue_s=math.inf)
    done, held = anyio.Event(), list[str]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_hold, slots, done, held, "first")
        tasks.start_soon(_hold, slots, done, held, "second")
        await anyio.wait_all_tasks_blocked()
        assert held == ["first"]
        with pytest.raises(Overloaded, match="as many wait as may") as caught:
            async with slots.place():
                pytest.fail("there is no place")
        assert caught.value.code == "overloaded"
        assert caught.value.retryable
        assert caught.value.retry_after_s == 1
        assert "max_turns" in (caught.value.hint or "")
        done.set()
    assert held == ["first", "second"]
    assert slots.taken == 0


async def test_waiting_has_an_end() -> None:
    slots = Slots(limit=1, queue=1, queue_s=0.01)
    async with slots.place():
        with pytest.raises(Overloaded, match=r"none became free in 0\.01 s"):
            async with slots.place():
                pytest.fail("there is no place")
        assert slots.taken == 1
    assert slots.taken == 0


async def test_who_leaves_the_queue_makes_room_in_it() -> None:
    slots = Slots(limit=1, queue=1, queue_s=math.inf)
    done, held = anyio.Event(), list[str]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_hold, slots, done, held, "first")
        await anyio.wait_all_tasks_blocked()
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(_hold, slots, done, held, "leaver")
            await anyio.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
        tasks.start_soon(_hold, slots, done, held, "second")
        await anyio.wait_all_tasks_blocked()
        done.set()
    assert held == ["first", "second"]
    assert slots.taken == 0


async def test_places_are_given_in_the_order_of_asking() -> None:
    slots = Slots(limit=1, queue=10, queue_s=math.inf)
    done, held = anyio.Event(), list[str]()
    async with anyio.create_task_group() as tasks:
        for name in "abcde":
            tasks.start_soon(_hold, slots, done, held, name)
            await anyio.wait_all_tasks_blocked()
        done.set()
    assert held == list("abcde")
