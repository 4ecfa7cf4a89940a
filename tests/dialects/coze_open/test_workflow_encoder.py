import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, assert_carried, texts
from realcoze.dialects.coze_open.workflow_encoder import StudioWorkflowStreamEncoder, WorkflowStreamEncoder
from realcoze.dialects.coze_open.workflow_stream import WorkflowStreamDecoder
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
from realcoze.domain.request import Json
from realcoze.errors import Truncated, UpstreamFailed

STARTED = TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId(""))
M, N = MessageId("m"), MessageId("n")


def written(*events: Event, encoder: WorkflowStreamEncoder | None = None) -> list[tuple[int, str, Any]]:
    """Number, name and data of each event."""
    encoding = encoder or WorkflowStreamEncoder()
    found = []
    for block in b"".join(map(encoding.feed, events)).decode().split("\n\n")[:-1]:
        number, name, data = block.split("\n")
        found.append((int(number.removeprefix("id: ")), name.removeprefix("event: "), json.loads(data[6:])))
    return found


def piece(text: str, message_id: MessageId = M) -> TextDelta:
    return TextDelta(message_id=message_id, text=text)


def whole(text: str, message_id: MessageId = M) -> AnswerDone:
    return AnswerDone(message_id=message_id, text=text)


def said(content: str, number: int, *, is_last: bool = False, title: str = "", **more: object) -> dict[str, object]:
    usual = {"content_type": "text", "node_title": title, "node_seq_id": str(number), "node_is_finish": is_last}
    return {"content": content, **usual, "node_execute_uuid": "m", **more}


def test_a_node_counts_what_it_says_and_its_last_word_is_marked() -> None:
    step = Step(kind="other", title="Verses", body="Message")
    assert written(STARTED, step, piece("a"), piece("b"), whole("abc"), TurnDone()) == [
        (0, "Message", said("a", 0, title="Verses", node_type="Message")),
        (1, "Message", said("b", 1, title="Verses", node_type="Message")),
        (2, "Message", said("c", 2, title="Verses", node_type="Message", is_last=True)),
        (3, "Done", {}),
    ]


def test_the_tokens_stand_on_the_last_word() -> None:
    usage = {"token_count": 3, "output_count": 2, "input_count": 1}
    assert written(Usage(input=1, output=2, total=3), whole("all")) == [
        (0, "Message", said("all", 0, is_last=True, token=3, cost="0.00", usage=usage)),
    ]


def test_a_question_has_its_event_its_type_and_its_data_as_text() -> None:
    data: dict[str, Json] = {"node_title": "Q", "data": [{"name": "city"}], "required_parameters": {"a": 1}}
    asked = InputRequested(interrupt=Interrupt(event_id="1/2", kind="input", data=data))
    found = {"event_id": "1/2", "type": 5, "data": '[{"name":"city"}]', "required_parameters": {"a": 1}}
    assert written(asked) == [(0, "Interrupt", {"interrupt_data": found, "node_title": "Q"})]
    studio = StudioWorkflowStreamEncoder()
    assert written(asked, encoder=studio) == [(0, "Interrupt", {"interrupt_data": found})]


def test_the_end_and_an_error_name_the_run_where_it_has_an_address() -> None:
    assert written(TurnDone(), encoder=WorkflowStreamEncoder(debug_url="https://x")) == [
        (0, "Done", {"debug_url": "https://x"})
    ]
    failure = TurnFailed(error=UpstreamFailed("no", upstream_code=4000))
    assert written(failure) == [(0, "Error", {"error_code": 4000, "error_message": "no"})]
    assert written(TurnFailed(error=UpstreamFailed("no")), encoder=WorkflowStreamEncoder(debug_url="https://x")) == [
        (0, "Error", {"error_code": 5000, "error_message": "no", "debug_url": "https://x"})
    ]


def test_what_is_not_known_goes_out_as_it_came() -> None:
    assert written(Unknown(name="PING", raw="{}")) == [(0, "PING", {})]


@pytest.mark.parametrize(
    "event",
    [
        STARTED,
        TextReplaced(message_id=M, text="a"),
        ReasoningDelta(message_id=M, text="a"),
        Suggestion(text="a"),
        AudioDelta(audio=b"a", format="pcm"),
        ToolCallsRequested(calls=()),
    ],
)
def test_what_the_wire_has_no_word_for_is_not_written(event: Event) -> None:
    assert WorkflowStreamEncoder().feed(event) == b""


def test_a_run_that_has_not_ended_is_none() -> None:
    encoder = WorkflowStreamEncoder()
    encoder.feed(piece("a"))
    with pytest.raises(Truncated):
        encoder.finish()
    encoder.feed(TurnDone())
    assert encoder.finish() == b""


@st.composite
def runs(draw: st.DrawFn) -> list[Event]:
    """Nodes one after another, each with a name or without, and any end."""
    events: list[Event] = [STARTED]
    for number, pieces in enumerate(draw(st.lists(st.lists(texts.filter(bool), max_size=3), max_size=3))):
        message_id = MessageId(f"n{number}")
        if title := draw(texts):
            events.append(Step(kind="other", title=title, body=draw(texts)))
        events += [piece(text, message_id) for text in pieces]
        if draw(st.booleans()):
            events.append(Usage(input=1, output=2, total=draw(st.integers(1, 9))))
        events.append(whole("".join(pieces), message_id))
    asked = Interrupt(
        event_id="1/2", kind=draw(st.sampled_from(["question", "oauth"])), data={"node_title": "?", "data": [1]}
    )
    end: Event = InputRequested(interrupt=asked) if draw(st.booleans()) else TurnDone()
    return [*events, end]


@PROPERTIES
@given(runs())
def test_what_is_encoded_is_decoded(run: list[Event]) -> None:
    assert_carried(WorkflowStreamDecoder(), map(WorkflowStreamEncoder().feed, run), run)
