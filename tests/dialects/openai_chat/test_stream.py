import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shortcuts
from codec_properties import PROPERTIES, texts
from realcoze.dialects.deltas import DELTA_CHARACTERS
from realcoze.dialects.openai_chat.request import Asked
from realcoze.dialects.openai_chat.stream import ChunkEncoder
from realcoze.dialects.openai_wire import MODEL_CHARACTERS
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
from realcoze.domain.fold import Fold
from realcoze.domain.ids import ChatId, ConversationId, MessageId, RequestId
from realcoze.domain.message import say
from realcoze.domain.request import Request
from realcoze.domain.tool import ToolCall
from realcoze.errors import ContentRefused, Overloaded, Truncated
from realcoze.framing.sse import KEEPALIVE, SseDecoder

M, N = MessageId("m"), MessageId("n")
STARTED = TurnStarted(chat_id=ChatId("c"), conversation_id=ConversationId("v"))
LINE_BYTES = 16 << 10


def encoder(**wanted: Any) -> ChunkEncoder:
    asked = Asked(request=Request(messages=(say("user", "Hi"),)), model='B"o\u2028t', is_streamed=True, **wanted)
    return ChunkEncoder(asked, RequestId("req_1"), created=7)


def delta(text: str, message_id: MessageId = M) -> TextDelta:
    return TextDelta(message_id=message_id, text=text)


def encoded(*events: Event, **wanted: Any) -> bytes:
    chunks = encoder(**wanted)
    return b"".join(map(chunks.feed, events))


def datas(stream: bytes) -> list[str]:
    """The data of each event."""
    decoder = SseDecoder()
    blocks = [*decoder.feed(stream), *decoder.finish()]
    assert all(block.complete and not block.event and not block.id for block in blocks)
    return [block.text for block in blocks]


def chunks(*events: Event, **wanted: Any) -> list[Any]:
    """The chunks of a stream that ends well, without the words that all have alike."""
    *bodies, last = datas(encoded(*events, **wanted))
    assert last == "[DONE]"
    read = [json.loads(body) for body in bodies]
    for chunk in read:
        head = {name: chunk.pop(name) for name in ("id", "object", "created", "model")}
        assert head == {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": 'B"o\u2028t'}
    return read


def deltas(*events: Event) -> list[Any]:
    return [chunk["choices"][0]["delta"] for chunk in chunks(*events)]


FIRST = {"role": "assistant", "content": ""}


def test_one_head_the_role_first_one_finish_reason_and_done() -> None:
    """CLIENTS §4.2 rule 4."""
    assert chunks(STARTED, delta("Hel"), delta("lo"), AnswerDone(message_id=M, text="Hello"), TurnDone()) == [
        {"choices": [{"index": 0, "delta": FIRST, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]


def test_the_role_comes_first_though_nothing_said_that_the_turn_began() -> None:
    """CLIENTS §4.2 rule 4."""
    assert deltas(delta("a"), STARTED, TurnDone()) == [FIRST, {"content": "a"}, {}]
    assert deltas(TurnDone()) == [FIRST, {}]


def test_there_are_data_lines_and_nothing_else() -> None:
    """CLIENTS §4.2 rule 2."""
    stream = encoded(STARTED, delta("a\nb\r\nevent: x"), TurnDone())
    assert all(line.startswith(b"data: ") for line in stream.split(b"\n") if line)
    assert encoder().keepalive == KEEPALIVE
    assert KEEPALIVE.startswith(b":")


def test_usage_comes_last_and_only_when_asked_for_and_counted() -> None:
    """CLIENTS §4.2 rule 3.  CLIENTS §5 item 13."""
    usage = Usage(input=1, output=2, total=3)
    body = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert chunks(usage, TurnDone(), has_usage=True)[-1] == {"choices": [], "usage": body}
    assert [chunk for chunk in chunks(usage, TurnDone()) if "usage" in chunk] == []
    assert [chunk for chunk in chunks(TurnDone(), has_usage=True) if "usage" in chunk] == []


def test_reasoning_has_its_own_member() -> None:
    """CLIENTS §4.2 rule 6."""
    said = deltas(
        ReasoningDelta(message_id=M, text="hm"), ReasoningDelta(message_id=M, text=""), delta("a"), TurnDone()
    )
    assert said == [FIRST, {"reasoning_content": "hm"}, {"content": "a"}, {}]


@pytest.mark.parametrize("letter", ["a", "\0", "\u2028", "😀", '"'])
def test_no_line_is_longer_than_16_kib(letter: str) -> None:
    """CLIENTS §4.2 rule 7."""
    text = letter * 20_001
    stream = encoded(delta(text), ReasoningDelta(message_id=M, text=text), TurnDone())
    assert max(map(len, stream.splitlines())) <= LINE_BYTES
    bodies = [json.loads(data)["choices"][0]["delta"] for data in datas(stream)[:-1]]
    assert "".join(body.get("content", "") for body in bodies) == text
    assert "".join(body.get("reasoning_content", "") for body in bodies) == text


@pytest.mark.parametrize("letter", ["a", "\0", "\u2028", "😀", '"'])
def test_a_line_is_that_short_for_the_longest_name_of_a_model_and_arguments_of_any_length(letter: str) -> None:
    """CLIENTS §4.2 rule 7."""
    text = letter * (2 * DELTA_CHARACTERS + 1)
    request = Request(messages=(say("user", "Hi"),))
    asked = Asked(request=request, model=letter * MODEL_CHARACTERS, is_streamed=True)
    made = ChunkEncoder(asked, RequestId(f"req_{'0' * 20}"), created=9_999_999_999)
    calls = (
        ToolCall(call_id="c" * 200, name="f" * 200, arguments=text),
        ToolCall(call_id="c2", name="g", arguments=""),
    )
    events: tuple[Event, ...] = (
        delta(text),
        ReasoningDelta(message_id=M, text=text),
        ToolCallsRequested(calls=calls),
    )
    stream = b"".join(map(made.feed, events))
    assert max(map(len, stream.splitlines(keepends=True))) <= LINE_BYTES
    bodies = [json.loads(data)["choices"][0]["delta"].get("tool_calls", []) for data in datas(stream)[:-1]]
    pieces = [call for body in bodies for call in body]
    assert [call["id"] for call in pieces if "id" in call] == ["c" * 200, "c2"]
    assert "".join(call["function"]["arguments"] for call in pieces if call["index"] == 0) == text
    assert all(set(call) == {"index", "function"} for call in pieces[1:-1])
    assert len(pieces) == 4


def test_rare_line_breaks_are_written_as_escapes() -> None:
    assert b'"content":"\\u0085\\u2028\\u2029\xc3\xa9"' in encoded(delta("\u0085\u2028\u2029é"), TurnDone())


def test_tool_calls_come_whole_each_with_its_index() -> None:
    """CLIENTS §4.2 rule 4.  CLIENTS §5 item 9."""
    calls = (ToolCall(call_id="c1", name="f", arguments="{}"), ToolCall(call_id="c2", name="g", arguments='{"a":1}'))
    first, *called, last = chunks(STARTED, ToolCallsRequested(calls=calls))
    assert first["choices"][0]["delta"] == FIRST
    assert [chunk["choices"][0]["delta"]["tool_calls"] for chunk in called] == [
        [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        [{"index": 1, "id": "c2", "type": "function", "function": {"name": "g", "arguments": '{"a":1}'}}],
    ]
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]


def test_a_question_is_said_as_text() -> None:
    asked = InputRequested(interrupt=Interrupt(event_id="e", kind="question", data={"question": "Where?"}))
    assert deltas(asked) == [FIRST, {"content": "Where?"}, {}]


def test_two_messages_are_one_text() -> None:
    said = deltas(delta("a"), AnswerDone(message_id=M, text="a"), delta("b", N), TurnDone())
    assert said == [FIRST, {"content": "a"}, {"content": "\n\nb"}, {}]


def test_what_openai_has_no_place_for_comes_in_the_last_chunk_when_asked_for() -> None:
    beside = (STARTED, Suggestion(text="And?"), Step(kind="call", title="t", body="{}"), TurnDone())
    ids = {"conversation_id": "v", "chat_id": "c"}
    steps = [{"kind": "call", "title": "t", "body": "{}"}]
    assert "x_coze" not in chunks(*beside)[-1]
    assert chunks(*beside, has_extras=True)[-1]["x_coze"] == ids
    assert chunks(*beside, has_extras=True, has_follow_ups=True)[-1]["x_coze"] == {**ids, "follow_ups": ["And?"]}
    assert chunks(*beside, has_extras=True, has_steps=True)[-1]["x_coze"] == {**ids, "steps": steps}


def test_what_is_no_answer_is_passed_over() -> None:
    """CLIENTS §5 item 12."""
    assert deltas(Unknown(name="verbose", raw="{}"), AudioDelta(audio=b"a", format="pcm"), TurnDone()) == [FIRST, {}]


def test_a_turn_that_fails_ends_with_an_error_and_looks_in_no_way_complete() -> None:
    """CLIENTS §4.2 rule 5."""
    made = encoder(has_usage=True)
    stream = made.feed(delta("a")) + made.feed(TurnFailed(error=Overloaded("Full.", hint="Wait.")))
    assert made.is_closed
    assert made.has_failed
    *_, last = datas(stream)
    body = {"message": "Full. Wait.", "type": "overloaded", "param": None, "code": "overloaded"}
    assert json.loads(last) == {"error": body}
    assert b"[DONE]" not in stream
    assert b'"finish_reason":"' not in stream
    assert made.feed(delta("b")) == made.feed(TurnDone()) == b""


def test_content_that_was_refused_ends_with_its_own_reason() -> None:
    """CLIENTS §4.2 rule 4."""
    made = encoder()
    stream = made.feed(delta("a")) + made.feed(TurnFailed(error=ContentRefused("No.")))
    assert made.is_closed
    assert not made.has_failed
    *_, last, done = datas(stream)
    assert json.loads(last)["choices"] == [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]
    assert done == "[DONE]"


@pytest.mark.parametrize("before", [STARTED, ReasoningDelta(message_id=M, text="hm"), delta("")])
def test_content_that_was_refused_before_any_text_is_a_failure_and_no_empty_answer(before: Event) -> None:
    made = encoder(has_usage=True)
    stream = made.feed(before) + made.feed(TurnFailed(error=ContentRefused("No.")))
    assert made.is_closed
    assert made.has_failed
    assert json.loads(datas(stream)[-1])["error"]["code"] == "content_filter"
    assert b'"finish_reason":"' not in stream


def test_an_answer_that_was_taken_back_is_a_failure() -> None:
    made = encoder()
    made.feed(delta("ab"))
    assert made.feed(TextReplaced(message_id=M, text="xy")) == b""
    assert b'"code":"answer_rewritten"' in made.feed(AnswerDone(message_id=M, text="xyz"))
    assert made.has_failed


@PROPERTIES
@given(said=st.lists(st.tuples(st.sampled_from([M, N]), texts), max_size=8), ends=st.booleans())
def test_the_deltas_of_a_stream_are_the_text_of_the_whole_answer(
    said: list[tuple[MessageId, str]], *, ends: bool
) -> None:
    events: Iterable[Event] = [delta(text, message_id) for message_id, text in said]
    fold = Fold()
    for event in events:
        fold.feed(event)
    if not ends:
        stream = encoded(*events, TurnFailed(error=Truncated("Cut.")))
        assert "[DONE]" not in datas(stream)
        return
    assert "".join(body.get("content", "") for body in deltas(*events, TurnDone())) == fold.text


middles = st.lists(
    st.one_of(
        st.builds(TextDelta, message_id=st.sampled_from([M, N]), text=texts | st.just("x" * (DELTA_CHARACTERS + 1))),
        st.builds(ReasoningDelta, message_id=st.just(M), text=texts),
        st.builds(TextReplaced, message_id=st.just(M), text=texts),
        st.builds(AnswerDone, message_id=st.sampled_from([M, N]), text=texts),
        st.just(TurnStarted(chat_id=ChatId("1"), conversation_id=ConversationId("2"))),
        st.builds(Suggestion, text=texts),
    ),
    max_size=12,
)


@PROPERTIES
@given(middle=middles, end=st.sampled_from([TurnDone(), TurnFailed(error=Truncated("Cut."))]))
def test_the_short_way_leads_to_the_same_bytes(middle: list[Event], end: Event) -> None:
    assert shortcuts.written(encoder(), [*middle, end]) == encoded(*middle, end)


def test_more_of_one_text_takes_the_short_way_until_the_end() -> None:
    made, written = encoder(), list[bytes]()
    assert made.shortcut(delta("a"), written.append) is None
    made.feed(delta("a"))
    assert made.shortcut(delta("a", N), written.append) is None
    way = made.shortcut(delta("a"), written.append)
    assert way is not None
    way.take("b")
    assert [chunk["choices"][0]["delta"] for chunk in map(json.loads, datas(written[0]))] == [{"content": "b"}]
    for note in way.notes:
        note(delta("b"))
    assert made.feed(AnswerDone(message_id=M, text="ab")) == b""
    made.feed(TurnDone())
    assert made.shortcut(delta("a"), written.append) is None
