import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, Outcome, assert_cut_anywhere, texts
from realcoze.dialects.native.snapshots import INTERVAL_S, OBJECT_BYTES, SnapshotEncoder, encode_flat_error
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
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.errors import BadRequest, UpstreamTimeout
from realcoze.framing.json_stream import JsonStreamDecoder

M = MessageId("m")


def delta(text: str) -> TextDelta:
    return TextDelta(message_id=M, text=text)


def encoder(*steps: StepKind) -> SnapshotEncoder:
    return SnapshotEncoder(steps=frozenset(steps))


def fed(events: Iterable[Event], *steps: StepKind) -> SnapshotEncoder:
    """An encoder that has taken note of the events and has sent nothing yet."""
    made = encoder(*steps)
    for event in events:
        assert made.feed(event) == b""
    return made


def sent(made: SnapshotEncoder, *, start: float = 0.0) -> list[bytes]:
    """Every object that comes out when the clock goes from deadline to deadline."""
    objects: list[bytes] = []
    now = start
    while (deadline := made.deadline()) is not None:
        now = max(now, deadline)
        objects.append(made.tick(now))
    return objects


def test_weakness_29_deltas_become_cumulative_snapshots_with_one_last_object() -> None:
    made = encoder()
    made.feed(delta("H"))
    assert made.tick(0.0) == b'{"content":"H","continue":true,"reply_type":1}'
    made.feed(delta("e"))
    assert made.tick(1.0) == b'{"content":"He","continue":true,"reply_type":1}'
    made.feed(AnswerDone(message_id=M, text="He"))
    assert made.deadline() is None
    made.feed(TurnDone())
    assert not made.is_closed
    assert made.tick(2.0) == b'{"content":"He","continue":false,"reply_type":1}'
    assert (made.is_closed, made.has_failed, made.deadline(), made.tick(9.0)) == (True, False, None, b"")


def test_two_objects_are_at_least_100_ms_apart_and_the_newest_snapshot_wins() -> None:
    assert INTERVAL_S == 0.1
    made = fed([delta("a")])
    assert made.tick(10.0) == b'{"content":"a","continue":true,"reply_type":1}'
    made.feed(delta("b"))
    assert made.deadline() == 10.1
    assert made.tick(10.05) == b""
    made.feed(delta("c"))
    assert made.tick(10.1) == b'{"content":"abc","continue":true,"reply_type":1}'
    made.feed(TurnDone())
    assert made.deadline() == pytest.approx(10.2)
    assert made.tick(10.15) == b""


def test_nothing_is_due_before_there_is_something_to_say() -> None:
    quiet: list[Event] = [
        TurnStarted(chat_id=ChatId("c"), conversation_id=ConversationId("")),
        ReasoningDelta(message_id=M, text="hm"),
        AnswerDone(message_id=M, text=""),
        Suggestion(text="And?"),
        AudioDelta(audio=b"\0", format="pcm"),
        Usage(input=1, output=2, total=3),
        Unknown(name="n", raw="r"),
        Step(kind="call", title="t", body="{}"),
    ]
    made = fed(quiet)
    assert made.deadline() is None
    assert made.tick(99.0) == b""


def test_a_rewrite_is_the_next_snapshot() -> None:
    made = fed([delta("wrong"), TextReplaced(message_id=M, text="right")])
    assert sent(made) == [b'{"content":"right","continue":true,"reply_type":1}']


def test_steps_that_were_subscribed_to_come_one_at_a_time_before_the_answer_goes_on() -> None:
    made = fed(
        [
            Step(kind="call", title="t", body="Rome"),
            Step(kind="recall", title="t", body="not asked for"),
            Step(kind="result", title="t", body="warm"),
            Step(kind="other", title="t", body="hm"),
            delta("Hi"),
            TurnDone(),
        ],
        "call",
        "result",
        "other",
    )
    assert sent(made) == [
        b'{"content":"Rome","continue":true,"reply_type":3}',
        b'{"content":"warm","continue":true,"reply_type":4}',
        b'{"content":"hm","continue":true,"reply_type":7}',
        b'{"content":"Hi","continue":false,"reply_type":1}',
    ]


def test_closing_braces_in_the_text_are_written_as_escapes() -> None:
    (written,) = sent(fed([delta('if (a) { b["}"] }')]))
    assert written.count(b"}") == 1
    assert rb"\u007d" in written
    assert json.loads(written)["content"] == 'if (a) { b["}"] }'


def test_a_failure_is_one_flat_object_with_what_came_so_far() -> None:
    made = fed([delta("half {}"), TurnFailed(error=UpstreamTimeout("Too late.", hint="Ask again."))])
    assert sent(made) == [
        rb'{"content":"half {\u007d","continue":true,"reply_type":1,"error":"upstream_timeout: Too late."}'
    ]
    assert (made.is_closed, made.has_failed) == (True, True)


def test_a_failure_from_outside_ends_the_stream_at_once() -> None:
    made = fed([delta("half")])
    assert json.loads(made.fail(UpstreamTimeout("Too late."))) == {
        "content": "half",
        "continue": True,
        "reply_type": 1,
        "error": "upstream_timeout: Too late.",
    }
    assert (made.is_closed, made.has_failed, made.deadline()) == (True, True, None)


@pytest.mark.parametrize(("said", "shown"), [((), "Which city?"), (("Where?",), "Where?")])
def test_a_question_is_an_answer_to_a_reader_that_answers_with_its_next_turn(said: tuple[str, ...], shown: str) -> None:
    asked = InputRequested(interrupt=Interrupt(event_id="e", kind="question", data={"question": "Which city?"}))
    made = fed([*map(delta, said), asked])
    (written,) = sent(made)
    assert json.loads(written) == {"content": shown, "continue": False, "reply_type": 1}
    assert (made.is_closed, made.has_failed) == (True, False)


def test_a_bot_that_wants_a_tool_ends_the_stream_with_another_way_to_read_it() -> None:
    made = fed([delta("Which?"), ToolCallsRequested(calls=())])
    (written,) = sent(made)
    assert "application/x-ndjson" in json.loads(written)["error"]
    assert json.loads(written)["content"] == "Which?"
    assert made.has_failed


def largest_text() -> str:
    return "x" * (OBJECT_BYTES - len(b'{"content":"","continue":true,"reply_type":1}'))


def test_an_object_of_60_kib_passes() -> None:
    assert OBJECT_BYTES == 60 * 1024
    (written,) = sent(fed([delta(largest_text())]))
    assert len(written) == OBJECT_BYTES


@pytest.mark.parametrize("more", ["x", "}", "你"])
def test_an_answer_that_outgrows_an_object_ends_the_stream_with_another_way_to_read_it(more: str) -> None:
    made = fed([delta(largest_text() + more)])
    (written,) = sent(made)
    assert json.loads(written) == {
        "content": "",
        "continue": True,
        "reply_type": 1,
        "error": "answer_too_long: The answer is too long for this stream; send `Accept: application/x-ndjson` "
        "or `text/event-stream`, which have no such limit.",
    }
    assert (made.is_closed, made.has_failed) == (True, True)


def test_the_size_of_an_object_is_counted_as_it_is_written() -> None:
    made = fed([delta("}" * (OBJECT_BYTES // 6)), TurnDone()])
    assert [json.loads(each).get("error", "").partition(":")[0] for each in sent(made)] == ["answer_too_long"]


def test_a_step_that_is_too_large_is_no_less_an_end() -> None:
    made = fed([delta("Hi"), Step(kind="call", title="t", body="x" * OBJECT_BYTES), TurnDone()], "call")
    (written,) = sent(made)
    body = json.loads(written)
    assert (body["content"], body["error"].partition(":")[0]) == ("Hi", "answer_too_long")


def test_an_error_before_the_stream_is_flat_too() -> None:
    assert encode_flat_error(BadRequest("No {such} bot.", hint="Ask for another.")) == (
        rb'{"content":"","continue":true,"reply_type":1,"error":"bad_request: No {such\u007d bot."}'
    )


def test_the_stream_calls_itself_json_and_has_no_sign_of_life() -> None:
    assert SnapshotEncoder.content_type == "application/json; charset=utf-8"
    assert SnapshotEncoder.keepalive == b""


pieces = st.lists(texts | st.text('}{"\\ \n', max_size=4), max_size=5)


@PROPERTIES
@given(pieces)
def test_whatever_is_said_the_node_programs_page_reads_every_object(said: list[str]) -> None:
    """Its reader takes a piece that ends with `}`, splits it at every `}` and parses what is left."""
    made = encoder()
    objects: list[bytes] = []
    for number, text in enumerate(said):
        made.feed(delta(text))
        objects.append(made.tick(float(number)))
    made.feed(TurnDone())
    objects += sent(made, start=float(len(said)))
    read: list[Any] = [json.loads(piece + b"}") for each in objects for piece in each.split(b"}")[:-1]]
    assert [each["content"] for each in read][-1] == "".join(said)
    assert [each["continue"] for each in read] == [True] * len(said) + [False]
    assert assert_cut_anywhere(JsonStreamDecoder, b"".join(objects)) == Outcome(objects)
