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
        self._gates: dict[ConversationId, anyio.Semaphore] = {}

    @asynccontextmanager
    async def turn(self, conversation_id: ConversationId | None) -> AsyncIterator[None]:
        """Alone on the conversation for as long as the block lasts; without one there is nothing to wait for.

        Raises `Busy`.
        """
        if conversation_id is None:
            yield
            return
        gate = self._gates.setdefault(conversation_id, anyio.Semaphore(1))
        try:
            await self._pass(gate)
        except BaseException:
            self._forget(conversation_id, gate)
            raise
        try:
            yield
        finally:
            self._leave(conversation_id, gate)

    def take(self, conversation_id: ConversationId) -> Callable[[], None]:
        """Be the turn of a conversation that Coze has just begun; call the result when it has ended."""
        gate = self._gates.setdefault(conversation_id, anyio.Semaphore(1))
        try:
            gate.acquire_nowait()
        except anyio.WouldBlock:
            return lambda: None
        return partial(self._leave, conversation_id, gate)

    def _leave(self, conversation_id: ConversationId, gate: anyio.Semaphore) -> None:
        gate.release()
        self._forget(conversation_id, gate)

    def _forget(self, conversation_id: ConversationId, gate: anyio.Semaphore) -> None:
        if gate.value and not gate.statistics().tasks_waiting and self._gates.get(conversation_id) is gate:
            del self._gates[conversation_id]

    async def _pass(self, gate: anyio.Semaphore) -> None:
        if gate.statistics().tasks_waiting >= WAITING:
            raise Busy(f"{WAITING} turns wait for this conversation already.", retry_after_s=1)
        with anyio.move_on_after(self._wait_s) as waiting:
            await gate.acquire()
        if waiting.cancelled_caught:
            raise Busy(f"The turn before on this conversation runs for {self._wait_s:g} s already.", retry_after_s=1)
