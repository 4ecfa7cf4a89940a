"""What comes of a turn of the loop is written at its end, for all connections together.

Between two calls of the system the interpreter finds its caches cold, and works at half its speed
(bench/README.md).
"""

import asyncio
from collections.abc import Callable
from typing import Protocol


class Waiting(Protocol):
    """Something that has been given bytes to write."""

    def flush(self, now: float) -> None:
        """Write them; `now` in the loop's seconds."""


class Outbox:
    """Collects the writes of the running loop, and does them when every socket that is ready has been read."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Waiting] = []
        self.add: Callable[[Waiting], None] = self._begin
        """Flush it soon, once.  All but the first of a turn are no more than appended."""

    def _begin(self, waiting: Waiting) -> None:
        self._loop.call_soon(self._empty)
        self.add = self._waiting.append
        self.add(waiting)

    def _empty(self) -> None:
        """Each of them, whatever becomes of the others."""
        due, self._waiting, self.add = self._waiting, [], self._begin
        now = self._loop.time()
        for waiting in due:
            try:
                waiting.flush(now)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # noqa: BLE001 - each is as a callback of the loop of its own
                told = {"message": "a response could not be written", "exception": error}
                self._loop.call_exception_handler(told)
