"""Longer than other files: it holds what Coze writes and what Studio writes, and the way there and back."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, assert_carried, texts
from realcoze.dialects.coze_open.objects import Chat, WireUsage
from realcoze.dialects.coze_open.stream import ChatStreamDecoder
from realcoze.dialects.coze_open.stream_encoder import (
    ChatIds,
    ChatStreamEncoder,
    StudioStreamEncoder,
    encode_line,
    encode_spaced,
)
from realcoze.domain.event import (
    AnswerDone,
    AudioDelta,
    Event,
    InputRequested,
    Interrupt,
    ReasoningDelta,
    Step,
    Suggestion,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Unknown,
    Usage,
)
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.domain.tool import ToolCall
from realcoze.errors import Busy, Internal, RealcozeError, Truncated
from realcoze.framing.sse import SseDecoder

WIRE = Path(__file__).parents[2] / "wire" / "coze_open"
IDS = ChatIds(chat_id="c", conversation_id="v", bot_id="734", section_id="v", created_at=1718792949)
M = MessageId("m")
STARTED = TurnStarted(chat_id=ChatId("c"), conversation_id=ConversationId("v"))
DONE = ("done", '"[DONE]"')
STUDIO_END = ("conversation.stream.done", "")


def fresh_ids() -> Iterator[str]:
    return (str(number) for number in count(1))


def coze() -> ChatStreamEncoder:
    return ChatStreamEncoder(IDS, fresh_ids())


def studio() -> StudioStreamEncoder:
    return StudioStreamEncoder(IDS, fresh_ids())


def written(encoder: ChatStreamEncoder, *events: Event) -> list[tuple[str, Any]]:
    """The names and the data of what is written; data that is an object is read."""
    decoder = SseDecoder()
    found = decoder.feed(b"".join(map(encoder.feed, events)))
    assert decoder.finish() == []
    return [(each.event, json.loads(each.data) if each.text.startswith("{") else each.text) for each in found]


def chat(status: str, **fields: object) -> dict[str, object]:
    return {
        "id": "c",
        "conversation_id": "v",
        "bot_id": "734",
        "status": status,
        "created_at": 1718792949,
        "last_error": {"code": 0, "msg": ""},
        "usage": {"token_count": 0, "output_count": 0, "input_count": 0},
        "section_id": "v",
        **fields,
    }


def studios_chat(status: str, **fields: object) -> dict[str, object]:
    return {
        "id": "c",
        "conversation_id": "v",
        "bot_id": "734",
        "status": status,
        "created_at": 1718792949,
        "completed_at": 0,
        "failed_at": 0,
        "section_id": "v",
        **fields,
    }


def message(kind: str, content: object, **fields: object) -> dict[str, object]:
    return {
        "id": "1",
        "conversation_id": "v",
        "bot_id": "734",
        "chat_id": "c",
        "role": "assistant",
        "type": kind,
        "content": content,
        "content_type": "text",
        "section_id": "v",
        **fields,
    }


DATED = {"created_at": 1718792949, "updated_at": 1718792949}


def delta(text: str) -> TextDelta:
    return TextDelta(message_id=M, text=text)


def answer(text: str) -> AnswerDone:
    return AnswerDone(message_id=M, text=text)


def test_a_turn_is_written_as_the_page_shows_it() -> None:
    events = (STARTED, delta("H"), delta("i"), answer("Hi"), Usage(input=614, output=19, total=633), TurnDone())
    finish = '{"msg_type":"generate_answer_finish","data":"{\\"finish_reason\\":0,\\"FinData\\":\\"\\"}",'
    usage = {"token_count": 633, "output_count": 19, "input_count": 614}
    assert written(coze(), *events) == [
        ("conversation.chat.created", chat("created")),
        ("conversation.chat.in_progress", chat("in_progress")),
        ("conversation.message.delta", message("answer", "H", id="m")),
        ("conversation.message.delta", message("answer", "i", id="m")),
        ("conversation.message.completed", message("answer", "Hi", id="m", **DATED)),
        (
            "conversation.message.completed",
            message("verbose", finish + '"from_module":null,"from_unit":null}', **DATED),
        ),
        ("conversation.chat.completed", chat("completed", completed_at=1718792949, usage=usage)),
        DONE,
    ]


def test_the_bytes_are_those_of_the_recording() -> None:
    recorded = (WIRE / "chat_text_stream_resp.txt").read_bytes()
    head = recorded.partition(b'{"id"')[0]
    assert coze().feed(STARTED).startswith(head)
    assert coze().end == recorded[-len(coze().end) + 2 :] + b"\n\n"


def test_what_the_bot_thought_comes_before_the_text_and_again_with_the_whole() -> None:
    thoughts = (ReasoningDelta(message_id=M, text="h"), ReasoningDelta(message_id=M, text="m"))
    assert written(coze(), *thoughts, delta("Hi"), answer("Hi")) == [
        ("conversation.message.delta", message("answer", "", id="m", reasoning_content="h")),
        ("conversation.message.delta", message("answer", "", id="m", reasoning_content="m")),
        ("conversation.message.delta", message("answer", "Hi", id="m")),
        ("conversation.message.completed", message("answer", "Hi", id="m", reasoning_content="hm", **DATED)),
    ]


@pytest.mark.parametrize(
    ("step", "kind", "content"),
    [
        (
            Step(kind="call", title="add", body='{"a": 1}'),
            "function_call",
            '{"name":"add","arguments":{"a":1},"plugin_id":7281192623887548473}',
        ),
        (
            Step(kind="call", title="add", body="words"),
            "function_call",
            '{"name":"add","arguments":"words","plugin_id":7281192623887548473}',
        ),
        (Step(kind="result", title="add", body='{"temp":21}'), "tool_response", '{"temp":21}'),
        (Step(kind="recall", title="", body="slice"), "knowledge", "slice"),
        (
            Step(kind="other", title="t", body="b"),
            "verbose",
            '{"msg_type":"other","data":"b","from_module":null,"from_unit":null}',
        ),
    ],
)
def test_a_step_is_a_whole_message_of_its_type(step: Step, kind: str, content: str) -> None:
    assert written(coze(), step) == [("conversation.message.completed", message(kind, content, **DATED))]


def test_the_finish_stands_once_between_the_answers_and_the_follow_ups() -> None:
    found = written(coze(), answer("Hi"), Suggestion(text="Why?"), Suggestion(text="How?"), TurnDone())
    assert [data["type"] for _, data in found[:-2]] == ["answer", "verbose", "follow_up", "follow_up"]


def test_a_turn_without_an_answer_has_no_finish() -> None:
    assert [name for name, _ in written(coze(), TurnDone())] == ["conversation.chat.completed", "done"]


def test_sound_is_base64() -> None:
    assert written(coze(), AudioDelta(audio=b"\0\xff", format="pcm")) == [
        ("conversation.audio.delta", message("answer", "AP8=", content_type="audio"))
    ]


def test_tools_of_the_caller_end_the_stream() -> None:
    calls = (ToolCall(call_id="t", name="add", arguments="{}"),)
    called = {"id": "t", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [called]}}
    encoder = coze()
    assert written(encoder, ToolCallsRequested(calls=calls)) == [
        ("conversation.chat.requires_action", chat("requires_action", required_action=action)),
        DONE,
    ]
    assert encoder.finish() == b""


def test_a_question_that_is_answered_like_a_tool_is_a_call_without_a_function() -> None:
    asked = Interrupt(event_id="e", kind="reply_message", data={})
    action = {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {"tool_calls": [{"id": "e", "type": "reply_message", "function": None}]},
    }
    assert written(coze(), InputRequested(interrupt=asked)) == [
        ("conversation.chat.requires_action", chat("requires_action", required_action=action)),
        DONE,
    ]


def test_any_other_question_has_no_call_and_the_next_chat_answers_it() -> None:
    asked = Interrupt(event_id="", kind="message", data={})
    assert written(coze(), InputRequested(interrupt=asked)) == [
        ("conversation.chat.requires_action", chat("requires_action")),
        DONE,
    ]
    assert_carried(
        ChatStreamDecoder(), [coze().feed(InputRequested(interrupt=asked))], [InputRequested(interrupt=asked)]
    )


def test_a_chat_without_a_bot_names_none() -> None:
    encoder = ChatStreamEncoder(replace(IDS, bot_id=""), fresh_ids())
    assert all("bot_id" not in data for _, data in written(encoder, STARTED, delta("Hi")))


def test_an_event_has_a_space_after_its_colons_where_workflows_want_it() -> None:
    assert encode_spaced("a", {"b": "\u2028"}) == b'event: a\ndata: {"b":"\\u2028"}\n\n'


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (Busy("Busy.", upstream_code=4016), {"code": 4016, "msg": "Busy."}),
        (Internal("A defect."), {"code": 5000, "msg": "A defect."}),
    ],
)
def test_a_failed_chat_says_why_and_nothing_comes_after_it(error: RealcozeError, last: object) -> None:
    assert written(coze(), TurnFailed(error=error)) == [
        ("conversation.chat.failed", chat("failed", last_error=last, failed_at=1718792949))
    ]


@pytest.mark.parametrize(
    ("event", "block"),
    [
        (Unknown(name="brand.new", raw='{"a":1}'), b'event:brand.new\ndata:{"a":1}\n\n'),
        (Unknown(name="", raw=""), b"event:\ndata:\n\n"),
        (
            Unknown(name="a\nevent:error", raw="x\r\ny\rz\n\n"),
            b"event:a event:error\ndata:x\ndata:y\ndata:z\ndata:\ndata:\n\n",
        ),
        (Unknown(name=" a", raw=" x\n  y"), b"event:  a\ndata:  x\ndata:   y\n\n"),
    ],
)
def test_what_is_not_known_goes_as_it_came_and_cannot_break_out_of_its_event(event: Unknown, block: bytes) -> None:
    assert coze().feed(event) == block


@pytest.mark.parametrize(
    "event",
    [
        Usage(input=1, output=2, total=3),
        TextReplaced(message_id=M, text="Hi"),
    ],
)
def test_what_the_wire_has_no_word_for_is_not_written(event: Event) -> None:
    assert coze().feed(event) == b""


def test_the_lists_of_other_calls_see_the_turn_so_far() -> None:
    encoder = coze()
    assert (encoder.chat.status, encoder.messages) == ("created", [])
    for event in (STARTED, delta("Hi"), answer("Hi"), Usage(input=1, output=2, total=3)):
        encoder.feed(event)
    assert (encoder.chat.status, encoder.chat.usage) == ("in_progress", WireUsage(3, 2, 1))
    assert [(each.id, each.type, each.content) for each in encoder.messages] == [("m", "answer", "Hi")]
    encoder.feed(TurnDone())
    assert encoder.chat.status == "completed"
    assert [each.type for each in encoder.messages] == ["answer", "verbose"]


def test_a_turn_that_has_not_ended_is_truncated() -> None:
    encoder = coze()
    for event in (STARTED, delta("Hi"), answer("Hi")):
        with pytest.raises(Truncated):
            encoder.finish()
        encoder.feed(event)
    encoder.feed(TurnDone())
    assert encoder.finish() == b""


# Coze Studio


def test_studio_has_no_usage_in_the_stream_but_times_and_meta_data_and_an_end_of_its_own() -> None:
    encoder = studio()
    finish = (
        '{"msg_type":"generate_answer_finish","data":"{\\"finish_reason\\":0,\\"fin_data\\":\\"\\"}","from_unit":""}'
    )
    noted = dict.fromkeys(["bot_state", "time_cost", "token", "input_tokens", "output_tokens"], "")
    more = {"created_at": 1718792949, "meta_data": noted}
    assert written(encoder, STARTED, delta("Hi"), answer("Hi"), Usage(input=1, output=2, total=3), TurnDone()) == [
        ("conversation.chat.created", studios_chat("created")),
        ("conversation.chat.in_progress", studios_chat("in_progress")),
        ("conversation.message.delta", message("answer", "Hi", id="m", **more)),
        ("conversation.message.completed", message("answer", "Hi", id="m", **more)),
        ("conversation.message.completed", message("verbose", finish, **more)),
        ("conversation.chat.completed", studios_chat("completed", completed_at=1718792949)),
        STUDIO_END,
    ]
    assert encoder.chat.usage == WireUsage(3, 2, 1)


def test_studio_writes_a_call_as_a_function() -> None:
    [(_, data)] = written(studio(), Step(kind="call", title="add", body='{"a": 1}'))
    assert json.loads(data["content"]) == {
        "id": "call_1",
        "type": "function",
        "function": {"name": "add", "arguments": '{"a": 1}'},
    }


@pytest.mark.parametrize(("code", "said"), [(None, 103200002), (103100001, 103100001)])
def test_studio_says_completed_after_an_error_and_only_the_chat_knows_better(code: int | None, said: int) -> None:
    encoder = studio()
    assert written(encoder, TurnFailed(error=Internal("A defect.", upstream_code=code))) == [
        ("error", {"code": said, "msg": "A defect."}),
        ("conversation.chat.completed", studios_chat("completed", completed_at=1718792949)),
        STUDIO_END,
    ]
    assert encoder.chat.status == "failed"
    assert encoder.finish() == b""


# Bytes


def test_the_characters_at_which_some_sdks_break_lines_are_written_as_escapes() -> None:
    text = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
    block = coze().feed(delta(text))
    assert len(block.decode().splitlines()) == 3
    assert rb"\u000b\f\u001c\u001d\u001e\u0085\u2028\u2029" in block
    assert ChatStreamDecoder().feed(block) == [delta(text)]


def test_other_characters_stand_as_themselves() -> None:
    assert "你好 👋 & <b>".encode() in coze().feed(delta("你好 👋 & <b>"))
    assert encode_line("x", Chat(id="c")) == b'event:x\ndata:{"id":"c"}\n\n'


# Both ways

Pieces = list[Event]
ids = st.integers(min_value=1000, max_value=10**18).map(lambda number: MessageId(str(number)))
some = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def answered(message_id: MessageId, thoughts: Sequence[str], pieces: Sequence[str]) -> Pieces:
    return [
        *(ReasoningDelta(message_id=message_id, text=thought) for thought in thoughts),
        *(TextDelta(message_id=message_id, text=piece) for piece in pieces),
        AnswerDone(message_id=message_id, text="".join(pieces)),
    ]


def called(title: str, body: str, result: str) -> Pieces:
    return [Step(kind="call", title=title, body=body), Step(kind="result", title=title, body=result)]


contents = st.lists(
    st.one_of(
        st.builds(called, texts, texts | st.just('{"a":1}'), texts),
        st.builds(lambda body: [Step(kind="recall", title="", body=body)], texts),
        st.builds(lambda audio: [AudioDelta(audio=audio, format="pcm")], st.binary(max_size=9)),
        st.builds(
            lambda name, raw: [Unknown(name=name, raw=raw)],
            st.sampled_from(["brand.new", " 你"]),  # a nameless `[DONE]` ends a stream
            texts.map(lambda text: text.replace("\r", "")),
        ),
    ),
    max_size=4,
)
answers = st.lists(
    st.tuples(ids, st.lists(some, max_size=3), st.lists(some, max_size=3)), max_size=3, unique_by=lambda each: each[0]
)
ends: st.SearchStrategy[Pieces] = st.one_of(
    st.just([TurnDone()]),
    st.builds(
        lambda *counts: [Usage(input=counts[0], output=counts[1], total=counts[2]), TurnDone()],
        *[st.integers(1, 9)] * 3,
    ),
    st.builds(
        lambda calls: [ToolCallsRequested(calls=tuple(calls))],
        st.lists(st.builds(ToolCall, call_id=texts, name=texts, arguments=texts), min_size=1, max_size=2),
    ),
)


@st.composite
def turns(draw: st.DrawFn) -> Pieces:
    pieces = [piece for group in draw(contents) for piece in group]
    pieces += [piece for each in draw(answers) for piece in answered(*each)]
    pieces += [Suggestion(text=text) for text in draw(st.lists(texts, max_size=2))]
    return [STARTED, *pieces, *draw(ends)]


@PROPERTIES
@given(turns())
def test_what_is_encoded_is_decoded(turn: Pieces) -> None:
    assert_carried(ChatStreamDecoder(), map(coze().feed, turn), turn)


@PROPERTIES
@given(turns())
def test_studio_carries_all_but_the_usage_and_the_tools_of_the_caller(turn: Pieces) -> None:
    kept = [event for event in turn if not isinstance(event, Usage | ToolCallsRequested | TurnDone)]
    assert_carried(ChatStreamDecoder(), map(studio().feed, [*kept, TurnDone()]), [*kept, TurnDone()])


@PROPERTIES
@given(turns(), texts)
def test_a_failure_is_carried_with_its_code(turn: Pieces, text: str) -> None:
    for encoder in (coze(), studio()):
        decoder = ChatStreamDecoder()
        stream = [*map(encoder.feed, turn[:-1]), encoder.fail(Busy(text, upstream_code=4016))]
        found = [event for piece in stream for event in decoder.feed(piece)]
        assert isinstance(found[-1], TurnFailed)
        assert (type(found[-1].error), found[-1].error.upstream_code) == (Busy, 4016)
        assert decoder.finish() == []
