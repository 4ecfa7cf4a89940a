"""An answer of the open API, whole and cut into the blocks of its stream; pure.

Source: docs/protocol/openapi-v3.md §6; docs/protocol/studio-web.md §5.3.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from realcoze.dialects.coze_open.objects import Chat, Message, WireUsage
from realcoze.dialects.coze_open.stream_encoder import ChatIds, ChatStreamEncoder
from realcoze.domain.event import AnswerDone, Event, ReasoningDelta, TextDelta, TextReplaced, TurnStarted
from realcoze.domain.ids import ChatId, ConversationId, MessageId

GAP = b"\n\n"
_NAME = re.compile(rb"^event: ?(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One event of a stream: its name, its bytes up to the next one's, the messages there are once it is out."""

    name: str
    data: bytes
    messages: int


@dataclass(frozen=True, slots=True)
class Answer:
    """`chat` is the chat when all is said, `begun` what it looked like before."""

    blocks: tuple[Block, ...]
    begun: Chat
    chat: Chat
    messages: tuple[Message, ...]

    @property
    def text(self) -> str:
        """Its text, that of several messages one after another."""
        return "\n\n".join(message.content or "" for message in self.messages if message.type == "answer")


def answer(events: Iterable[Event], encoder: type[ChatStreamEncoder], ids: ChatIds, next_ids: Iterator[str]) -> Answer:
    """Encode the events of a whole turn; its messages get names of `next_ids`."""
    encoding = encoder(ids, next_ids)
    begun = msgspec.structs.replace(encoding.chat)
    blocks: list[Block] = []
    for event in renamed(events, ids, next_ids):
        blocks += split(encoding.feed(event), len(encoding.messages))
    return Answer(tuple(blocks), begun, encoding.chat, tuple(encoding.messages))


def renamed(events: Iterable[Event], ids: ChatIds, next_ids: Iterator[str]) -> Iterator[Event]:
    """The same events with ids that are this chat's own."""
    names: dict[MessageId, MessageId] = {}
    for event in events:
        if isinstance(event, TurnStarted):
            yield TurnStarted(chat_id=ChatId(ids.chat_id), conversation_id=ConversationId(ids.conversation_id))
        elif isinstance(event, TextDelta | TextReplaced | ReasoningDelta | AnswerDone):
            if event.message_id not in names:
                names[event.message_id] = MessageId(next(next_ids))
            yield msgspec.structs.replace(event, message_id=names[event.message_id])
        else:
            yield event


def split(data: bytes, messages: int) -> Iterator[Block]:
    """The blocks that one event became: none, one, or several."""
    for block in data.split(GAP):
        if block:
            named = _NAME.search(block)
            yield Block(named.group(1).decode() if named else "", block + GAP, messages)


def in_progress(begun: Chat) -> Chat:
    """What a chat looks like while it runs."""
    usage = WireUsage(0, 0, 0) if begun.usage is not None else None
    return msgspec.structs.replace(begun, status="in_progress", usage=usage)
