import json
import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shortcuts
from codec_properties import PROPERTIES, assert_cut_anywhere, texts
from realcoze.dialects.anthropic_messages.stream import MessageEncoder
from realcoze.dialects.deltas import DELTA_CHARACTERS
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
from realcoze.domain.ids import BotName, ChatId, ConversationId, MessageId, RequestId
from realcoze.domain.message import say
from realcoze.domain.request import Request, Wants
from realcoze.domain.tool import ToolCall
from realcoze.errors import ContentRefused, UpstreamTimeout
from realcoze.framing.sse import SseDecoder

M, N = MessageId("m"), MessageId("n")
STARTED = TurnStarted(chat_id=ChatId("c"), conversation_id=ConversationId("v"))
DONE = TurnDone()
CALLS = ToolCallsRequested(
    calls=(
        ToolCall(call_id="c1", name="weather", arguments='{"city": "Rome"}'),
        ToolCall(call_id="c2", name="time", arguments=""),
    )
)
BROKEN = TurnFailed(error=UpstreamTimeout("Too late.", hint="Ask again."))
LINE_BYTES = 16 << 10


def delta(text: str, message_id: MessageId = M) -> TextDelta:
    return TextDelta(message_id=message_id, text=text)


def thought(text: str) -> ReasoningDelta:
    return ReasoningDelta(message_id=M, text=text)


def encoder(*, reasoning: bool = False) -> MessageEncoder:
    request = Request(messages=(say("user", "Hi"),), bot=BotName("echo"), wants=Wants(reasoning=reasoning))
    return MessageEncoder(request, request_id=RequestId("req_1a"))


def read(stream: bytes) -> list[Any]:
    """The data of the events, each of which is named as its data says."""
    decoder = SseDecoder()
    events = decoder.feed(stream) + decoder.finish()
    data = [json.loads(event.data) for event in events]
    assert [event.event for event in events] == [each["type"] for each in data]
    return data


def fed(made: MessageEncoder, *events: Event) -> bytes:
    return b"".join(made.feed(event) for event in events)


def written(*events: Event, reasoning: bool = False) -> list[Any]:
    return read(fed(encoder(reasoning=reasoning), *events))


def kinds(events: Iterable[Any]) -> str:
    """The types in short: what they are without `message_` and `content_block_`."""
    return " ".join(each["type"].replace("message_", "m-").replace("content_block_", "") for each in events)


def test_a_message_as_the_official_sdk_reads_it_by_the_names_of_events() -> None:
    """CLIENTS §4.3."""
    made = encoder()
    events = (STARTED, delta("Hel"), delta("lo"), Usage(input=1, output=2, total=3), DONE)
    stream = [made.feed(event) for event in events]
    assert stream == [
        (
            b'event: message_start\ndata: {"type":"message_start","message":{"type":"message","id":"msg_1a",'
            b'"model":"echo","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,'
            b'"usage":{"input_tokens":0,"output_tokens":0}}}\n\n'
        ),
        (
            b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
            b'"content_block":{"type":"text","text":""}}\n\n'
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
            b'"delta":{"type":"text_delta","text":"Hel"}}\n\n'
        ),
        (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
            b'"delta":{"type":"text_delta","text":"lo"}}\n\n'
        ),
        b"",
        (
            b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
            b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn",'
            b'"stop_sequence":null},"usage":{"input_tokens":1,"output_tokens":2}}\n\n'
            b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
        ),
    ]
    assert (made.is_closed, made.has_failed) == (True, False)


def test_usage_is_there_even_where_coze_did_not_count() -> None:
    """CLIENTS §4.3."""
    ending = written(STARTED, delta("Hi"), DONE)[-2]
    assert ending["usage"] == {"input_tokens": 0, "output_tokens": 0}


def test_an_answer_without_a_word_has_no_block() -> None:
    assert kinds(written(DONE)) == "m-start m-delta m-stop"


def test_thoughts_have_a_block_of_their_own_where_they_were_asked_for() -> None:
    events: list[Event] = [
        STARTED,
        thought("h"),
        thought(""),
        thought("m"),
        delta("Yes"),
        thought("so"),
        delta("!"),
        DONE,
    ]
    found = written(*events, reasoning=True)
    assert kinds(found) == (
        "m-start start delta delta stop start delta stop start delta stop start delta stop m-delta m-stop"
    )
    assert [each["index"] for each in found if "index" in each] == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert found[1]["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}
    assert found[2]["delta"] == {"type": "thinking_delta", "thinking": "h"}
    assert kinds(written(*events)) == "m-start start delta delta stop m-delta m-stop"


def test_each_tool_has_a_block_whose_input_comes_as_text() -> None:
    found = written(STARTED, delta("Wait."), CALLS)
    assert kinds(found) == "m-start start delta stop start delta stop start delta stop m-delta m-stop"
    assert found[4]["content_block"] == {"type": "tool_use", "id": "c1", "name": "weather", "input": {}}
    assert found[5]["delta"] == {"type": "input_json_delta", "partial_json": '{"city":"Rome"}'}
    assert found[8]["delta"] == {"type": "input_json_delta", "partial_json": "{}"}
    assert found[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_question_is_an_answer_where_nothing_else_was_said() -> None:
    asked = InputRequested(interrupt=Interrupt(event_id="e", kind="question", data={"question": "Which city?"}))
    assert said(written(STARTED, asked)) == "Which city?"
    assert said(written(STARTED, delta("Where?"), asked)) == "Where?"
    assert written(STARTED, asked)[-2]["delta"]["stop_reason"] == "end_turn"


def test_two_messages_of_one_answer_have_a_blank_line_between_them() -> None:
    events: list[Event] = [delta("one"), AnswerDone(message_id=M, text="one"), delta("two", N), DONE]
    assert said(written(*events)) == "one\n\ntwo"


def test_what_the_api_has_no_word_for_leaves_no_trace() -> None:
    quiet: list[Event] = [
        Step(kind="call", title="t", body="{}"),
        AudioDelta(audio=b"\0", format="pcm"),
        Suggestion(text="And?"),
        Unknown(name="n", raw="r"),
    ]
    made = encoder()
    assert fed(made, *quiet) == b""
    assert not made.is_closed


def test_a_failure_is_an_error_event_after_which_nothing_looks_whole() -> None:
    """CLIENTS §4.3."""
    made = encoder()
    stream = fed(made, STARTED, delta("half"), BROKEN)
    found = read(stream)
    assert kinds(found) == "m-start start delta error"
    assert found[-1] == {
        "type": "error",
        "error": {
            "type": "timeout_error",
            "message": "Too late. Ask again.",
            "details": {"error_code": "upstream_timeout"},
        },
        "request_id": "req_1a",
    }
    assert (made.is_closed, made.has_failed) == (True, True)
    assert made.feed(DONE) == b"", "nothing comes after it"


def test_text_that_the_bot_takes_back_breaks_the_answer_off() -> None:
    events: list[Event] = [
        delta("wrong"),
        TextReplaced(message_id=M, text="right"),
        AnswerDone(message_id=M, text="right"),
        DONE,
    ]
    assert written(*events)[-1]["error"]["details"] == {"error_code": "answer_rewritten"}


def test_what_coze_s_rules_cut_off_is_an_answer_that_was_refused() -> None:
    made = encoder()
    found = read(fed(made, STARTED, delta("half"), TurnFailed(error=ContentRefused("No."))))
    assert kinds(found) == "m-start start delta stop m-delta m-stop"
    assert found[-2]["delta"]["stop_reason"] == "refusal"
    assert not made.has_failed


def test_a_refusal_before_any_word_is_an_error() -> None:
    refused = TurnFailed(error=ContentRefused("No."))
    for events in ([STARTED], [STARTED, thought("hm")]):
        made = encoder(reasoning=True)
        found = read(fed(made, *events, refused))
        assert found[-1]["error"]["details"] == {"error_code": "content_filter"}
        assert (made.is_closed, made.has_failed) == (True, True)


def test_the_sign_of_life_is_a_ping() -> None:
    """CLIENTS §4.3."""
    assert read(MessageEncoder.keepalive) == [{"type": "ping"}]
    assert MessageEncoder.content_type == "text/event-stream; charset=utf-8"


@pytest.mark.parametrize("character", ["x", "\u0001", "你", "\u2028"])
def test_a_long_text_is_cut_so_that_no_line_is_beyond_16_kib(character: str) -> None:
    """CLIENTS §4.2 rule 7."""
    text = character * (3 * DELTA_CHARACTERS + 1)
    stream = fed(encoder(reasoning=True), thought(text), delta(text), DONE)
    assert max(map(len, stream.split(b"\n"))) <= LINE_BYTES
    assert said(read(stream)) == text


@pytest.mark.parametrize("break_", ["\u0085", "\u2028", "\u2029", "\r", "\n"])
def test_a_line_break_of_the_text_breaks_no_line_of_the_stream(break_: str) -> None:
    made = encoder()
    stream = fed(made, delta(f"a{break_}b"), DONE).decode()
    assert len(stream.splitlines()) == stream.count("\n")
    assert said(read(stream.encode())) == f"a{break_}b"


def said(events: Iterable[Any]) -> str:
    """The text of all text blocks."""
    return "".join(each["delta"]["text"] for each in events if each.get("delta", {}).get("type") == "text_delta")


GRAMMAR = re.compile(
    r"m-start( start( delta)* stop)* m-delta m-stop|(m-start( start( delta)* stop)*( start( delta)*)? )?error"
)

ids = st.sampled_from([M, N])
middles = st.lists(
    st.one_of(
        st.builds(TextDelta, message_id=ids, text=texts),
        st.builds(TextReplaced, message_id=ids, text=texts),
        st.builds(ReasoningDelta, message_id=ids, text=texts),
        st.builds(Suggestion, text=texts),
        st.just(STARTED),
        st.just(Usage(input=1, output=2, total=3)),
    ),
    max_size=8,
)
ends = st.sampled_from([DONE, CALLS, BROKEN])


@PROPERTIES
@given(middle=middles, end=ends, reasoning=st.booleans())
def test_whatever_happens_the_events_come_in_the_order_of_the_grammar(
    *, middle: list[Event], end: Event, reasoning: bool
) -> None:
    """CLIENTS §4.3."""
    made, fold = encoder(reasoning=reasoning), Fold()
    stream = b""
    for event in (*middle, end):
        fold.feed(event)
        stream += made.feed(event)
    found = read(stream)
    assert GRAMMAR.fullmatch(kinds(found)), kinds(found)
    assert made.is_closed
    assert made.has_failed == (found[-1]["type"] == "error")
    starts = [each["index"] for each in found if each["type"] == "content_block_start"]
    assert starts == list(range(len(starts)))
    if not made.has_failed:
        assert said(found) == fold.finish().text, "the streamed answer is the whole one"
    assert_cut_anywhere(SseDecoder, stream)


@PROPERTIES
@given(middle=middles, end=ends, reasoning=st.booleans())
def test_the_short_way_leads_to_the_same_bytes(*, middle: list[Event], end: Event, reasoning: bool) -> None:
    fed_one_by_one = fed(encoder(reasoning=reasoning), *middle, end)
    assert shortcuts.written(encoder(reasoning=reasoning), [*middle, end]) == fed_one_by_one


def test_more_of_the_block_that_is_open_takes_the_short_way_until_the_end() -> None:
    made, written = encoder(reasoning=True), list[bytes]()
    made.feed(thought("Hm"))
    assert made.shortcut(delta("a"), written.append) is None
    assert made.shortcut(thought("Hm"), written.append) is not None
    made.feed(delta("a"))
    assert made.shortcut(thought("Hm"), written.append) is None
    assert made.shortcut(delta("a", N), written.append) is None
    way = made.shortcut(delta("a"), written.append)
    assert way is not None
    way.take("b")
    assert [each["delta"] for each in read(written[0])] == [{"type": "text_delta", "text": "b"}]
    made.feed(DONE)
    assert made.shortcut(delta("a"), written.append) is None
