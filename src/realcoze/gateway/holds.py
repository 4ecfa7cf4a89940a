"""Turns that hold the one place of a key, and whose callers have left.

Such a turn puts back what it took when it was stopped at Coze.  Whoever asks before that would find nothing and
begin another conversation, and this one would be lost.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import anyio

from realcoze.gateway.continuity import Key

WAIT_S = 5.0
"""For a turn that was left; to stop it at Coze takes a second at the most."""

_NOTHING = nullcontext()


class Holds:
    """Which turns run for which keys; of those that were left the next one waits for the end."""

    def __init__(self) -> None:
        self._turns: dict[Key, tuple[asyncio.Task[object], anyio.Event]] = {}

    def hold(self, key: Key | None) -> AbstractContextManager[None]:
        """For as long as a place is nowhere but in the hands of this turn; without a key nothing is held."""
        task = asyncio.current_task()
        if key is None or not key.holds_one or task is None:
            return _NOTHING
        return self._hold(key, task)

    @contextmanager
    def _hold(self, key: Key, task: asyncio.Task[object]) -> Iterator[None]:
        held = self._turns[key] = (task, anyio.Event())
        try:
            yield
        finally:
            held[1].set()
            if self._turns.get(key) is held:
                del self._turns[key]

    async def free(self, key: Key) -> None:
        """Return when no turn holds the key that was left, or after `WAIT_S`; a turn that runs on is not waited for."""
        held = self._turns.get(key)
        if held is not None and held[0].cancelling():
            with anyio.move_on_after(WAIT_S):
                await held[1].wait()
