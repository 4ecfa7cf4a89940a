import json
from itertools import count

import pytest

from realcoze.dialects.coze_open.stream_encoder import ChatIds, ChatStreamEncoder, StudioStreamEncoder
from realcoze.domain.event import (
    AnswerDone,
    Event,
    ReasoningDelta,
    Step,
    Suggestion,
    TextDelta,
    TextReplaced,
    TurnDone,
    TurnStarted,
    Usage,
)
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.emulator.open_api.answer import Answer, answer, in_progress, renamed, split

IDS = ChatIds(chat_id="11", conversation_id="12", bot_id="13", section_id="14", created_at=15)
ID = MessageId("script's own")
EVENTS: tuple[Event, ...] = (
    TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId("other")),
    Step(kind="recall", title="", body="notes"),
    ReasoningDelta(message_id=ID, text="hm"),
    TextDelta(message_id=ID, text="a"),
    TextDelta(message_id=ID, text="b\n\nc"),
    AnswerDone(message_id=ID, text="ab\n\nc"),
    Usage(input=1, output=2, total=3),
    Suggestion(text="more?"),
    TurnDone(),
)


def made(encoder: type[ChatStreamEncoder] = ChatStreamEncoder) -> Answer:
    return answer(EVENTS, encoder, IDS, map(str, count(100)))


@pytest.mark.parametrize(
    ("encoder", "end"), [(ChatStreamEncoder, "done"), (StudioStreamEncoder, "conversation.stream.done")]
)
def test_each_block_is_one_event_and_knows_how_many_messages_there_are(
    encoder: type[ChatStreamEncoder], end: str
) -> None:
    told = made(encoder)
    assert [(block.name.removeprefix("conversation."), block.messages) for block in told.blocks] == [
        ("chat.created", 0),
        ("chat.in_progress", 0),
        ("message.completed", 1),
        ("message.delta", 1),
        ("message.delta", 1),
        ("message.delta", 1),
        ("message.completed", 2),
        ("message.completed", 4),
        ("message.completed", 4),
        ("chat.completed", 4),
        (end.removeprefix("conversation."), 4),
    ]
    assert all(block.data.count(b"\n\n") == 1 and block.data.endswith(b"\n\n") for block in told.blocks)
    assert told.text == "ab\n\nc"


def test_a_chat_has_its_state_before_and_after() -> None:
    told = made()
    assert told.begun.status == "created"
    assert (told.chat.status, told.chat.usage and told.chat.usage.token_count) == ("completed", 3)
    running = in_progress(told.begun)
    assert (running.status, running.completed_at) == ("in_progress", None)
    assert (running.usage and running.usage.token_count) == 0
    assert in_progress(made(StudioStreamEncoder).begun).usage is None


def test_messages_get_names_of_this_chat() -> None:
    told = made()
    ids = [json.loads(block.data.partition(b"data:")[2])["id"] for block in told.blocks[2:7]]
    assert ids == ["100", "101", "101", "101", "101"]


def test_events_are_renamed_and_else_the_same() -> None:
    names = map(str, count())
    replaced = TextReplaced(message_id=ID, text="x")
    other = TextDelta(message_id=MessageId("2"), text="y")
    assert list(renamed([EVENTS[0], EVENTS[3], replaced, other, TurnDone()], IDS, names)) == [
        TurnStarted(chat_id=ChatId("11"), conversation_id=ConversationId("12")),
        TextDelta(message_id=MessageId("0"), text="a"),
        TextReplaced(message_id=MessageId("0"), text="x"),
        TextDelta(message_id=MessageId("1"), text="y"),
        TurnDone(),
    ]


def test_nothing_is_no_block() -> None:
    assert list(split(b"", 3)) == []
