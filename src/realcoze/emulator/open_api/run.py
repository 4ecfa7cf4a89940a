"""One chat from its begin to its end, whether anybody listens or not.

A stream that breaks off does not end its chat, and neither does a reader who leaves; a cancel only
changes what the chat is called.

Source: docs/protocol/openapi-v3.md §5.1; docs/protocol/studio-web.md §5.2.
"""

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from realcoze.dialects.coze_open.objects import Chat, Message
from realcoze.emulator.delivery import Pace
from realcoze.emulator.open_api.answer import Answer, in_progress

CHAT_EVENTS = "conversation.chat."


class ChatRun:
    """`when_over` is called once, when it ends or is cancelled; `stuck_at` is a block that it never gets to."""

    def __init__(
        self, answer: Answer, *, stuck_at: int | None = None, meta_data: Mapping[str, str] | None = None
    ) -> None:
        self.id = str(answer.begun.id)
        self.conversation_id = str(answer.begun.conversation_id)
        self.answer = answer
        self.done = 0
        """How many of its blocks there are."""

        self.cancelled_as = ""
        """The word for a cancelled chat, if it is one."""

        self.when_over: Callable[[ChatRun], None] = lambda _: None
        self._stuck_at = len(answer.blocks) if stuck_at is None else stuck_at
        self._meta_data = dict(meta_data or {})
        self._moved = asyncio.Event()
        self._is_over = False
        ends = [place for place, block in enumerate(answer.blocks, start=1) if block.name.startswith(CHAT_EVENTS)]
        self._over_at = ends[-1]
        """It is over with its last word about itself; the end of the stream is only that."""

    @property
    def has_ended(self) -> bool:
        """It has ended, or it was cancelled."""
        return self._is_over

    @property
    def chat(self) -> Chat:
        """The chat as it is now."""
        is_whole = self.done >= self._over_at
        chat = msgspec.structs.replace(self.answer.chat) if is_whole else in_progress(self.answer.begun)
        chat.meta_data = self._meta_data
        if self.cancelled_as:
            chat.status = self.cancelled_as
        return chat

    @property
    def messages(self) -> tuple[Message, ...]:
        """All that the bot produced so far."""
        count = self.answer.blocks[self.done - 1].messages if self.done else 0
        return self.answer.messages[:count]

    async def play(self, pace: Pace | None) -> None:
        """Say it all, block by block."""
        loop = asyncio.get_running_loop()
        while self.done < len(self.answer.blocks) and self.done != self._stuck_at:
            self.done += 1
            if self.done == self._over_at:
                self._end()
            self._move()
            await asyncio.sleep(pace.wait_s(loop.time()) if pace else 0)

    async def reached(self, count: int) -> None:
        """Return once there are that many blocks; at the latest when there are all."""
        while self.done < min(count, len(self.answer.blocks)):
            await self._moved.wait()

    def cancel(self, word: str) -> None:
        """Call it cancelled, in the server's spelling."""
        self.cancelled_as = word
        self._end()

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self.when_over(self)
