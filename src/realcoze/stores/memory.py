"""The port `Store` in this process: gone with it, and enough for questions and for trying things out."""

import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MOST_VALUES = 100_000
"""Of all shelves together; the oldest go."""

MOST_BYTES = 64 << 20
"""Of all values together, likewise."""


@dataclass(frozen=True, slots=True)
class _Kept:
    shelf: str
    key: str
    value: bytes
    until: float


class MemoryStore:
    """`now` gives Unix seconds; `most` is how many values there may be, `most_bytes` how long all are together."""

    def __init__(
        self, *, most: int = MOST_VALUES, most_bytes: int = MOST_BYTES, now: Callable[[], float] = time.time
    ) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._now = now
        self._numbers = 0
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._places: defaultdict[tuple[str, str], deque[int]] = defaultdict(deque)

    def __len__(self) -> int:
        return len(self._kept)

    async def put(self, shelf: str, key: str, value: bytes, *, keep_s: float) -> None:
        """See `Store`.  What has expired goes when it is the oldest, or when it is asked for."""
        now = self._now()
        self._numbers += 1
        self._kept[self._numbers] = _Kept(shelf, key, value, now + keep_s)
        self._places[shelf, key].append(self._numbers)
        self._bytes += len(value)
        while self._kept and (self._is_over_full or self._kept[next(iter(self._kept))].until <= now):
            self._remove(next(iter(self._kept)))

    async def take(self, shelf: str, key: str) -> bytes | None:
        """See `Store`."""
        number = self._newest(shelf, key)
        return None if number is None else self._remove(number).value

    async def get(self, shelf: str, key: str) -> bytes | None:
        """See `Store`."""
        number = self._newest(shelf, key)
        return None if number is None else self._kept[number].value

    async def replace(self, shelf: str, key: str, value: bytes, *, keep_s: float) -> None:
        """See `Store`."""
        for number in list(self._places.get((shelf, key), ())):
            self._remove(number)
        await self.put(shelf, key, value, keep_s=keep_s)

    async def each(self, shelf: str, key: str) -> Sequence[bytes]:
        """See `Store`."""
        now = self._now()
        here = [self._kept[number] for number in reversed(self._places.get((shelf, key), ()))]
        return [kept.value for kept in here if kept.until > now]

    async def remove(self, shelf: str, key: str, value: bytes) -> bool:
        """See `Store`."""
        now = self._now()
        here = {number: self._kept[number] for number in self._places.get((shelf, key), ())}
        found = [number for number, kept in here.items() if kept.value == value]
        return now < max((self._remove(number).until for number in found), default=now)

    @property
    def _is_over_full(self) -> bool:
        return len(self._kept) > self._most or self._bytes > self._most_bytes

    def _newest(self, shelf: str, key: str) -> int | None:
        now = self._now()
        for number in reversed(list(self._places.get((shelf, key), ()))):
            if self._kept[number].until > now:
                return number
            self._remove(number)
        return None

    def _remove(self, number: int) -> _Kept:
        kept = self._kept.pop(number)
        self._bytes -= len(kept.value)
        here = self._places[kept.shelf, kept.key]
        here.remove(number)
        if not here:
            del self._places[kept.shelf, kept.key]
        return kept
