"""Turns that go on though nobody waits for them, until they end, are stopped, or the house is closed."""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio
from anyio.abc import TaskGroup

from realcoze.domain.ids import CallerId
from realcoze.domain.media import size_in_words
from realcoze.errors import Overloaded
from realcoze.gateway.kept import Kept

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """So many turns at once, and so many bytes in the requests of all of them."""

    turns: int
    size_bytes: int


WHOLE = Bounds(turns=100, size_bytes=256 << 20)
"""Of all callers together; each turn holds a place of its upstream, and request and answer in memory."""

SHARE = Bounds(turns=50, size_bytes=128 << 20)
"""Of one caller, who is to leave the others some; without keys all have the same name, which is empty, and no share."""


@dataclass(slots=True, kw_only=True)
class _Turn:
    caller: CallerId
    size_bytes: int
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    is_over: anyio.Event = field(default_factory=anyio.Event)


class Unattended:
    """They run in `tasks`; closing those cancels them."""

    def __init__(self, tasks: TaskGroup, *, whole: Bounds = WHOLE, share: Bounds = SHARE) -> None:
        self._tasks = tasks
        self._whole = whole
        self._share = share
        self._running: dict[str, _Turn] = {}

    def begin(self, key: str, work: Callable[[], Awaitable[None]], *, caller: CallerId, size_bytes: int) -> anyio.Event:
        """Have `work` done under a key that is nobody else's; the event says that it is over.

        `size_bytes` is how much of a request `work` holds.  Raises `Overloaded` when there is no room.
        """
        turn = _Turn(caller=caller, size_bytes=size_bytes)
        running = self._running.values()
        _check([*running, turn], self._whole, "")
        if caller:
            _check([each for each in (*running, turn) if each.caller == caller], self._share, " for one caller")
        self._running[key] = turn
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


def _check(turns: Collection[_Turn], bounds: Bounds, whose: str) -> None:
    """Raises `Overloaded` for turns that are too many, or too large together; `whose` begins with a space."""
    if len(turns) > bounds.turns:
        raise _no_room(f"{bounds.turns} answers are being made in the background{whose}, and that is the most.")
    if sum(turn.size_bytes for turn in turns) > bounds.size_bytes:
        most = size_in_words(bounds.size_bytes)
        raise _no_room(f"The requests that are answered in the background{whose} would have more than {most} together.")


def _no_room(said: str) -> Overloaded:
    return Overloaded(
        said,
        hint="Try again shortly, or wait for the answer: leave out `background`.",
        retry_after_s=RETRY_AFTER_S,
    )
