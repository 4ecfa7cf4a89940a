"""One turn at a time on each conversation; the next ones wait, a few of them, for a while."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import anyio

from realcoze.domain.ids import ConversationId
from realcoze.errors import Busy

WAITING = 4


class Turnstile:
    """`wait_s` is how long a turn waits for the one before it."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._lines: dict[ConversationId, list[anyio.Event]] = {}
        """Who waits, for each conversation that has a turn now."""

    @asynccontextmanager
    async def turn(self, conversation_id: ConversationId) -> AsyncIterator[None]:
        """Alone on the conversation for as long as the block lasts.  Raises `Busy`."""
        await self._pass(conversation_id)
        try:
            yield
        finally:
            self._leave(conversation_id)

    def take(self, conversation_id: ConversationId) -> Callable[[], None]:
        """Be the turn of a conversation that Coze has just begun; call the result when it has ended."""
        if conversation_id in self._lines:
            return _nothing
        self._lines[conversation_id] = []
        return partial(self._leave, conversation_id)

    async def _pass(self, conversation_id: ConversationId) -> None:
        line = self._lines.get(conversation_id)
        if line is None:
            self._lines[conversation_id] = []
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
                self._leave(conversation_id)
            else:
                line.remove(called)
            raise
        if not called.is_set():
            line.remove(called)
            raise Busy(f"The turn before on this conversation runs for {self._wait_s:g} s already.", retry_after_s=1)

    def _leave(self, conversation_id: ConversationId) -> None:
        """Call the next one in; who is called has the turn from then on."""
        line = self._lines[conversation_id]
        if line:
            line.pop(0).set()
        else:
            del self._lines[conversation_id]


def _nothing() -> None:
    """For who has not got the turn."""
