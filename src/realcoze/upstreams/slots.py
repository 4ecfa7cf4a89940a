"""Places for turns that run at once, and a bounded queue before them."""

import anyio

from realcoze.errors import Overloaded


class Slots:
    """`limit` turns at once; `queue` more wait, `queue_s` seconds at most; the rest are refused."""

    def __init__(self, *, limit: int, queue: int, queue_s: float) -> None:
        self._limiter = anyio.CapacityLimiter(limit)
        self._queue = queue
        self._queue_s = queue_s

    @property
    def taken(self) -> int:
        """Turns that run now."""
        return self._limiter.borrowed_tokens

    def place(self) -> "_Place":
        """A place for as long as a block lasts.  To enter it raises `Overloaded`."""
        return _Place(self, self._limiter)

    async def wait(self, holder: object) -> None:
        """Take a place for `holder` when one becomes free.  Raises `Overloaded`."""
        if self._limiter.statistics().tasks_waiting >= self._queue:
            raise self._overloaded("and as many wait as may")
        with anyio.move_on_after(self._queue_s) as waiting:
            await self._limiter.acquire_on_behalf_of(holder)
        if waiting.cancelled_caught:
            raise self._overloaded(f"and none became free in {self._queue_s:g} s")

    def _overloaded(self, why: str) -> Overloaded:
        return Overloaded(
            f"All {self._limiter.total_tokens:g} places for turns are taken, {why}.",
            hint="Try again shortly, or raise `max_turns`.",
            retry_after_s=1,
        )


class _Place:
    """A class: an asynchronous generator would be made known to the loop, and to its collector, for each turn."""

    __slots__ = ("_limiter", "_slots")

    def __init__(self, slots: Slots, limiter: anyio.CapacityLimiter) -> None:
        self._slots = slots
        self._limiter = limiter

    async def __aenter__(self) -> None:
        try:
            self._limiter.acquire_on_behalf_of_nowait(self)
        except anyio.WouldBlock:
            await self._slots.wait(self)

    async def __aexit__(self, *_failure: object) -> None:
        self._limiter.release_on_behalf_of(self)
