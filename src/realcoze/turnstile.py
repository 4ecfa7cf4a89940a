"""One turn at a time on each conversation, by Coze's name or its client's; a few others wait, for a while."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import anyio

from realcoze.errors import Busy

WAITING = 4


class Turnstile:
    """`wait_s` is how long a turn waits for the one before it."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._lines: dict[str, list[anyio.Event]] = {}
        """Who waits, for each conversation that has a turn now."""

    @asynccontextmanager
    async def turn(self, conversation: str) -> AsyncIterator[None]:
        """Alone on the conversation for as long as the block lasts.  Raises `Busy`."""
        await self._pass(conversation)
        try:
            yield
        finally:
            self._leave(conversation)

    def take(self, conversation: str) -> Callable[[], None]:
        """Be the turn of a conversation that Coze has just begun; call the result when it has ended."""
        if conversation in self._lines:
            return _nothing
        self._lines[conversation] = []
        return partial(self._leave, conversation)

    async def _pass(self, conversation: str) -> None:
        line = self._lines.get(conversation)
        if line is None:
            self._lines[conversation] = []
            return
        if len(line) >= WAITING:
            raise Busy(f"{WAITING} turns wait for this conversation already.", retry_after_s=1)
        called = anyio.Event()
        line.append(called)
        try:
            with anyio.move_on_after(self._wait_s):
                await called.wait()
        except BaseException:
            if called.is_set():
                self._leave(conversation)
            else:
                line.remove(called)
            raise
        if not called.is_set():
            line.remove(called)
            raise Busy(f"The turn before on this conversation runs for {self._wait_s:g} s already.", retry_after_s=1)

    def _leave(self, conversation: str) -> None:
        """Call the next one in; who is called has the turn from then on."""
        line = self._lines[conversation]
        if line:
            line.pop(0).set()
        else:
            del self._lines[conversation]


def _nothing() -> None:
    """For who has not got the turn."""
