"""What one turn of the loop brings is done together: first all of it is read, then all that came of it is written.

Between two calls of the system the interpreter finds its caches cold, and works at half its speed.  So a socket
that is readable is only emptied, and its bytes wait for those of the others; with 200 streams a token costs a
sixth less (bench/README.md).
"""

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

Work = Callable[[], None]


class Sweep:
    """Collects the work of one loop, and does it when every socket that is ready has been emptied."""

    def __init__(self) -> None:
        self._reads: list[Work] = []
        self._writes: list[Work] = []
        self._is_due = False

    def read(self, work: Work) -> None:
        """Do it soon, with everything else that arrived."""
        self._reads.append(work)
        if not self._is_due:
            self._begin()

    def write(self, work: Work) -> None:
        """Do it soon, after everything was read."""
        self._writes.append(work)
        if not self._is_due:
            self._begin()

    def _begin(self) -> None:
        self._is_due = True
        asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        reads, self._reads = self._reads, []
        try:
            _do(reads)
            writes, self._writes = self._writes, []
            _do(writes)
        finally:
            self._is_due = False
            if self._reads or self._writes:
                self._begin()


def _do(works: list[Work]) -> None:
    """Each of them, whatever becomes of the others."""
    for work in works:
        try:
            work()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - each is as a callback of the loop of its own
            told = {"message": "a part of a sweep failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(told)


_SWEEPS: WeakKeyDictionary[asyncio.AbstractEventLoop, Sweep] = WeakKeyDictionary()
"""Of the process, as the loops are: server and client, which know nothing of each other, must share that of theirs."""


def running_sweep() -> Sweep:
    """The one of the running loop."""
    loop = asyncio.get_running_loop()
    found = _SWEEPS.get(loop)
    if found is None:
        found = _SWEEPS[loop] = Sweep()
    return found
