"""The limits of a plan: calls a second, and calls in all.

Source: docs/protocol/openapi-v3.md §2.
"""

from collections import deque
from collections.abc import Callable, Mapping

from realcoze.dialects.coze_open.chat import CHAT_PATH
from realcoze.dialects.coze_open.files import UPLOAD_PATH
from realcoze.emulator.open_api.personality import Refused
from realcoze.emulator.open_api.settings import OpenSettings

WINDOW_S = 1.0


class Plan:
    """`clock` gives seconds and never goes back."""

    def __init__(self, settings: OpenSettings, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._most: Mapping[str, int] = {CHAT_PATH: settings.chats_per_s, UPLOAD_PATH: settings.uploads_per_s}
        self._times: Mapping[str, deque[float]] = {path: deque() for path in self._most}
        self._in_all = settings.calls_in_all
        self._taken = 0

    def take(self, path: str) -> None:
        """Count one call.  Raises `Refused` where it is one too many."""
        self._taken += 1
        if self._in_all and self._taken > self._in_all:
            raise Refused(4028, "Insufficient credits of the free plan.")
        most = self._most.get(path, 0)
        if not most:
            return
        now, times = self._clock(), self._times[path]
        while times and now - times[0] >= WINDOW_S:
            times.popleft()
        if len(times) >= most:
            raise Refused(4020, f"The rate limit of {most} calls a second is exceeded.")
        times.append(now)
