"""The port `Store` in this process: gone with it, and enough for questions and for trying things out."""

import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MOST_VALUES = 100_000
"""Of one shelf; its oldest go, and nothing of another one."""

MOST_BYTES = 64 << 20
"""Of all values of one shelf together, likewise."""


@dataclass(frozen=True, slots=True)
class _Kept:
    key: str
    value: bytes
    until: float


class MemoryStore:
    """`now` gives Unix seconds; a shelf has `most` values at the most, which have `most_bytes` together."""

    def __init__(
        self, *, most: int = MOST_VALUES, most_bytes: int = MOST_BYTES, now: Callable[[], float] = time.time
    ) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._now = now
        self._shelves: defaultdict[str, _Shelf] = defaultdict(_Shelf)

    def __len__(self) -> int:
        return sum(map(len, self._shelves.values()))

    async def put(self, shelf: str, key: str, value: bytes, *, keep_s: float) -> None:
        """See `Store`.  What has expired goes when it is the oldest of its shelf, or when it is asked for."""
        now = self._now()
        self._shelves[shelf].add(_Kept(key, value, now + keep_s))
        self._shelves[shelf].shrink(self._most, self._most_bytes)
        for each in self._shelves.values():
            each.expire(now)

    async def take(self, shelf: str, key: str) -> bytes | None:
        """See `Store`."""
        here = self._shelves[shelf]
        number = here.newest(key, self._now())
        return None if number is None else here.remove(number).value

    async def get(self, shelf: str, key: str) -> bytes | None:
        """See `Store`."""
        here = self._shelves[shelf]
        number = here.newest(key, self._now())
        return None if number is None else here.kept[number].value

    async def replace(self, shelf: str, key: str, value: bytes, *, keep_s: float) -> None:
        """See `Store`."""
        for number in self._shelves[shelf].under(key):
            self._shelves[shelf].remove(number)
        await self.put(shelf, key, value, keep_s=keep_s)

    async def each(self, shelf: str, key: str) -> Sequence[bytes]:
        """See `Store`."""
        now, here = self._now(), self._shelves[shelf]
        found = [here.kept[number] for number in reversed(here.under(key))]
        return [kept.value for kept in found if kept.until > now]

    async def remove(self, shelf: str, key: str, value: bytes) -> bool:
        """See `Store`."""
        now, here = self._now(), self._shelves[shelf]
        found = [number for number in here.under(key) if here.kept[number].value == value]
        return now < max((here.remove(number).until for number in found), default=now)


class _Shelf:
    """Values by the number that each got when it came; the oldest come first."""

    def __init__(self) -> None:
        self.kept: OrderedDict[int, _Kept] = OrderedDict()
        self._bytes = 0
        self._numbers = 0
        self._places: defaultdict[str, deque[int]] = defaultdict(deque)

    def __len__(self) -> int:
        return len(self.kept)

    def add(self, kept: _Kept) -> None:
        self._numbers += 1
        self.kept[self._numbers] = kept
        self._places[kept.key].append(self._numbers)
        self._bytes += len(kept.value)

    def shrink(self, most: int, most_bytes: int) -> None:
        """Remove the oldest, until there are no more than these."""
        while len(self.kept) > most or self._bytes > most_bytes:
            self.remove(next(iter(self.kept)))

    def expire(self, now: float) -> None:
        """Remove the oldest whose time is over."""
        while self.kept and self.kept[oldest := next(iter(self.kept))].until <= now:
            self.remove(oldest)

    def under(self, key: str) -> list[int]:
        """The numbers of what stands under a key, the oldest first."""
        return list(self._places.get(key, ()))

    def newest(self, key: str, now: float) -> int | None:
        """What stands there and has time left; what has none goes."""
        for number in reversed(self.under(key)):
            if self.kept[number].until > now:
                return number
            self.remove(number)
        return None

    def remove(self, number: int) -> _Kept:
        kept = self.kept.pop(number)
        self._bytes -= len(kept.value)
        here = self._places[kept.key]
        here.remove(number)
        if not here:
            del self._places[kept.key]
        return kept
