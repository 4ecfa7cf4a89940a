"""Blocks of a stream that come one after another at a pace, whether anybody listens or not."""

import asyncio
from collections.abc import Callable, Mapping

from realcoze.emulator.delivery import Pace


class Playback:
    """`count` blocks, or with `stuck_at` so many of them and never more; `pauses` are seconds before some (from 1)."""

    def __init__(self, count: int, *, stuck_at: int | None = None, pauses: Mapping[int, float] | None = None) -> None:
        self.count = count
        self.done = 0
        """How many blocks have come."""

        self._stuck_at = count if stuck_at is None else stuck_at
        self._pauses = pauses or {}
        self._moved = asyncio.Event()

    async def play(self, pace: Pace | None, on_block: Callable[[], None]) -> None:
        """Have them come; `on_block` is called for each, before anybody who waits for it."""
        loop = asyncio.get_running_loop()
        while self.done < self.count and self.done != self._stuck_at:
            if pause_s := self._pauses.get(self.done + 1, 0.0):
                await asyncio.sleep(pause_s)
            self.done += 1
            on_block()
            self._move()
            await asyncio.sleep(pace.wait_s(loop.time()) if pace else 0)

    async def reached(self, count: int) -> None:
        """Return once so many blocks have come, or all; never where it is stuck before that."""
        while self.done < min(count, self.count):
            await self._moved.wait()

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
