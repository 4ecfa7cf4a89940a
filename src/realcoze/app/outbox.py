"""What comes of a turn of the loop is written at its end, for all connections together.

Between two calls of the system the interpreter finds its caches cold, and works at half its speed
(bench/README.md).
"""

import asyncio
from collections.abc import Callable

Work = Callable[[], None]


class Outbox:
    """Collects the writes of the running loop, and does them when every socket that is ready has been read."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due: list[Work] = []

    def add(self, write: Work) -> None:
        """Do it soon, once."""
        if not self._due:
            self._loop.call_soon(self._empty)
        self._due.append(write)

    def _empty(self) -> None:
        """Each of them, whatever becomes of the others."""
        due, self._due = self._due, []
        for write in due:
            try:
                write()
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # noqa: BLE001 - each is as a callback of the loop of its own
                told = {"message": "a response could not be written", "exception": error}
                self._loop.call_exception_handler(told)
