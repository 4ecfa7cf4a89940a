import json
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import (
    PROPERTIES,
    Outcome,
    assert_cut_anywhere,
    assert_refused_only_as,
    bytes_near,
    outcome,
    texts,
)
from realcoze.dialects.native.records import NdjsonEncoder, RecordDecoder, SseEncoder
from realcoze.domain.event import (
    AnswerDone,
    AudioDelta,
    Event,
    InputRequested,
    Interrupt,
    ReasoningDelta,
    Step,
    StepKind,
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
from realcoze.domain.ids import ChatId, ConversationId, MessageId, RequestId
from realcoze.domain.tool import ToolCall
from realcoze.errors import BadRequest, Overloaded, RealcozeError, Truncated, UpstreamFailed, UpstreamTimeout
from realcoze.framing.json_stream import JsonStreamDecoder
from realcoze.framing.sse import KEEPALIVE, SseDecoder

M = MessageId("m")
ALL_STEPS: frozenset[StepKind] = frozenset({"call", "result", "recall", "other"})
TRUNCATED = (Truncated, "upstream_truncated")
UNREADABLE = (UpstreamFailed, "upstream_protocol")

RECORDS: list[tuple[Event, dict[str, Any]]] = [
    (
        TurnStarted(chat_id=ChatId("c"), conversation_id=ConversationId("v")),
        {"type": "start", "chat_id": "c", "conversation_id": "v"},
    ),
    (TextDelta(message_id=M, text="Hi"), {"type": "delta", "message_id": "m", "text": "Hi"}),
    (TextReplaced(message_id=M, text="Ho"), {"type": "snapshot", "message_id": "m", "text": "Ho"}),
    (ReasoningDelta(message_id=M, text="hm"), {"type": "reasoning", "message_id": "m", "text": "hm"}),
    (AnswerDone(message_id=M, text=""), {"type": "answer", "message_id": "m"}),
    (Step(kind="call", title="t", body="{}"), {"type": "step", "kind": "call", "title": "t", "body": "{}"}),
    (Suggestion(text="And?"), {"type": "suggestion", "text": "And?"}),
    (AudioDelta(audio=b"\0\xff", format="pcm"), {"type": "audio", "data": "AP8=", "format": "pcm"}),
    (
        Usage(input=9, output=3, total=12),
        {"type": "usage", "input_tokens": 9, "output_tokens": 3, "total_tokens": 12},
    ),
    (
        ToolCallsRequested(calls=(ToolCall(call_id="c1", name="add", arguments="{}"),)),
        {"type": "requires_action", "tool_calls": [{"id": "c1", "name": "add", "arguments": "{}"}]},
    ),
    (
        InputRequested(interrupt=Interrupt(event_id="e", kind="question", data={"q": [1]})),
        {"type": "input_required", "interrupt": {"event_id": "e", "kind": "question", "data": {"q": [1]}}},
    ),
    (
        InputRequested(interrupt=Interrupt(event_id="e", kind="input", data={"question": "Where?"})),
        {
            "type": "input_required",
            "interrupt": {"event_id": "e", "kind": "input", "data": {"question": "Where?"}, "question": "Where?"},
        },
    ),
    (TurnDone(), {"type": "done"}),
    (
        TurnFailed(error=Overloaded("Full.", hint="Wait.", retry_after_s=2)),
        {
            "type": "error",
            "error": {
                "code": "overloaded",
                "message": "Full.",
                "hint": "Wait.",
                "request_id": "req_1",
                "retry_after": 2,
            },
        },
    ),
    (Unknown(name="n", raw="r"), {"type": "unknown", "name": "n", "raw": "r"}),
]


class FromNdjson:
    """The bytes of an answer in lines → its events."""

    def __init__(self) -> None:
        self.lines, self.records = JsonStreamDecoder(), RecordDecoder()

    def feed(self, piece: bytes) -> list[object]:
        return [comparable(event) for line in self.lines.feed(piece) for event in self.records.feed(line)]

    def finish(self) -> list[object]:
        self.lines.finish()
        return [*self.records.finish()]


class FromSse:
    """The bytes of an answer as server-sent events → its events."""

    def __init__(self) -> None:
        self.blocks, self.records = SseDecoder(), RecordDecoder()

    def feed(self, piece: bytes) -> list[object]:
        return [comparable(event) for block in self.blocks.feed(piece) for event in self.records.feed(block.data)]

    def finish(self) -> list[object]:
        assert self.blocks.finish() == []
        return [*self.records.finish()]


def comparable(event: Event) -> object:
    """Errors are equal when a client is told the same."""
    if isinstance(event, TurnFailed):
        error = event.error
        return (type(error), error.code, error.message, error.hint, error.retry_after_s)
    return event


def ndjson(steps: frozenset[StepKind] = ALL_STEPS) -> NdjsonEncoder:
    return NdjsonEncoder(request_id=RequestId("req_1"), steps=steps)


def sse(steps: frozenset[StepKind] = ALL_STEPS) -> SseEncoder:
    return SseEncoder(request_id=RequestId("req_1"), steps=steps)


def encoded(encoder: NdjsonEncoder, events: Sequence[Event]) -> bytes:
    return b"".join(encoder.feed(event) for event in events)


@pytest.mark.parametrize(("event", "record"), RECORDS, ids=[record["type"] for _, record in RECORDS])
def test_every_event_has_its_record_as_a_line_and_as_a_server_sent_event(event: Event, record: dict[str, Any]) -> None:
    line = ndjson().feed(event)
    assert json.loads(line) == record
    assert line.endswith(b"}\n")
    assert b"\n" not in line[:-1]
    block = sse().feed(event)
    name = b"event: error\n" if record["type"] == "error" else b""
    assert block == name + b"data: " + line + b"\n"


@pytest.mark.parametrize(("event", "record"), RECORDS, ids=[record["type"] for _, record in RECORDS])
def test_every_record_is_read_as_its_event(event: Event, record: dict[str, Any]) -> None:
    (found,) = RecordDecoder().feed(json.dumps(record).encode())
    assert comparable(found) == comparable(event)


def test_the_examples_have_one_event_of_each_kind() -> None:
    assert {type(event) for event, _ in RECORDS} == set(get_args(Event))


def test_only_the_steps_that_were_subscribed_to_are_written() -> None:
    for encoder in (ndjson(frozenset({"result"})), sse(frozenset({"result"}))):
        assert encoder.feed(Step(kind="call", title="t", body="{}")) == b""
        assert encoder.feed(Step(kind="result", title="t", body="{}")) != b""


@pytest.mark.parametrize(("event", "record"), RECORDS, ids=[record["type"] for _, record in RECORDS])
def test_an_encoder_says_when_the_answer_is_over_and_whether_it_failed(event: Event, record: dict[str, Any]) -> None:
    encoder = ndjson()
    assert (encoder.is_closed, encoder.has_failed) == (False, False)
    encoder.feed(event)
    assert encoder.is_closed == (record["type"] in ("done", "requires_action", "input_required", "error"))
    assert encoder.has_failed == (record["type"] == "error")


def test_each_framing_has_its_content_type_and_its_sign_of_life() -> None:
    assert (NdjsonEncoder.content_type, NdjsonEncoder.keepalive) == ("application/x-ndjson", b"")
    assert (SseEncoder.content_type, SseEncoder.keepalive) == ("text/event-stream; charset=utf-8", KEEPALIVE)


def test_weakness_29_the_whole_of_a_message_is_put_together_from_deltas_and_snapshots() -> None:
    written: list[Event] = [
        TextDelta(message_id=M, text="Hel"),
        TextDelta(message_id=M, text="lo"),
        TextReplaced(message_id=M, text="Bye"),
        TextDelta(message_id=M, text="!"),
        AnswerDone(message_id=M, text="Bye!"),
        TurnDone(),
    ]
    assert outcome(FromNdjson(), [encoded(ndjson(), written)]) == Outcome([*written])


@pytest.mark.parametrize("record", [b'{"type":"of_tomorrow","x":[1]}', b'{"type":""}'])
def test_record_types_that_are_not_known_are_passed_over(record: bytes) -> None:
    assert RecordDecoder().feed(record) == []


def test_members_of_a_record_that_are_not_known_are_passed_over() -> None:
    assert RecordDecoder().feed(b'{"x":[1],"type":"done"}') == [TurnDone()]
    assert RecordDecoder().feed(b'{"type":"start"}') == [
        TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId(""))
    ]


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"type":1}',
        b'{"type":"delta"}',
        b'{"type":"delta","message_id":"m","text":1}',
        b'{"type":"step","kind":"dance","title":"","body":""}',
        b'{"type":"audio","data":"no base64!","format":"pcm"}',
        b'{"type":"delta","message_id":"m","text":"\xff"}',
        b'{"type":' + b"[" * 100_000,
    ],
    ids=range(11),
)
def test_what_is_no_record_is_refused(record: bytes) -> None:
    with pytest.raises(UpstreamFailed, match="A record cannot be read") as refused:
        RecordDecoder().feed(record)
    assert refused.value.code == "upstream_protocol"


def test_half_an_emoji_in_a_record_is_replaced() -> None:
    assert RecordDecoder().feed(rb'{"type":"suggestion","text":"\ud83d"}') == [Suggestion(text="\ufffd")]


@pytest.mark.parametrize("before", [[], [TextDelta(message_id=M, text="Hi")], [AnswerDone(message_id=M, text="")]])
def test_a_stream_without_an_end_is_truncated(before: list[Event]) -> None:
    assert outcome(FromNdjson(), [encoded(ndjson(), before)]).refusal == TRUNCATED
    assert outcome(FromSse(), [encoded(sse(), before)]).refusal == TRUNCATED


def test_a_stream_that_is_cut_inside_a_record_is_truncated() -> None:
    whole = encoded(ndjson(), [TextDelta(message_id=M, text="Hi"), TurnDone()])
    assert outcome(FromNdjson(), [whole[:-3]]).refusal == TRUNCATED


ends = [event for event, record in RECORDS if record["type"] in ("done", "requires_action", "input_required", "error")]


@pytest.mark.parametrize("end", ends, ids=lambda end: type(end).__name__)
def test_each_record_that_ends_a_turn_makes_a_stream_whole(end: Event) -> None:
    assert outcome(FromNdjson(), [encoded(ndjson(), [end])]) == Outcome([comparable(end)])


def test_an_error_in_a_stream_keeps_its_class() -> None:
    for error in (BadRequest("m"), BadRequest("m", code="not_supported_by_upstream"), UpstreamTimeout("m")):
        (found,) = RecordDecoder().feed(ndjson().feed(TurnFailed(error=error)))
        assert isinstance(found, TurnFailed)
        assert type(found.error) is type(error)


ids = st.sampled_from([MessageId("m"), MessageId("n"), MessageId("")])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda each: st.lists(each, max_size=2) | st.dictionaries(texts, each, max_size=2),
    max_leaves=4,
)
kinds: list[type[RealcozeError]] = [BadRequest, Overloaded, Truncated, UpstreamFailed, UpstreamTimeout]
contents: st.SearchStrategy[Event] = st.one_of(
    st.builds(TextDelta, message_id=ids, text=texts),
    st.builds(TextReplaced, message_id=ids, text=texts),
    st.builds(ReasoningDelta, message_id=ids, text=texts),
    st.builds(Step, kind=st.sampled_from(sorted(ALL_STEPS)), title=texts, body=texts),
    st.builds(Suggestion, text=texts),
    st.builds(AudioDelta, audio=st.binary(max_size=9), format=texts),
    st.builds(Usage, input=st.integers(0, 2**63), output=st.integers(0, 9), total=st.integers(0, 9)),
    st.builds(Unknown, name=texts, raw=texts),
    st.builds(AnswerDone, message_id=ids, text=st.just("")),
)
endings: st.SearchStrategy[Event] = st.one_of(
    st.builds(TurnDone),
    st.builds(
        ToolCallsRequested,
        calls=st.lists(st.builds(ToolCall, call_id=texts, name=texts, arguments=texts), max_size=2).map(tuple),
    ),
    st.builds(
        InputRequested,
        interrupt=st.builds(
            Interrupt, event_id=texts, kind=texts, data=st.dictionaries(texts, json_values, max_size=2)
        ),
    ),
    st.builds(
        lambda kind, message, hint, wait_s: TurnFailed(error=kind(message, hint=hint, retry_after_s=wait_s)),
        st.sampled_from(kinds),
        texts,
        st.none() | texts,
        st.none() | st.integers(1, 120),
    ),
)


@st.composite
def turns(draw: st.DrawFn) -> list[Event]:
    """A turn whose messages are done with what their deltas and snapshots made."""
    written: list[Event] = [TurnStarted(chat_id=ChatId(draw(texts)), conversation_id=ConversationId(draw(texts)))]
    sums: dict[MessageId, str] = {}
    for event in draw(st.lists(contents, max_size=6)):
        match event:
            case TextDelta():
                sums[event.message_id] = sums.get(event.message_id, "") + event.text
            case TextReplaced():
                sums[event.message_id] = event.text
        if isinstance(event, AnswerDone):
            written.append(AnswerDone(message_id=event.message_id, text=sums.get(event.message_id, "")))
        else:
            written.append(event)
    return [*written, draw(endings)]


@PROPERTIES
@given(turns())
def test_what_is_encoded_is_decoded_through_lines(written: list[Event]) -> None:
    assert outcome(FromNdjson(), [encoded(ndjson(), written)]) == Outcome([comparable(event) for event in written])


@PROPERTIES
@given(turns())
def test_what_is_encoded_is_decoded_through_server_sent_events(written: list[Event]) -> None:
    encoder = sse()
    stream = b"".join(KEEPALIVE + encoder.feed(event) for event in written)
    assert outcome(FromSse(), [stream]) == Outcome([comparable(event) for event in written])


def test_an_answer_is_the_same_however_it_is_cut() -> None:
    written = [event for event, record in RECORDS if record["type"] != "answer"]
    for make, encoder in ((FromNdjson, ndjson()), (FromSse, sse())):
        assert assert_cut_anywhere(make, encoded(encoder, written)) == Outcome([comparable(each) for each in written])


@PROPERTIES
@given(st.lists(bytes_near(b'{"type":"', b"delta", b"error", b"done", b'"', b',"text":"', b',"message_id":"m"', b"}")))
def test_any_records_give_events_or_a_documented_error(records: list[bytes]) -> None:
    assert_refused_only_as(RecordDecoder(), records, UNREADABLE, TRUNCATED)


@pytest.mark.parametrize("encoder", [NdjsonEncoder, SseEncoder])
def test_a_record_stands_on_one_line_however_a_client_breaks_them(encoder: type[NdjsonEncoder]) -> None:
    text = "汉\u0085\u2028\u2029字\n"
    record = encoder(request_id=RequestId("r"), steps=frozenset()).feed(TextDelta(message_id=MessageId("1"), text=text))
    assert len(record.decode().rstrip("\n").splitlines()) == 1
    [event] = RecordDecoder().feed(record.removeprefix(b"data: "))
    assert event == TextDelta(message_id=MessageId("1"), text=text)
