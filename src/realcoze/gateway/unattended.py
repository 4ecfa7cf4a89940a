"""Turns that go on though nobody waits for them, until they end, are stopped, or the house is closed."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio
from anyio.abc import TaskGroup

from realcoze.errors import Overloaded
from realcoze.gateway.kept import Kept

log = logging.getLogger(__name__)

MOST = 100
"""Turns at once; each holds a place of its upstream, and its answer in memory."""

RETRY_AFTER_S = 5.0


@dataclass(slots=True)
class _Turn:
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    is_over: anyio.Event = field(default_factory=anyio.Event)


class Unattended:
    """They run in `tasks`; closing those cancels them."""

    def __init__(self, tasks: TaskGroup, *, most: int = MOST) -> None:
        self._tasks = tasks
        self._most = most
        self._running: dict[str, _Turn] = {}

    def begin(self, key: str, work: Callable[[], Awaitable[None]]) -> anyio.Event:
        """Have `work` done under a key that is nobody else's; the event says that it is over.

        Raises `Overloaded` when there is no room.
        """
        if len(self._running) >= self._most:
            raise Overloaded(
                f"{self._most} answers are being made in the background, and that is the most.",
                hint="Try again shortly, or wait for the answer: leave out `background`.",
                retry_after_s=RETRY_AFTER_S,
            )
        turn = self._running[key] = _Turn()
        self._tasks.start_soon(self._run, key, turn, work)
        return turn.is_over

    async def stop(self, key: str) -> bool:
        """Cancel what runs under a key, and wait until it is over; False where nothing was there to cancel."""
        turn = self._running.get(key)
        if turn is None:
            return False
        turn.scope.cancel()
        await turn.is_over.wait()
        return turn.scope.cancelled_caught

    async def _run(self, key: str, turn: _Turn, work: Callable[[], Awaitable[None]]) -> None:
        """A defect in one of them does not stop the others."""
        try:
            with turn.scope:
                await work()
        except Exception:
            log.exception("a defect ended a turn in the background")
        finally:
            del self._running[key]
            turn.is_over.set()


class Keeping(NamedTuple):
    """Where answers are kept, and where those are made that nobody waits for."""

    kept: Kept
    unattended: Unattended
