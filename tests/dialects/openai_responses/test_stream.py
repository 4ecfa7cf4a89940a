import itertools
import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, texts
from realcoze.dialects.deltas import DELTA_CHARACTERS
from realcoze.dialects.openai_responses.reply import ResponseBody, encode_body, encode_reply
from realcoze.dialects.openai_responses.request import Asked, decode_request
from realcoze.dialects.openai_responses.stream import ResponseEncoder
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
from realcoze.domain.ids import CallerId, ChatId, ConversationId, MessageId, RequestId
from realcoze.domain.message import say
from realcoze.domain.request import Request
from realcoze.domain.tool import ToolCall
from realcoze.errors import ContentRefused, Overloaded, RateLimited, Truncated
from realcoze.framing.sse import KEEPALIVE, SseDecoder

M, N = MessageId("m"), MessageId("n")
REQUEST_ID, CREATED = RequestId("req_1"), 7
STARTED = TurnStarted(chat_id=ChatId("c"), conversation_id=ConversationId("v"))
USAGE = Usage(input=1, output=2, total=3)
CALLS = ToolCallsRequested(
    calls=(
        ToolCall(call_id="1", name="look", arguments='{"a":"' + "x" * 2 * DELTA_CHARACTERS + '"}'),
        ToolCall(call_id="2", name="listen", arguments=""),
    )
)
ASKED = Asked(
    request=Request(messages=(say("user", "Hi"),)),
    model='B"o\u2028t',
    instructions="Be brief.",
    metadata={"a": "b"},
    user="ada",
    is_streamed=True,
)

ITEM_ADDED, ITEM_DONE = "response.output_item.added", "response.output_item.done"
WELL = frozenset({"response.completed", "response.incomplete"})
ENDS = WELL | {"response.failed"}
MESSAGE = "response.content_part.added", "response.output_text", "response.content_part.done"
THOUGHT = (
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_text",
    "response.reasoning_summary_part.done",
)
ARGUMENTS = "response.function_call_arguments"
FOLLOWS: dict[str, frozenset[str]] = {
    "": frozenset({"response.created"}),
    "response.created": frozenset({"response.in_progress", "response.queued"}),
    "response.queued": frozenset({"response.in_progress"}),
    "response.in_progress": ENDS | {ITEM_ADDED},
    ITEM_ADDED: frozenset({MESSAGE[0], THOUGHT[0], f"{ARGUMENTS}.delta", f"{ARGUMENTS}.done"}),
    f"{ARGUMENTS}.delta": frozenset({f"{ARGUMENTS}.delta", f"{ARGUMENTS}.done"}),
    f"{ARGUMENTS}.done": frozenset({ITEM_DONE}),
    ITEM_DONE: ENDS | {ITEM_ADDED},
    "response.failed": frozenset({"error"}),
    **{end: frozenset() for end in WELL | {"error"}},
}
"""What may follow what; the first comes after nothing."""

for added, text, done in (MESSAGE, THOUGHT):
    FOLLOWS[added] = frozenset({f"{text}.delta"})
    FOLLOWS[f"{text}.delta"] = frozenset({f"{text}.delta", f"{text}.done", "response.failed", "response.incomplete"})
    FOLLOWS[f"{text}.done"] = frozenset({done})
    FOLLOWS[done] = frozenset({ITEM_DONE})


def delta(text: str, message_id: MessageId = M) -> TextDelta:
    return TextDelta(message_id=message_id, text=text)


def encoded(events: Iterable[Event]) -> tuple[list[dict[str, Any]], ResponseEncoder]:
    """The events of a stream, each of which says its name twice."""
    encoder = ResponseEncoder(ASKED, REQUEST_ID, created=CREATED)
    return read_all(map(encoder.feed, events)), encoder


def read_all(stream: Iterable[bytes]) -> list[dict[str, Any]]:
    decoder = SseDecoder()
    blocks = decoder.feed(b"".join(stream))
    read = [json.loads(block.text) for block in blocks]
    assert [block.event for block in blocks] == [event["type"] for event in read]
    assert decoder.finish() == []
    return read


def assert_in_order(events: list[dict[str, Any]]) -> None:
    """By the table; numbered from 0; each item under one id and place, its texts as long as its deltas say."""
    names = ["", *(event["type"] for event in events)]
    assert [pair for pair in itertools.pairwise(names) if pair[1] not in FOLLOWS[pair[0]]] == []
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    done: list[dict[str, Any]] = []
    item: dict[str, Any] = {}
    gathered = ""
    for event in events:
        name = event["type"]
        if name == ITEM_ADDED:
            assert event["output_index"] == len(done)
            item, gathered = event["item"], ""
            assert item["status"] == "in_progress"
        elif name == ITEM_DONE:
            assert (event["item"]["id"], event["output_index"]) == (item["id"], len(done))
            assert event["item"]["status"] == "completed"
            assert _text_of(event["item"]) == gathered
            done.append(event["item"])
            item = {}
        elif "item_id" in event:
            assert (event["item_id"], event["output_index"]) == (item["id"], len(done))
            gathered += event.get("delta", "")
            assert event.get("text", gathered) == event.get("arguments", gathered) == gathered
            part = event.get("part")
            assert part is None or part["text"] == gathered
        elif name != "error":
            response = event["response"]
            left = [{**response["output"][-1]}] if item and name in ENDS else []
            assert response["output"] == done + left
            assert all((each["status"], _text_of(each)) == ("incomplete", gathered) for each in left)
    assert len({each["id"] for each in done}) == len(done)
    assert len({event["response"]["id"] for event in events if "response" in event}) <= 1


def _text_of(item: dict[str, Any]) -> str:
    found = item.get("content") or item.get("summary") or [{"text": item.get("arguments", "")}]
    text: str = found[0]["text"]
    return text


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_a_text_is_one_message() -> None:
    events, encoder = encoded([STARTED, delta("Hel"), delta("lo"), AnswerDone(message_id=M, text="Hello"), TurnDone()])
    assert_in_order(events)
    assert names(events) == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    assert events[4]["logprobs"] == []
    assert (encoder.is_closed, encoder.has_failed, encoder.feed(delta("more"))) == (True, False, b"")


def test_what_is_made_in_the_background_is_queued_first() -> None:
    encoder = ResponseEncoder(msgspec.structs.replace(ASKED, is_background=True), REQUEST_ID, created=CREATED)
    events = read_all(encoder.feed(event) for event in (STARTED, delta("Hi"), TurnDone()))
    assert_in_order(events)
    assert names(events)[:3] == ["created", "queued", "in_progress"]
    statuses = [event["response"]["status"] for event in events if "response" in event]
    assert statuses == ["queued", "queued", "in_progress", "completed"]
    assert all(event["response"]["background"] for event in events if "response" in event)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (TurnDone(), "completed"),
        (CALLS, "completed"),
        (TurnFailed(error=Truncated("Off.")), "failed"),
        (TurnFailed(error=ContentRefused("No.")), "incomplete"),
        (TextReplaced(message_id=M, text="Yes"), "failed"),
        (AnswerDone(message_id=M, text="Yes"), "failed"),
    ],
)
def test_a_response_is_kept_once_as_its_last_event_has_it_which_says_so(end: Event, status: str) -> None:
    for is_kept in (True, False):
        kept: list[dict[str, Any]] = []

        def keep(body: ResponseBody, kept: list[dict[str, Any]] = kept, answer: Any = is_kept) -> bool:
            kept.append(json.loads(encode_body(body)))
            return bool(answer)

        asked = msgspec.structs.replace(ASKED, is_kept=True)
        encoder = ResponseEncoder(asked, REQUEST_ID, created=CREATED, keep=keep)
        events = read_all(encoder.feed(event) for event in (STARTED, delta("No"), end, TurnDone(), TurnDone()))
        response = next(event["response"] for event in events if event["type"] in ENDS)
        assert kept == [{**response, "store": True}]
        assert (response["status"], response["store"]) == (status, is_kept)
        assert events[0]["response"]["store"]


def test_what_is_thought_is_an_item_before_the_message() -> None:
    events, _ = encoded([STARTED, ReasoningDelta(message_id=M, text="Hm"), delta("Hi"), USAGE, TurnDone()])
    assert_in_order(events)
    response = events[-1]["response"]
    assert [item["type"] for item in response["output"]] == ["reasoning", "message"]
    assert response["usage"]["total_tokens"] == 3
    assert "status" in response["output"][0]


def test_what_is_thought_meanwhile_comes_after_the_message_so_that_it_stays_one() -> None:
    """A client sends the items back, and its history is known by its messages."""
    thoughts = [ReasoningDelta(message_id=M, text=text) for text in ("Hm", ", so")]
    events, _ = encoded([STARTED, thoughts[0], delta("A"), thoughts[1], delta("B", N), TurnDone()])
    assert_in_order(events)
    output = events[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "message", "reasoning"]
    sent_back = json.dumps({"input": [*output, {"role": "user", "content": "And?"}]}).encode()
    asked = decode_request(sent_back, caller=CallerId(""), thread=None)
    assert [message.text for message in asked.request.messages] == ["A\n\nB", "And?"]


def test_each_call_of_a_tool_is_an_item() -> None:
    events, _ = encoded([STARTED, delta("Let me see."), CALLS])
    assert_in_order(events)
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["message", "function_call", "function_call"]
    assert names(events)[-1] == "completed"
    assert names(events).count("function_call_arguments.delta") == 3


def test_a_turn_that_says_nothing_is_a_response_without_items() -> None:
    events, _ = encoded([TurnDone()])
    assert_in_order(events)
    assert names(events) == ["created", "in_progress", "completed"]
    assert events[-1]["response"]["output"] == []


def test_a_question_of_a_workflow_is_the_answer() -> None:
    asked = InputRequested(interrupt=Interrupt(event_id="1", kind="question", data={"question": "Which?"}))
    events, _ = encoded([STARTED, asked])
    assert_in_order(events)
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "Which?"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Truncated("It broke off."), "server_error"),
        (RateLimited("Slowly."), "rate_limit_exceeded"),
        (ContentRefused("Not this."), "invalid_prompt"),
    ],
)
def test_a_turn_that_fails_says_so_and_that_nothing_is_done(error: Any, code: str) -> None:
    events, encoder = encoded([STARTED, TurnFailed(error=error)])
    assert_in_order(events)
    assert (events[-2]["type"], events[-2]["response"]["error"]["code"]) == ("response.failed", code)
    assert not encoder.has_failed


def test_what_a_turn_failed_of_is_told_where_packages_look_for_it() -> None:
    """The stream ends well: Codex tells else that the connection broke off, and asks again whatever the code."""
    events, encoder = encoded([STARTED, delta("Half of"), TurnFailed(error=Overloaded("Too much.", hint="Wait."))])
    failed, error = events[-2:]
    told = {"message": "Too much. Wait.", "code": "overloaded", "param": None}
    assert error == {
        "type": "error",
        "sequence_number": failed["sequence_number"] + 1,
        "error": {**told, "type": "overloaded"},
        **told,
    }
    assert (encoder.is_closed, encoder.has_failed) == (True, False)


def test_half_a_message_is_left_incomplete() -> None:
    events, _ = encoded([STARTED, delta("Half of"), TurnFailed(error=Overloaded("Too much."))])
    assert_in_order(events)
    assert names(events)[-3:] == ["output_text.delta", "failed", "error"]
    [item] = events[-2]["response"]["output"]
    assert (item["status"], item["content"][0]["text"]) == ("incomplete", "Half of")


def test_an_answer_that_content_rules_cut_off_is_incomplete_and_no_failure() -> None:
    events, encoder = encoded([STARTED, delta("Half of"), TurnFailed(error=ContentRefused("No."))])
    assert_in_order(events)
    response = events[-1]["response"]
    assert (events[-1]["type"], response["status"]) == ("response.incomplete", "incomplete")
    assert (response["incomplete_details"], encoder.has_failed) == ({"reason": "content_filter"}, False)


def test_what_is_taken_back_fails() -> None:
    events, encoder = encoded([STARTED, delta("No"), TextReplaced(message_id=M, text="Yes"), TurnDone()])
    assert_in_order(events)
    assert (events[-2]["type"], encoder.is_closed) == ("response.failed", True)


def test_a_long_text_comes_in_several_deltas_and_on_one_line() -> None:
    text = "\u2028" + "x" * DELTA_CHARACTERS * 2
    encoder = ResponseEncoder(ASKED, REQUEST_ID, created=CREATED)
    events: list[Event] = [STARTED, delta(text), TurnDone()]
    stream = b"".join(map(encoder.feed, events))
    assert "\u2028".encode() not in stream
    assert stream.count(b"event: response.output_text.delta\n") == 3
    assert encoder.keepalive == KEEPALIVE


EVENTS = st.one_of(
    st.builds(delta, texts, st.sampled_from([M, N])),
    st.builds(lambda text: ReasoningDelta(message_id=M, text=text), texts),
    st.builds(lambda text: AnswerDone(message_id=M, text=text), texts),
    st.sampled_from([
        STARTED, USAGE, CALLS, TurnDone(), TurnFailed(error=Truncated("Off.")), TurnFailed(error=ContentRefused("No.")),
        Step(kind="call", title="t", body="b"), Suggestion(text="s"), AudioDelta(audio=b"", format="pcm"),
        Unknown(name="n", raw="r"), TextReplaced(message_id=M, text="R"),
    ]),
)  # fmt: skip


@PROPERTIES
@given(st.lists(EVENTS, max_size=12))
def test_whatever_comes_is_in_order(events: list[Event]) -> None:
    read, encoder = encoded(events)
    assert_in_order(read)
    is_over = bool(read) and read[-1]["type"] in WELL | {"error"}
    assert (encoder.is_closed, encoder.has_failed) == (is_over, False)


@pytest.mark.parametrize(
    "events",
    [
        [STARTED, ReasoningDelta(message_id=M, text="Hm"), delta("He"), delta("llo"), USAGE, TurnDone()],
        [STARTED, delta("Hello"), delta("there", N), CALLS],
        [STARTED, TurnDone()],
    ],
)
def test_a_whole_response_is_what_its_stream_ends_with(events: list[Event]) -> None:
    fold = Fold()
    for event in events:
        fold.feed(event)
    whole = json.loads(encode_reply(ASKED, fold.finish(), REQUEST_ID, created=CREATED))
    assert whole == encoded(events)[0][-1]["response"]
