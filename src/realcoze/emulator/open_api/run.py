"""One chat from its begin to its end, whether anybody listens or not.

A stream that breaks off does not end its chat, and neither does a reader who leaves; a cancel only
changes what the chat is called.

Source: docs/protocol/openapi-v3.md §5.1; docs/protocol/studio-web.md §5.2.
"""

from collections.abc import Callable, Mapping

import msgspec

from realcoze.dialects.coze_open.objects import Chat, Message
from realcoze.dialects.coze_open.stream import ERROR
from realcoze.emulator.delivery import Pace
from realcoze.emulator.open_api.answer import Answer, in_progress
from realcoze.emulator.open_api.playback import Playback

CHAT_EVENTS = "conversation.chat."


class ChatRun:
    """`when_over` is called once, when it ends or is cancelled; with `stuck_at` so many blocks come and never more.

    `before` is what the bot produced in the same chat until it waited for its caller.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        stuck_at: int | None = None,
        meta_data: Mapping[str, str] | None = None,
        before: tuple[Message, ...] = (),
    ) -> None:
        self.id = str(answer.begun.id)
        self.conversation_id = str(answer.begun.conversation_id)
        self.answer = answer
        self.cancelled_as = ""
        """The word for a cancelled chat, if it is one."""

        self.when_over: Callable[[ChatRun], None] = lambda _: None
        self._playback = Playback(len(answer.blocks), stuck_at=stuck_at)
        self._meta_data = dict(meta_data or {})
        self._before = before
        self._is_over = False
        words = [place for place, block in enumerate(answer.blocks, start=1) if _is_final(block.name)]
        self._over_at = words[-1]
        """It is over with its last word about itself; the end of the stream is only that."""

    @property
    def done(self) -> int:
        """How many of its blocks have come."""
        return self._playback.done

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
        return (*self._before, *self.answer.messages[:count])

    async def play(self, pace: Pace | None) -> None:
        """Say it all, block by block."""
        await self._playback.play(pace, self._said)

    async def reached(self, count: int) -> None:
        """Return once so many blocks have come, or all; never where it is stuck before that."""
        await self._playback.reached(count)

    def cancel(self, word: str) -> None:
        """Call it cancelled, in the server's spelling."""
        self.cancelled_as = word
        self._end()

    def _said(self) -> None:
        if self.done == self._over_at:
            self._end()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self.when_over(self)


def _is_final(name: str) -> bool:
    """It is about the chat as a whole, or an error, with which a chatflow ends."""
    return name.startswith(CHAT_EVENTS) or name == ERROR
