import asyncio

import pytest

from realcoze.emulator.open_api.playback import Playback


async def test_all_blocks_come_and_each_is_told() -> None:
    playback = Playback(3)
    seen: list[int] = []
    await playback.play(None, lambda: seen.append(playback.done))
    assert seen == [1, 2, 3]


async def test_somebody_may_wait_for_some_of_them() -> None:
    playback = Playback(3)
    playing = asyncio.create_task(playback.play(None, lambda: None))
    await playback.reached(2)
    assert playback.done == 2
    await playback.reached(99)
    assert playback.done == 3
    await playing


async def test_a_stuck_one_never_gets_further() -> None:
    playback = Playback(3, stuck_at=1)
    await playback.play(None, lambda: None)
    assert playback.done == 1
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(playback.reached(2), 0.01)


async def test_a_pause_comes_before_its_block() -> None:
    playback = Playback(2, pauses={2: 3600.0})
    playing = asyncio.create_task(playback.play(None, lambda: None))
    await playback.reached(1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(playback.reached(2), 0.01)
    playing.cancel()


async def test_nothing_to_play_is_over_at_once() -> None:
    playback = Playback(0)
    await playback.play(None, lambda: None)
    await playback.reached(1)
