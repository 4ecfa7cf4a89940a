"""The rest of an answer whose stream broke off: Coze goes on without a listener, and can be asked.

Only for a turn that Coze keeps, and never for one that it has said an error of: Studio calls such a
chat completed.

Source: docs/protocol/openapi-v3.md §5.1; docs/reliability.md, "Recovery".
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain, islice
from typing import TypeVar

import anyio

from realcoze.dialects.coze_open.ending import COMPLETE, ENDED
from realcoze.dialects.coze_open.objects import Chat, Message
from realcoze.errors import NotFound, Overloaded, RateLimited, RealcozeError, Truncated, UpstreamFailed, UpstreamTimeout
from realcoze.upstreams.coze_open.calls import Calls
from realcoze.upstreams.coze_open.turn import Turn

log = logging.getLogger(__name__)

T = TypeVar("T")

_PASSING = (UpstreamFailed, UpstreamTimeout, Truncated, RateLimited, Overloaded)
"""After these another call may go better."""


class Recovery:
    """`most_calls` is how often Coze may be asked for one turn, the list of its messages included.

    It is asked when 1, 2, 4, 8 … times `first_s` have passed.
    """

    def __init__(self, calls: Calls, *, most_calls: int, first_s: float) -> None:
        self._calls = calls
        self._most_calls = most_calls
        self._first_s = first_s

    def is_for(self, broken: RealcozeError, turn: Turn) -> bool:
        """It can be tried: the stream broke off, or fell silent, after the chat was begun."""
        return self._most_calls > 1 and isinstance(broken, Truncated | UpstreamTimeout) and turn.can_recover

    async def finish(self, turn: Turn, broken: RealcozeError) -> None:
        """End the turn with what its stream did not tell.

        Raises what Coze says went wrong with the chat, and `broken` where it does not tell the rest in
        time.  Cancelling it leaves the chat to whoever stops it.
        """
        waits = islice(_waits(self._first_s), self._most_calls - 1)
        chat = await _asked(lambda: self._ended(turn), waits)
        messages = await _asked(lambda: self._messages(turn, chat), chain((0.0,), waits)) if chat else None
        if chat is None or messages is None:
            broken.hint = "Coze was asked for the rest of the answer, and did not have it."
            raise broken
        log.info("a stream broke off; Coze told the rest of it")
        turn.recover(chat, messages)

    async def _ended(self, turn: Turn) -> Chat | None:
        """The chat if nothing more will come of it."""
        try:
            chat = await self._calls.chat(turn.conversation_id, turn.chat_id)
        except NotFound:
            turn.has_ended_at_coze = True
            raise
        turn.has_ended_at_coze = chat.status in ENDED
        return chat if turn.has_ended_at_coze else None

    async def _messages(self, turn: Turn, chat: Chat) -> list[Message] | None:
        """All that the bot produced; that of a chat which is complete is never nothing, but may come late."""
        messages = await self._calls.messages(turn.conversation_id, turn.chat_id)
        return messages if messages or chat.status != COMPLETE else None


def _waits(first_s: float) -> Iterator[float]:
    """The pauses between the moments 1, 2, 4, 8 …"""
    yield first_s
    while True:
        yield first_s
        first_s *= 2


async def _asked(call: Callable[[], Awaitable[T | None]], waits: Iterator[float]) -> T | None:
    """What a call gives in the end; made again after each wait, until it gives something or is not allowed."""
    for wait_s in waits:
        await anyio.sleep(wait_s)
        try:
            found = await call()
        except _PASSING as error:
            log.info("the rest of an answer was not to be had: %s", error)
        except RealcozeError as error:
            log.info("the rest of an answer is not to be had: %s", error)
            return None
        else:
            if found is not None:
                return found
    return None
