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

from realcoze.dialects.coze_open.ending import ENDED
from realcoze.dialects.coze_open.objects import Chat, Message
from realcoze.errors import RealcozeError, Truncated, UpstreamDenied, UpstreamTimeout
from realcoze.upstreams.coze_open.calls import Calls
from realcoze.upstreams.coze_open.turn import Turn

log = logging.getLogger(__name__)

T = TypeVar("T")


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
        messages = await _asked(lambda: self._messages(turn), chain((0.0,), waits)) if chat else None
        if chat is None or messages is None:
            broken.hint = "Coze was asked for the rest of the answer, and did not have it."
            raise broken
        log.info("a stream broke off; Coze told the rest of it")
        turn.recover(chat, messages)

    async def _ended(self, turn: Turn) -> Chat | None:
        """The chat if nothing more will come of it."""
        chat = await self._calls.chat(turn.conversation_id, turn.chat_id)
        return chat if chat.status in ENDED else None

    async def _messages(self, turn: Turn) -> list[Message]:
        return await self._calls.messages(turn.conversation_id, turn.chat_id)


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
        except UpstreamDenied as error:
            log.info("the rest of an answer may not be asked for: %s", error)
            return None
        except RealcozeError as error:
            log.info("the rest of an answer was not to be had: %s", error)
        else:
            if found is not None:
                return found
    return None
