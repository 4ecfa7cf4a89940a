import json
from itertools import count

import pytest

from realcoze.dialects.coze_open.stream_encoder import ChatIds, ChatStreamEncoder
from realcoze.domain.event import (
    AnswerDone,
    Event,
    Step,
    Suggestion,
    TextDelta,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Usage,
)
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.emulator.fault import Fault
from realcoze.emulator.open_api.answer import Answer, answer
from realcoze.emulator.open_api.retelling import CALL, CONTROLS, retold, rewritten

ID = MessageId("m")
EVENTS: tuple[Event, ...] = (
    TurnStarted(chat_id=ChatId("1"), conversation_id=ConversationId("2")),
    Step(kind="recall", title="", body="notes"),
    TextDelta(message_id=ID, text="one"),
    TextDelta(message_id=ID, text=" two"),
    AnswerDone(message_id=ID, text="one two"),
    Usage(input=1, output=2, total=3),
    Suggestion(text="more?"),
    TurnDone(),
)
IDS = ChatIds(chat_id="11", conversation_id="12", bot_id="13", section_id="14", created_at=15)


def told(fault: Fault) -> Answer:
    return rewritten(answer(retold(EVENTS, fault), ChatStreamEncoder, IDS, map(str, count(100))), fault)


def test_without_a_fault_or_with_one_of_something_else_all_is_as_it_was() -> None:
    plain = answer(EVENTS, ChatStreamEncoder, IDS, map(str, count(100)))
    assert list(retold(EVENTS, None)) == list(retold(EVENTS, Fault("eof"))) == list(EVENTS)
    assert rewritten(plain, None) == rewritten(plain, Fault("eof")) == plain


@pytest.mark.parametrize(("after", "deltas"), [(0, 0), (1, 1), (2, 2), (50, 2)])
def test_a_chat_fails_after_so_many_deltas(after: int, deltas: int) -> None:
    *before, end = retold(EVENTS, Fault("failed", after, "4011"))
    assert before == list(EVENTS[: 2 + deltas])
    assert isinstance(end, TurnFailed)
    assert end.error.upstream_code == 4011


def test_a_chat_wants_a_tool_run() -> None:
    assert list(retold(EVENTS, Fault("requires")))[-1] == ToolCallsRequested(calls=(CALL,))
    assert told(Fault("requires")).chat.status == "requires_action"


def test_a_chat_may_be_completed_without_a_word() -> None:
    assert [type(event) for event in retold(EVENTS, Fault("wordless"))] == [
        TurnStarted,
        Step,
        Usage,
        Suggestion,
        TurnDone,
    ]


@pytest.mark.parametrize("word", ["canceled", "cancelled", "expired"])
def test_a_chat_ends_under_another_name(word: str) -> None:
    answer = told(Fault(word, 1))
    end = answer.blocks[-1]
    assert (end.name, answer.chat.status) == (f"conversation.chat.{word}", word)
    assert end.data.startswith(f"event:conversation.chat.{word}\n".encode())
    assert json.loads(end.data.partition(b"data:")[2])["status"] == word


def test_a_failure_may_be_only_code_and_text() -> None:
    answer = told(Fault("bare"))
    assert json.loads(answer.blocks[-1].data.partition(b"data:")[2]) == {"code": 701231, "msg": "error"}
    assert answer.chat.status == "failed"


@pytest.mark.parametrize(
    ("name", "wanted", "kept"),
    [
        ("controls", b"\\u0000\xc2\x85\xe2\x80\xa8", CONTROLS),
        ("surrogate", b"\\ud83d", "\ufffd"),
        ("invalid", b"\xff", "\ufffd"),
    ],
)
def test_what_no_encoder_writes_stands_in_a_delta_and_in_the_whole(name: str, wanted: bytes, kept: str) -> None:
    answer = told(Fault(name))
    with_it = [block for block in answer.blocks if wanted in block.data]
    assert [block.name.rpartition(".")[2] for block in with_it] == ["delta", "completed"]
    assert b'"content":"one%b two"' % wanted in with_it[1].data
    assert answer.text == f"one{kept} two"


def test_a_word_may_be_large() -> None:
    answer = told(Fault("large", 1, "1000"))
    assert answer.text == "one two" + "x" * 1000
    assert len(told(Fault("large")).text) == 7 + (17 << 20)


def test_an_answer_without_deltas_gets_the_word_too() -> None:
    events = list(retold([AnswerDone(message_id=ID, text="")], Fault("large", 0, "2")))
    assert events == [AnswerDone(message_id=ID, text="xx")]
