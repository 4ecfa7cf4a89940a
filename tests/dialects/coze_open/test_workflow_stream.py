import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, Outcome, assert_cut_anywhere, assert_refused_only_as, by_characters, bytes_near
from realcoze.dialects.coze_open.stream import ChatStreamDecoder
from realcoze.dialects.coze_open.workflow_stream import WorkflowStreamDecoder
from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    Interrupt,
    Step,
    TextDelta,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Unknown,
    Usage,
)
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.errors import BadRequest, RealcozeError, Truncated, UpstreamFailed

WIRE = Path(__file__).parents[2] / "wire" / "coze_open"
STARTED = TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId(""))
TRUNCATED = (Truncated, "upstream_truncated")
UNREADABLE = (UpstreamFailed, "upstream_protocol")
TOO_LARGE = (UpstreamFailed, "event_too_large")


class Comparable:
    """A decoder whose failures are equal when they say the same."""

    def __init__(self, decoder: WorkflowStreamDecoder | ChatStreamDecoder) -> None:
        self.decoder = decoder

    def feed(self, piece: bytes) -> list[object]:
        return [comparable(event) for event in self.decoder.feed(piece)]

    def finish(self) -> list[object]:
        return [comparable(event) for event in self.decoder.finish()]


def comparable(event: Event) -> object:
    return failed(type(event.error), event.error.code, event.error.message) if isinstance(event, TurnFailed) else event


def failed(kind: type[RealcozeError], code: str, message: str) -> tuple[object, ...]:
    return ("failed", kind, code, message)


def told(stream: bytes) -> list[object]:
    """What a stream holds, whole, cut in two at every byte, and byte by byte."""
    found = refused(stream)
    assert found.refusal is None
    return found.items


def refused(stream: bytes) -> Outcome[object]:
    return assert_cut_anywhere(lambda: Comparable(WorkflowStreamDecoder()), stream)


def fed(stream: bytes) -> WorkflowStreamDecoder:
    decoder = WorkflowStreamDecoder()
    decoder.feed(stream)
    return decoder


def block(name: str, data: object, number: int = 0) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"id: {number}\nevent: {name}\ndata: {text}\n\n".encode()


def message(content: str | None, title: str = "", *, is_last: bool = False, **more: Any) -> bytes:
    named = {"content": content, "node_title": title, "node_is_finish": is_last, "node_seq_id": "0"}
    return block("Message", {**named, **more})


def delta(text: str, message_id: str = "answer-0") -> TextDelta:
    return TextDelta(message_id=MessageId(message_id), text=text)


def answer(text: str, message_id: str = "answer-0") -> AnswerDone:
    return AnswerDone(message_id=MessageId(message_id), text=text)


def step(title: str, body: str = "") -> Step:
    return Step(kind="other", title=title, body=body)


def asked(event_id: str, kind: str, **data: object) -> InputRequested:
    return InputRequested(interrupt=Interrupt(event_id=event_id, kind=kind, data=data))  # type: ignore[arg-type]


DONE = block("Done", {})
INTERRUPT = block("Interrupt", {"interrupt_data": {"event_id": "1/2", "type": 2, "data": ""}, "node_title": "Q"})


# Recorded


def recorded() -> list[bytes]:
    """The file holds several streams; their ids start anew."""
    text = (WIRE / "workflow_run_stream_resp.txt").read_bytes()
    first, *rest = text.split(b"id: 0\n")
    assert first == b""
    streams = [b"id: 0\n" + stream for stream in rest]
    *others, last = streams
    asking, done = last.split(b"id: 6\n")
    return [*others, asking, b"id: 6\n" + done]


WHY, TALL = "为什么小明要带一把尺子去看电影", "为他听说电影很长，怕"


def test_the_recorded_run_says_all_and_its_missing_end_makes_it_no_success() -> None:
    run, _, _, _ = recorded()
    output = '{"output":"为什么小明要带一把尺子去看电影？因为他听说电影很长，怕坐不下！"}'
    events = [
        STARTED,
        step("Message"),
        delta("msg"),
        delta("为"),
        delta("什么小明要带一把尺子去看电影因"),
        delta(TALL),
        delta("坐不下！"),
        answer(f"msg{WHY}因{TALL}坐不下！"),
        delta(output, "answer-1"),
        answer(output, "answer-1"),
    ]
    assert refused(run) == Outcome(events, TRUNCATED)
    assert told(run + block("Done", {})) == [*events, TurnDone()]


def test_the_recorded_failure_is_the_only_event() -> None:
    _, failure, _, _ = recorded()
    assert told(failure) == [failed(BadRequest, "coze_4000", "Coze answered code 4000: Request parameter error")]


def test_the_recorded_question_ends_its_stream_with_what_was_asked() -> None:
    _, _, asking, _ = recorded()
    question = "请问你想查看哪个城市、哪一天的天气呢"
    assert told(asking) == [
        STARTED,
        step("问答"),
        delta(question),
        answer(question),
        asked("7404830425073352713/2769808280134765896", "question", node_title="问答", data="", question=question),
    ]


def test_the_recorded_end_is_an_end() -> None:
    *_, done = recorded()
    assert told(done) == [STARTED, TurnDone()]


def test_the_recorded_unknown_event_is_kept_and_ends_nothing() -> None:
    stream = (WIRE / "workflow_run_invalid_stream_resp.txt").read_bytes()
    expected: Outcome[object] = Outcome([Unknown(name="invalid", raw="{}")], TRUNCATED)
    assert refused(stream + b"\n\n") == expected


def test_the_recorded_turn_of_a_chatflow_is_a_chats() -> None:
    stream = (WIRE / "workflows_chat_stream_resp.txt").read_bytes()
    found = assert_cut_anywhere(lambda: Comparable(ChatStreamDecoder()), stream, parts=by_characters)
    assert found == Outcome(
        [
            TurnStarted(chat_id=ChatId("id_1111"), conversation_id=ConversationId("conv_111111111")),
            delta("I", "id_2222"),
            delta("'m fine, thank you. How about you", "id_2222"),
            delta("?", "id_2222"),
            answer("I'm fine, thank you. How about you?", "id_2222"),
            Usage(input=21, output=11, total=32),
            TurnDone(),
        ]
    )


# Messages


def test_nodes_that_speak_at_once_are_kept_apart() -> None:
    stream = b"".join(
        [
            message("a", "A", node_execute_uuid="u1", node_type="Message"),
            message("b", "B", node_id=7),
            message("A", "A", is_last=True, node_execute_uuid="u1", node_type="Message"),
            message("B", "B", is_last=True, node_id=7),
            DONE,
        ]
    )
    assert told(stream) == [
        STARTED,
        step("A", "Message"),
        delta("a", "u1"),
        step("B"),
        delta("b", "7"),
        delta("A", "u1"),
        answer("aA", "u1"),
        delta("B", "7"),
        answer("bB", "7"),
        TurnDone(),
    ]


def test_a_node_that_speaks_again_begins_another_message() -> None:
    stream = message("one", "L", is_last=True, node_id="7") + message("two", "L", is_last=True, node_id="7") + DONE
    assert told(stream) == [
        STARTED,
        step("L"),
        delta("one", "7"),
        answer("one", "7"),
        step("L"),
        delta("two", "7-1"),
        answer("two", "7-1"),
        TurnDone(),
    ]


def test_what_is_open_at_the_end_is_complete_with_it() -> None:
    assert told(message("a") + DONE) == [STARTED, delta("a"), answer("a"), TurnDone()]
    assert told(message("a", "Q") + INTERRUPT)[-2:] == [
        answer("a"),
        asked("1/2", "question", node_title="Q", data="", question="a"),
    ]


def test_a_message_of_nothing_is_complete_too() -> None:
    assert told(message(None, is_last=True) + DONE) == [STARTED, answer(""), TurnDone()]


@pytest.mark.parametrize(
    ("fields", "usage"),
    [
        ({"token": 98}, [Usage(input=0, output=0, total=98)]),
        (
            {"token": 1, "usage": {"token_count": 9, "output_count": 4, "input_count": 5}},
            [Usage(input=5, output=4, total=9)],
        ),
        ({"token": 0}, []),
        ({"usage": {}}, []),
    ],
)
def test_the_tokens_stand_on_a_message(fields: dict[str, Any], usage: list[Usage]) -> None:
    assert told(message("a", is_last=True, **fields) + DONE) == [STARTED, delta("a"), *usage, answer("a"), TurnDone()]


# Ends


def test_a_question_is_the_end_whether_done_follows_or_not() -> None:
    expected = [STARTED, asked("1/2", "question", node_title="Q", data="")]
    assert told(INTERRUPT) == expected
    assert told(INTERRUPT + DONE) == expected
    assert fed(INTERRUPT).is_complete
    assert fed(INTERRUPT + DONE).strays == 0


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ("", {"data": ""}),
        ("Where to?", {"data": "Where to?", "question": "Where to?"}),
        ('[{"name":"city"}]', {"data": [{"name": "city"}]}),
        ({"a": [1]}, {"data": {"a": [1]}}),
        (None, {"data": None}),
    ],
)
def test_the_data_of_a_question_is_read_where_it_is_json(data: object, kept: dict[str, object]) -> None:
    stream = block("Interrupt", {"interrupt_data": {"event_id": "1", "type": 5, "data": data}, "node_title": "F"})
    assert told(stream)[-1] == asked("1", "input", node_title="F", **kept)


def test_studios_question_names_no_node_and_is_the_last_that_was_said() -> None:
    stream = message("Who?", "Q", is_last=True) + block("Interrupt", {"interrupt_data": {"event_id": 9, "type": 4}})
    assert told(stream)[-1] == asked("9", "type_4", node_title="", data=None, question="Who?")


def test_what_another_node_said_is_no_question() -> None:
    assert told(message("Hi", "A", is_last=True) + INTERRUPT)[-1] == asked("1/2", "question", node_title="Q", data="")


def test_the_parameters_that_a_question_wants_are_kept() -> None:
    stream = block("Interrupt", {"interrupt_data": {"event_id": "1", "type": 1, "required_parameters": {"a": 1}}})
    assert told(stream)[-1] == asked("1", "plugin", node_title="", data=None, required_parameters={"a": 1})


def test_an_address_for_the_owner_is_never_in_a_text() -> None:
    stream = message("a") + block("Error", {"error_code": 5000, "error_message": "no", "debug_url": "https://x"})
    assert told(stream) == [STARTED, delta("a"), failed(UpstreamFailed, "coze_5000", "Coze answered code 5000: no")]
    assert fed(stream).debug_url == "https://x"
    assert fed(block("Done", {"debug_url": "https://y"})).debug_url == "https://y"


@pytest.mark.parametrize(
    ("name", "data", "code", "said"),
    [
        ("Error", {"error_message": "no"}, "upstream_error", "The workflow failed: no"),
        ("Error", {"error_code": "5000"}, "coze_5000", "Coze answered code 5000."),
        ("error", "the reader failed", "upstream_error", "Coze reported an error: the reader failed"),
        ("error", {"code": "720701013", "msg": "no"}, "coze_720701013", "Coze answered code 720701013: no"),
    ],
)
def test_an_error_is_the_end(name: str, data: object, code: str, said: str) -> None:
    stream = block(name, data)
    assert told(stream) == [failed(UpstreamFailed, code, said)]
    assert not fed(stream).has_chat


def test_signs_of_life_are_counted_and_silent() -> None:
    stream = block("PING", {}) + message("a", is_last=True) + block("PING", "") + DONE
    assert told(stream) == [STARTED, delta("a"), answer("a"), TurnDone()]
    decoder = fed(stream)
    assert (decoder.beats, decoder.has_chat, decoder.chat_id, decoder.conversation_id) == (2, True, "", "")


def test_what_comes_after_the_end_counts_for_nothing() -> None:
    stream = DONE + message("late") + block("Error", {"error_code": 1}) + block("PING", {}) + b"event: Mess"
    assert told(stream) == [STARTED, TurnDone()]
    decoder = fed(stream)
    decoder.finish()
    assert decoder.strays == 3


@pytest.mark.parametrize("data", ["", "{}", '"[DONE]"', "[DONE]", '{"debug_url":null}'])
def test_an_end_is_one_whatever_it_holds(data: str) -> None:
    assert told(f"event: Done\ndata: {data}\n\n".encode()) == [STARTED, TurnDone()]


def test_an_end_without_its_blank_line_is_one_where_its_data_is_whole() -> None:
    assert told(b'event: Done\ndata: {"debug_url":"x"}') == [STARTED, TurnDone()]
    assert refused(b'event: Done\ndata: {"debug_url":"x"') == Outcome([], TRUNCATED)
    assert refused(b"event: Done") == Outcome([], TRUNCATED)


# Bounds and noise


@pytest.mark.parametrize("stream", [b"", message("a"), message("a", is_last=True), block("PING", {})])
def test_a_stream_that_just_stops_is_no_success(stream: bytes) -> None:
    assert refused(stream).refusal == TRUNCATED


@pytest.mark.parametrize("name", ["Message", "Interrupt", "Error"])
@pytest.mark.parametrize("data", ["no", "[]", '{"content":1,"interrupt_data":1,"error_code":[]}'])
def test_a_known_event_that_cannot_be_read_is_refused(name: str, data: str) -> None:
    assert refused(block(name, data)).refusal == UNREADABLE


def test_separators_of_lines_within_a_text_are_text() -> None:
    text = "a\u2028b\u0085c\u2029d"
    assert told(message(text, is_last=True) + DONE) == [STARTED, delta(text), answer(text), TurnDone()]


def test_one_event_and_the_whole_answer_are_bounded() -> None:
    with pytest.raises(UpstreamFailed, match="larger than 50"):
        WorkflowStreamDecoder(max_event_bytes=50).feed(message("x" * 50))
    with pytest.raises(UpstreamFailed, match="larger than 100 bytes"):
        WorkflowStreamDecoder(max_answer_bytes=100).feed(b":" * 101)


@PROPERTIES
@given(
    st.one_of(
        st.binary(max_size=40),
        bytes_near(
            b"id: 0\n", b"event: ", b"Message", b"Interrupt", b"Done", b"\ndata: ", b"{}", b'{"content":"a"}', b"\n\n"
        ),
    )
)
def test_whatever_comes_in_is_events_or_a_documented_error(stream: bytes) -> None:
    assert_refused_only_as(Comparable(WorkflowStreamDecoder()), [stream], TRUNCATED, UNREADABLE, TOO_LARGE)
