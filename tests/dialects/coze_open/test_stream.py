"""Longer than other files: it holds every form of a stream that the pages name, and each is cut everywhere."""

import copy
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import (
    PROPERTIES,
    Outcome,
    assert_cut_anywhere,
    assert_refused_only_as,
    by_characters,
    bytes_near,
    outcome,
)
from realcoze.dialects.coze_open.objects import Chat, Message
from realcoze.dialects.coze_open.stream import ChatStreamDecoder
from realcoze.domain.event import (
    ENDS,
    AnswerDone,
    AudioDelta,
    Event,
    InputRequested,
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
from realcoze.domain.fold import Fold, Reply
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.domain.tool import ToolCall
from realcoze.errors import Busy, RealcozeError, Truncated, UpstreamDenied, UpstreamFailed

WIRE = Path(__file__).parents[2] / "wire" / "coze_open"
M, N = MessageId("m"), MessageId("n")
STARTED = TurnStarted(chat_id=ChatId("c"), conversation_id=ConversationId("v"))
TRUNCATED = (Truncated, "upstream_truncated")
UNREADABLE = (UpstreamFailed, "upstream_protocol")
TOO_LARGE = (UpstreamFailed, "event_too_large")

CREATED, IN_PROGRESS = "conversation.chat.created", "conversation.chat.in_progress"
DELTA, MESSAGE, AUDIO = "conversation.message.delta", "conversation.message.completed", "conversation.audio.delta"
COMPLETED, FAILED = "conversation.chat.completed", "conversation.chat.failed"
REQUIRES_ACTION = "conversation.chat.requires_action"
DONE = b'event:done\ndata:"[DONE]"\n\n'


class Comparable:
    """A decoder whose failures are equal when they say the same."""

    def __init__(self, decoder: ChatStreamDecoder) -> None:
        self.decoder = decoder

    def feed(self, piece: bytes) -> list[object]:
        return [comparable(event) for event in self.decoder.feed(piece)]

    def finish(self) -> list[object]:
        return [comparable(event) for event in self.decoder.finish()]


def comparable(event: Event) -> object:
    return failed(type(event.error), event.error.code, event.error.message) if isinstance(event, TurnFailed) else event


def failed(kind: type[RealcozeError], code: str, message: str) -> tuple[object, ...]:
    return ("failed", kind, code, message)


def decoder() -> Comparable:
    return Comparable(ChatStreamDecoder())


def told(stream: bytes) -> list[object]:
    """What a stream holds, whole, cut in two at every byte, and byte by byte."""
    found = assert_cut_anywhere(decoder, stream, parts=by_characters)
    assert found.refusal is None
    return found.items


def refused(stream: bytes) -> Outcome[object]:
    return assert_cut_anywhere(decoder, stream, parts=by_characters)


def strays(stream: bytes) -> int:
    raw = ChatStreamDecoder()
    raw.feed(stream)
    raw.finish()
    return raw.strays


def folded(stream: bytes) -> Reply:
    raw, fold = ChatStreamDecoder(), Fold()
    for event in (*raw.feed(stream), *raw.finish()):
        fold.feed(event)
    return fold.finish()


def block(name: str, data: object) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event:{name}\ndata:{text}\n\n".encode(errors="surrogatepass")


def chat(name: str, **fields: object) -> bytes:
    return block(name, {"id": "c", "conversation_id": "v", **fields})


def message(name: str, content: str | None, **fields: object) -> bytes:
    """An answer with the id m, unless `fields` say otherwise."""
    usual = {"id": "m", "chat_id": "c", "role": "assistant", "type": "answer", "content_type": "text"}
    return block(name, {**usual, "content": content, **fields})


def turn(*blocks: bytes, end: bytes = DONE) -> bytes:
    return b"".join([chat(CREATED), *blocks, chat(COMPLETED), end])


def delta(text: str, message_id: MessageId = M) -> TextDelta:
    return TextDelta(message_id=message_id, text=text)


def answer(text: str, message_id: MessageId = M) -> AnswerDone:
    return AnswerDone(message_id=message_id, text=text)


HI = turn(message(DELTA, "H"), message(DELTA, "i"), message(MESSAGE, "Hi"))
HI_EVENTS = [STARTED, delta("H"), delta("i"), answer("Hi"), TurnDone()]


# Recorded


def test_the_recorded_turn_holds_an_answer_and_its_usage() -> None:
    answered = MessageId("7382159494123470858")
    assert told((WIRE / "chat_text_stream_resp.txt").read_bytes()) == [
        TurnStarted(chat_id=ChatId("7382159487131697202"), conversation_id=ConversationId("7381473525342978089")),
        delta("2", answered),
        delta("0", answered),
        delta("星期三", answered),
        delta("。", answered),
        TextReplaced(message_id=answered, text="2024 年 10 月 1 日是星期三。"),
        answer("2024 年 10 月 1 日是星期三。", answered),
        Usage(input=614, output=19, total=633),
        TurnDone(),
    ]


def test_the_recorded_failure_is_the_only_event() -> None:
    assert told((WIRE / "chat_failed_resp.txt").read_bytes()) == [
        failed(UpstreamFailed, "coze_5000", "Coze answered code 5000: event interval error")
    ]


def test_the_recorded_error_says_nothing() -> None:
    assert told((WIRE / "chat_error_resp.txt").read_bytes()) == [
        failed(UpstreamFailed, "upstream_error", "Coze reported an error.")
    ]


def test_the_recorded_unknown_event_is_kept_and_ends_nothing() -> None:
    expected: Outcome[object] = Outcome([], TRUNCATED)
    assert refused((WIRE / "chat_invalid_resp.txt").read_bytes()) == expected
    expected = Outcome([Unknown(name="invalid", raw="{}")], TRUNCATED)
    assert refused((WIRE / "chat_invalid_resp.txt").read_bytes() + b"\n\n") == expected


# The worked examples of openapi-v3.md §17


def example(kind: str, content: str, number: int, **fields: object) -> bytes:
    return block(
        MESSAGE,
        {
            "id": f"76000000000000000{number}",
            "conversation_id": "7600000000000000000",
            "bot_id": "7342866812345",
            "role": "assistant",
            "type": kind,
            "content": content,
            "content_type": "text",
            "chat_id": "7600000000000000001",
            **fields,
        },
    )


def test_example_17_1_a_plugin_turn_with_knowledge_reasoning_and_follow_ups() -> None:
    ids = {"id": "7600000000000000001", "conversation_id": "7600000000000000000"}
    answered = {"id": "7600000000000000013", "chat_id": ids["id"], "type": "answer", "content_type": "text"}
    call = (
        '{"name":"weather-get","arguments":{"city":"Paris"},"plugin_id":7281192623887548473,'
        '"api_id":7288907006982012986,"plugin_type":1}'
    )
    finish = (
        '{"msg_type":"generate_answer_finish","data":"{\\"finish_reason\\":0,\\"FinData\\":\\"\\"}","from_unit":null}'
    )
    whole = "It is 21 °C in Paris."
    stream = b"".join(
        [
            block(CREATED, {**ids, "last_error": {"code": 0, "msg": ""}, "status": "created"}),
            block(IN_PROGRESS, {**ids, "last_error": {"code": 0, "msg": ""}, "status": "in_progress"}),
            example("knowledge", "---\nrecall slice 1:Opening hours are 9–18.\n", 10),
            example("function_call", call, 11),
            example("tool_response", '{"temp":21}', 12),
            block(DELTA, {**answered, "content": "", "reasoning_content": "The user wants"}),
            block(DELTA, {**answered, "content": "It is 21 °C"}),
            block(DELTA, {**answered, "content": " in Paris.", "created_at": 1750000004}),
            block(MESSAGE, {**answered, "content": whole, "reasoning_content": "The user wants"}),
            example("verbose", finish, 14),
            example("follow_up", "And tomorrow?", 15),
            block(COMPLETED, {**ids, "usage": {"token_count": 633, "output_count": 19, "input_count": 614}}),
            DONE,
        ]
    )
    answered_id = MessageId("7600000000000000013")
    assert told(stream) == [
        TurnStarted(chat_id=ChatId(ids["id"]), conversation_id=ConversationId(ids["conversation_id"])),
        Step(kind="recall", title="", body="---\nrecall slice 1:Opening hours are 9–18.\n"),
        Step(kind="call", title="weather-get", body='{"city":"Paris"}'),
        Step(kind="result", title="weather-get", body='{"temp":21}'),
        ReasoningDelta(message_id=answered_id, text="The user wants"),
        delta("It is 21 °C", answered_id),
        delta(" in Paris.", answered_id),
        answer(whole, answered_id),
        Suggestion(text="And tomorrow?"),
        Usage(input=614, output=19, total=633),
        TurnDone(),
    ]


@pytest.mark.parametrize("name", [REQUIRES_ACTION, "conversation.chat.required_action"])
def test_example_17_2_the_bot_waits_for_a_tool(name: str) -> None:
    """CLIENTS §5 item 9."""
    call = {"id": "BUJJ", "type": "function", "function": {"name": "screenshot", "arguments": '{"area":"full"}'}}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    stream = chat(CREATED) + chat(name, status="requires_action", required_action=action) + DONE
    assert told(stream) == [
        STARTED,
        ToolCallsRequested(calls=(ToolCall(call_id="BUJJ", name="screenshot", arguments='{"area":"full"}'),)),
    ]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"code": 4016, "msg": "busy"}, failed(Busy, "conversation_busy", "Coze answered code 4016: busy")),
        ({"code": "4100", "msg": "no"}, failed(UpstreamDenied, "upstream_auth", "Coze answered code 4100: no")),
        ({"code": 4013, "msg": "model"}, failed(UpstreamFailed, "coze_4013", "Coze answered code 4013: model")),
        ({}, failed(UpstreamFailed, "upstream_error", "Coze reported an error.")),
        ("", failed(UpstreamFailed, "upstream_error", "Coze reported an error.")),
        ("broken pipe", failed(UpstreamFailed, "upstream_error", "Coze reported an error: broken pipe")),
    ],
)
def test_example_17_3_an_error_within_the_stream_ends_it(data: object, error: object) -> None:
    assert told(block("error", data)) == [error]
    assert told(chat(CREATED) + message(DELTA, "H") + block("error", data) + DONE) == [STARTED, delta("H"), error]


# Coze Studio, studio-web.md §5.3


STUDIO_END = b"event:conversation.stream.done\ndata:\n\n"


def studio(name: str, status: str) -> bytes:
    times = {"created_at": 1, "completed_at": 0, "failed_at": 0}
    return chat(name, bot_id="734", section_id="v", status=status, **times)


def test_studio_ends_its_stream_in_a_way_of_its_own() -> None:
    """CLIENTS §5 item 2."""
    called = '{"id":"call_1","type":"function","function":{"name":"add","arguments":"{}"}}'
    finish = (
        '{"msg_type":"generate_answer_finish","data":"{\\"finish_reason\\":0,\\"fin_data\\":\\"\\"}","from_unit":""}'
    )
    stream = b"".join(
        [
            studio(CREATED, "created"),
            studio(IN_PROGRESS, "in_progress"),
            message(MESSAGE, called, id="1", type="function_call"),
            message(MESSAGE, "3", id="2", type="tool_response"),
            message(DELTA, "", reasoning_content="hm", meta_data={"bot_state": "{}"}),
            message(DELTA, "Hi"),
            message(MESSAGE, "Hi", reasoning_content="hm"),
            message(MESSAGE, finish, id="3", type="verbose"),
            studio(COMPLETED, "completed"),
            STUDIO_END,
        ]
    )
    assert told(stream) == [
        STARTED,
        Step(kind="call", title="add", body="{}"),
        Step(kind="result", title="add", body="3"),
        ReasoningDelta(message_id=M, text="hm"),
        delta("Hi"),
        answer("Hi"),
        TurnDone(),
    ]


def test_studio_says_completed_even_after_an_error_and_is_not_believed() -> None:
    failure = block("error", {"code": 103200002, "msg": "internal server error"})
    stream = studio(CREATED, "created") + message(DELTA, "H") + failure + studio(COMPLETED, "completed") + STUDIO_END
    error = failed(UpstreamFailed, "coze_103200002", "Coze answered code 103200002: internal server error")
    assert told(stream) == [STARTED, delta("H"), error]
    assert strays(stream) == 2


def test_studio_may_send_an_error_and_nothing_else() -> None:
    error = failed(UpstreamFailed, "coze_103100001", "Coze answered code 103100001: agent run error")
    assert told(block("error", {"code": 103100001, "msg": "agent run error"})) == [error]


# Framing


def framed(stream: bytes, how: str) -> bytes:
    return {
        "a space after the colons": stream.replace(b"event:", b"event: ").replace(b"data:", b"data: "),
        "CR LF": stream.replace(b"\n", b"\r\n"),
        "CR": stream.replace(b"\n", b"\r"),
        "a byte order mark": b"\xef\xbb\xbf" + stream,
        "comments": b": hello\n\n" + stream.replace(b"\n\n", b"\n\n: keepalive\n\n"),
        "ids and retry": stream.replace(b"event:", b"id: 7\nretry: 10\nevent:"),
        "data over several lines": stream.replace(b',"', b',\ndata:"'),
        "data before event": b"".join(
            b"\n".join(reversed(each.split(b"\n"))) + b"\n\n" for each in stream.split(b"\n\n") if each
        ),
        "no done": stream.removesuffix(DONE),
        "the marker as the documentation prints it": stream.replace(b'data:"[DONE]"', b"data: [DONE]"),
        "the marker without an event": stream.replace(b'event:done\ndata:"[DONE]"', b"data:[DONE]"),
        "the marker with an object": stream.replace(b'"[DONE]"', b'{"debug_url":"https://www.coze.cn/work_flow"}'),
        "the marker without data": stream.replace(b'data:"[DONE]"\n', b""),
        "no blank line at the end": stream.removesuffix(b"\n\n"),
        "the bare marker without a blank line": stream.removesuffix(DONE) + b"data:[DONE]",
        "pings": b"event:ping\ndata:\n\n" + stream.replace(b"\n\n", b"\n\nevent:PING\ndata:{}\n\n"),
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "a space after the colons",
        "CR LF",
        "CR",
        "a byte order mark",
        "comments",
        "ids and retry",
        "data over several lines",
        "data before event",
        "no done",
        "the marker as the documentation prints it",
        "the marker without an event",
        "the marker with an object",
        "the marker without data",
        "no blank line at the end",
        "the bare marker without a blank line",
        "pings",
    ],
)
def test_a_turn_is_the_same_in_every_framing(how: str) -> None:
    """CLIENTS §4.2 rule 7.  CLIENTS §5 item 2."""
    stream = framed(HI, how)
    assert stream != HI
    assert told(stream) == HI_EVENTS


def test_the_turn_is_held_back_until_the_end_of_the_stream_because_sound_may_follow() -> None:
    raw = ChatStreamDecoder()
    before = raw.is_complete
    raw.feed(HI.removesuffix(DONE))
    assert (before, raw.is_complete) == (False, True)
    assert raw.feed(DONE) == [TurnDone()]
    assert raw.finish() == []
    assert (raw.chat_id, raw.conversation_id, raw.strays) == ("c", "v", 0)


@pytest.mark.parametrize(
    "kept",
    [b"", chat(CREATED), chat(CREATED) + message(DELTA, "H"), HI.partition(b"event:conversation.chat.completed")[0]],
)
def test_a_stream_that_just_stops_is_truncated(kept: bytes) -> None:
    assert refused(kept).refusal == TRUNCATED


def test_a_turn_cut_anywhere_before_its_end_is_truncated_and_anywhere_after_it_whole() -> None:
    end = HI.index(DONE) - len(b"\n\n")
    for at in range(len(HI)):
        found = outcome(decoder(), [HI[:at]])
        assert found.refusal == (None if at >= end else TRUNCATED)
        assert at < end or by_characters(found.items) == HI_EVENTS


@pytest.mark.parametrize("tail", [b"event:do", b"data:[DO", b'event:conversation.audio.delta\ndata:{"con', b": bye"])
def test_a_piece_of_an_event_after_the_turns_end_takes_nothing_back(tail: bytes) -> None:
    assert told(HI.removesuffix(DONE) + tail) == HI_EVENTS
    assert told(HI + tail) == HI_EVENTS


def test_a_piece_of_an_event_after_a_failure_does_not_fail_twice() -> None:
    error = failed(Busy, "conversation_busy", "Coze answered code 4016.")
    assert told(block("error", {"code": 4016}) + b'event:conversation.chat.completed\ndata:{"id":') == [error]


# Order


def test_a_marker_before_the_turns_end_means_nothing_yet() -> None:
    stream = chat(CREATED) + message(MESSAGE, "Hi") + DONE
    assert refused(stream) == Outcome([STARTED, delta("Hi"), answer("Hi")], TRUNCATED)
    assert told(stream + chat(COMPLETED)) == [STARTED, delta("Hi"), answer("Hi"), TurnDone()]
    assert strays(stream + chat(COMPLETED) + DONE) == 1


@pytest.mark.parametrize(
    ("stray", "count"),
    [
        (message(MESSAGE, "Hi"), 1),
        (message(DELTA, "late"), 1),
        (message(DELTA, "late") * 3, 3),
        (message(MESSAGE, "Ho"), 1),
        (message(DELTA, "x", chat_id="other"), 1),
        (message(MESSAGE, "x", id="other", chat_id="other"), 1),
        (block(AUDIO, {"chat_id": "other", "content": "AA=="}), 1),
        (block(COMPLETED, {"id": "other"}), 1),
        (block(FAILED, {"id": "other"}), 1),
    ],
)
def test_what_is_out_of_place_is_dropped_and_counted(stray: bytes, count: int) -> None:
    stream = turn(message(DELTA, "H"), message(DELTA, "i"), message(MESSAGE, "Hi"), stray)
    assert told(stream) == HI_EVENTS
    assert strays(stream) == count


@pytest.mark.parametrize(
    "stray",
    [
        chat(COMPLETED, usage={"token_count": 3}),
        chat(FAILED),
        chat("conversation.chat.canceled"),
        chat(REQUIRES_ACTION),
        block("error", {"code": 5000}),
        message(DELTA, "late", id="n"),
        message(MESSAGE, "late", id="n"),
    ],
)
def test_the_first_end_of_a_turn_counts(stray: bytes) -> None:
    stream = HI.removesuffix(DONE) + stray
    assert told(stream + DONE) == HI_EVENTS
    assert told(HI + stray) == HI_EVENTS
    assert (strays(stream + DONE), strays(HI + stray)) == (1, 1)


@pytest.mark.parametrize("kind", ["follow_up", "function_call", "knowledge", "brand_new"])
def test_a_message_that_comes_twice_is_told_once(kind: str) -> None:
    once = message(MESSAGE, "words", type=kind)
    assert told(turn(once * 3)) == told(turn(once))
    assert strays(turn(once * 3)) == 2


def test_messages_of_two_types_may_share_an_id() -> None:
    call, result = (message(MESSAGE, "x", type=kind) for kind in ("function_call", "tool_response"))
    assert told(turn(call, result, message(DELTA, "Hi"), message(MESSAGE, "Hi"))) == [
        STARTED,
        Step(kind="call", title="", body="x"),
        Step(kind="result", title="", body="x"),
        delta("Hi"),
        answer("Hi"),
        TurnDone(),
    ]


def test_the_turn_starts_once() -> None:
    assert told(turn(chat(IN_PROGRESS), chat(CREATED), chat(IN_PROGRESS))) == [STARTED, TurnDone()]
    assert told(chat(IN_PROGRESS) + chat(COMPLETED)) == [STARTED, TurnDone()]


def test_a_turn_needs_no_start() -> None:
    assert told(message(MESSAGE, "Hi") + chat(COMPLETED)) == [delta("Hi"), answer("Hi"), TurnDone()]


def test_an_id_that_comes_late_is_known_for_a_cancel() -> None:
    raw = ChatStreamDecoder()
    nobody = TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId(""))
    assert raw.feed(block(CREATED, {}) + chat(IN_PROGRESS)) == [nobody]
    assert (raw.chat_id, raw.conversation_id) == ("c", "v")


# Answers


def test_the_completed_text_goes_on_from_the_deltas() -> None:
    assert told(turn(message(DELTA, "H"), message(MESSAGE, "Hi!")))[1:-1] == [delta("H"), delta("i!"), answer("Hi!")]


def test_an_answer_without_deltas_comes_at_once() -> None:
    assert told(turn(message(MESSAGE, "Hi")))[1:-1] == [delta("Hi"), answer("Hi")]


def test_a_completed_text_that_is_another_replaces_the_deltas() -> None:
    assert told(turn(message(DELTA, "Ho"), message(MESSAGE, "Hi")))[1:-1] == [
        delta("Ho"),
        TextReplaced(message_id=M, text="Hi"),
        answer("Hi"),
    ]


@pytest.mark.parametrize("content", ["", None])
def test_a_completed_answer_without_text_has_that_of_its_deltas(content: str | None) -> None:
    assert told(turn(message(DELTA, "Hi"), message(MESSAGE, content)))[1:-1] == [delta("Hi"), answer("Hi")]
    assert told(turn(message(MESSAGE, content)))[1:-1] == [answer("")]


def test_an_answer_that_is_never_completed_is_its_deltas() -> None:
    assert folded(turn(message(DELTA, "H"), message(DELTA, "i"))).text == "Hi"


def test_several_answers_stand_a_blank_line_apart() -> None:
    stream = turn(
        message(DELTA, "On"),
        message(DELTA, "Tw", id="n"),
        message(MESSAGE, "One"),
        message(MESSAGE, "Two", id="n"),
    )
    assert told(stream)[1:-1] == [
        delta("On"),
        delta("Tw", N),
        delta("e"),
        answer("One"),
        delta("o", N),
        answer("Two", N),
    ]
    assert folded(stream).text == "One\n\nTwo"


def test_answers_without_ids_are_told_apart_by_their_ends() -> None:
    one = message(DELTA, "On", id=None) + message(MESSAGE, "One", id=None)
    two = message(DELTA, "Tw", id="") + message(MESSAGE, "Two", id="")
    assert folded(turn(one, two)).text == "One\n\nTwo"


def test_follow_ups_come_after_the_finish_and_before_the_end() -> None:
    finish = message(MESSAGE, '{"msg_type":"generate_answer_finish","data":""}', id="f", type="verbose")
    asked = [message(MESSAGE, text, id=text, type="follow_up") for text in ("Why?", "How?")]
    assert told(turn(message(MESSAGE, "Hi"), finish, *asked)) == [
        STARTED,
        delta("Hi"),
        answer("Hi"),
        Suggestion(text="Why?"),
        Suggestion(text="How?"),
        TurnDone(),
    ]


def test_a_turn_without_an_answer_is_a_success_with_its_usage() -> None:
    finish = message(MESSAGE, '{"msg_type":"generate_answer_finish","data":""}', id="f", type="verbose")
    usage = {"token_count": 3, "output_count": 0, "input_count": 3}
    stream = chat(CREATED) + finish + message(MESSAGE, "Why?", id="w", type="follow_up") + chat(COMPLETED, usage=usage)
    assert folded(stream + DONE) == Reply(
        text="",
        suggestions=("Why?",),
        usage=Usage(input=3, output=0, total=3),
        chat_id=ChatId("c"),
        conversation_id=ConversationId("v"),
    )


@pytest.mark.parametrize(
    ("thoughts", "whole", "expected"),
    [
        (["h", "m"], "hm", ["h", "m"]),
        (["h"], "hm", ["h", "m"]),
        ([], "hm", ["hm"]),
        (["h"], None, ["h"]),
        (["h"], "", ["h"]),
        (["h"], "other thoughts", ["h"]),
    ],
)
def test_reasoning_is_told_once(thoughts: Sequence[str], whole: str | None, expected: Sequence[str]) -> None:
    deltas = [message(DELTA, "", reasoning_content=thought) for thought in thoughts]
    assert told(turn(*deltas, message(MESSAGE, "Hi", reasoning_content=whole)))[1:-1] == [
        *(ReasoningDelta(message_id=M, text=thought) for thought in expected),
        delta("Hi"),
        answer("Hi"),
    ]


def test_one_delta_may_hold_thought_and_text() -> None:
    both = message(DELTA, "Hi", reasoning_content="hm")
    assert told(turn(both))[1:-1] == [ReasoningDelta(message_id=M, text="hm"), delta("Hi")]


def test_a_card_is_a_step_and_its_json_never_text() -> None:
    card = '{"card_type":3,"template_url":"https://example.com","response_type":"card"}'
    pieces = message(DELTA, '{"card', content_type="card"), message(MESSAGE, card, content_type="card")
    assert told(turn(*pieces))[1:-1] == [Step(kind="other", title="card", body=card)]
    assert told(turn(message(MESSAGE, None, content_type="card")))[1:-1] == [Step(kind="other", title="card", body="")]


def test_an_answer_of_several_parts_is_text_with_links() -> None:
    parts = json.dumps([{"type": "text", "text": "See"}, {"type": "image", "file_url": "https://example.com/a.png"}])
    pieces = (
        message(DELTA, '[{"type', content_type="object_string"),
        message(MESSAGE, parts, content_type="object_string"),
    )
    assert told(turn(*pieces))[1:-1] == [
        delta("See\n\n![](https://example.com/a.png)"),
        answer("See\n\n![](https://example.com/a.png)"),
    ]


@pytest.mark.parametrize("place", ["before", "after"])
def test_sound_may_come_before_the_turns_end_and_after_it(place: str) -> None:
    sound = block(AUDIO, {"id": "a", "chat_id": "c", "content_type": "audio", "content": "AP8="}) * 2
    words = message(MESSAGE, "Hi") + message(MESSAGE, None, id="a", content_type="audio")
    end = chat(COMPLETED)
    stream = chat(CREATED) + words + (sound + end if place == "before" else end + sound) + DONE
    heard = [AudioDelta(audio=b"\0\xff", format="pcm")] * 2
    assert told(stream) == [STARTED, delta("Hi"), answer("Hi"), *heard, TurnDone()]


def test_sound_without_content_is_silence() -> None:
    assert told(turn(block(AUDIO, {"content": None})))[1:-1] == [AudioDelta(audio=b"", format="pcm")]


@pytest.mark.parametrize("content", ["A", "AAA", "!!!!", "声音", "AP8=\n"])
def test_sound_that_is_no_base64_is_refused(content: str) -> None:
    assert refused(turn(block(AUDIO, {"content": content}))).refusal == UNREADABLE


def test_a_question_and_deltas_of_other_messages_are_no_answer() -> None:
    assert told(turn(message(MESSAGE, "Hi?", type="question"), message(DELTA, "{", type="function_call"))) == [
        STARTED,
        TurnDone(),
    ]


@pytest.mark.parametrize("kind", [None, "", "answer"])
@pytest.mark.parametrize("content_type", [None, "", "text"])
def test_a_message_without_a_type_is_an_answer_of_text(kind: str | None, content_type: str | None) -> None:
    pieces = (message(name, "Hi", type=kind, content_type=content_type) for name in (DELTA, MESSAGE))
    assert told(turn(*pieces))[1:-1] == [delta("Hi"), answer("Hi")]


# Ends


@pytest.mark.parametrize(
    ("end", "message_of_it"),
    [
        (chat(FAILED, status="failed", last_error={"code": 5000, "msg": "x"}), "Coze answered code 5000: x"),
        (block(FAILED, {"code": 701231, "msg": "error"}), "Coze answered code 701231: error"),
        (chat(FAILED), "Coze says that the chat failed."),
        (block(FAILED, {}), "Coze says that the chat failed."),
        (chat(COMPLETED, status="failed", last_error={"code": 5000, "msg": "x"}), "Coze answered code 5000: x"),
    ],
)
def test_a_failed_chat_ends_the_turn_with_or_without_a_marker(end: bytes, message_of_it: str) -> None:
    """CLIENTS §5 item 8."""
    for stream in (chat(CREATED) + end, chat(CREATED) + end + DONE):
        found = told(stream)
        assert found[0] == STARTED
        assert [*found[1:]] == [failed(UpstreamFailed, _code_in(message_of_it), message_of_it)]


def _code_in(text: str) -> str:
    return f"coze_{text.split()[3].strip(':')}" if "code" in text else "upstream_error"


@pytest.mark.parametrize("status", ["canceled", "cancelled", "expired", "deleted"])
def test_a_stopped_chat_is_truncated_in_all_spellings(status: str) -> None:
    error = failed(Truncated, "upstream_truncated", f"Coze ended the chat as {status!r} before it was complete.")
    for end in (chat(f"conversation.chat.{status}"), chat(COMPLETED, status=status)):
        assert told(chat(CREATED) + message(DELTA, "H") + end + DONE) == [STARTED, delta("H"), error]


@pytest.mark.parametrize("status", [None, "", "completed", "brand_new"])
def test_a_completed_chat_is_a_success_whatever_new_status_it_has(status: str | None) -> None:
    assert told(chat(CREATED) + chat(COMPLETED, status=status)) == [STARTED, TurnDone()]


# What cannot be read, and what need not be


@pytest.mark.parametrize("name", [CREATED, IN_PROGRESS, COMPLETED, FAILED, REQUIRES_ACTION, DELTA, MESSAGE, AUDIO])
@pytest.mark.parametrize("data", ["", "{", "[]", "null", '"text"', '{"id":{}}', '{"id":1.5}', "[" * 2000])
def test_a_known_event_that_cannot_be_read_is_not_skipped(name: str, data: str) -> None:
    assert outcome(decoder(), [chat(CREATED) + block(name, data) + HI]).refusal == UNREADABLE


def test_malformed_json_in_the_middle_names_the_event_and_never_quotes_it() -> None:
    raw = ChatStreamDecoder()
    with pytest.raises(UpstreamFailed, match=r"An event conversation.message.delta cannot be read") as caught:
        raw.feed(chat(CREATED) + block(DELTA, '{"content":"my secret"'))
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("stray", "expected"),
    [
        (block("brand.new", {"a": 1}), Unknown(name="brand.new", raw='{"a":1}')),
        (block("conversation.chat.brand_new", "no JSON"), Unknown(name="conversation.chat.brand_new", raw="no JSON")),
        (b"data:hello\n\n", Unknown(name="", raw="hello")),
        (block("x" * 200, "y" * 5000), Unknown(name="x" * 100, raw="y" * 2000)),
    ],
)
def test_an_event_that_is_not_known_is_kept_and_the_stream_goes_on(stray: bytes, expected: Unknown) -> None:
    assert outcome(decoder(), [turn(stray)]) == Outcome([STARTED, expected, TurnDone()])


def test_a_message_of_a_type_that_is_not_known_is_kept() -> None:
    [_, kept, _] = told(turn(message(MESSAGE, "x", type="t" * 200)))
    assert isinstance(kept, Unknown)
    assert kept.name == "message." + "t" * 90
    assert json.loads(kept.raw)["content"] == "x"


def test_ids_may_be_numbers() -> None:
    number = 7382159487131697202
    ids = {"id": number, "conversation_id": number + 1}
    stream = b"".join(
        [
            block(CREATED, ids),
            message(DELTA, "H", id=number + 2, chat_id=number),
            message(DELTA, "x", id=number + 2, chat_id=number + 9),
            message(MESSAGE, "Hi", id=str(number + 2), chat_id=str(number)),
            block(COMPLETED, ids),
        ]
    )
    answered = MessageId("7382159487131697204")
    assert told(stream) == [
        TurnStarted(chat_id=ChatId("7382159487131697202"), conversation_id=ConversationId("7382159487131697203")),
        delta("H", answered),
        delta("i", answered),
        answer("Hi", answered),
        TurnDone(),
    ]


def test_null_may_stand_everywhere() -> None:
    def nulls(**fields: object) -> Mapping[str, object]:
        names = (
            "id chat_id conversation_id bot_id section_id role type content content_type reasoning_content meta_data "
            "created_at updated_at completed_at failed_at status last_error usage required_action code msg"
        )
        return {**dict.fromkeys(names.split()), **fields}

    nobody = MessageId("answer-0")
    stream = b"".join(
        [
            block(CREATED, nulls()),
            block(IN_PROGRESS, nulls()),
            block(MESSAGE, nulls(type="knowledge")),
            block(MESSAGE, nulls(type="function_call")),
            block(MESSAGE, nulls(type="tool_response")),
            block(MESSAGE, nulls(type="verbose")),
            block(DELTA, nulls()),
            block(DELTA, nulls(content="Hi")),
            block(AUDIO, nulls()),
            block(MESSAGE, nulls(content="Hi")),
            block(MESSAGE, nulls(type="follow_up")),
            block(MESSAGE, nulls(type="follow_up", content="Why?")),
            block(COMPLETED, nulls()),
        ]
    )
    assert told(stream) == [
        TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId("")),
        Step(kind="recall", title="", body=""),
        Step(kind="call", title="", body=""),
        Step(kind="result", title="", body=""),
        Unknown(name="verbose", raw=""),
        delta("Hi", nobody),
        AudioDelta(audio=b"", format="pcm"),
        answer("Hi", nobody),
        Suggestion(text=""),
        Suggestion(text="Why?"),
        TurnDone(),
    ]
    assert strays(stream) == 0


# Text


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (b"a\xffb", "a\ufffdb"),
        (b"\xf0\x9f\x91", "\ufffd"),
        (rb"\ud83d", "\ufffd"),
        (rb"\udc4b!", "\ufffd!"),
        (rb"\ud83d\udc4b", "👋"),
        (b"\xed\xa0\xbd", "\ufffd\ufffd\ufffd"),
        ("\u2028\u2029\x85".encode(), "\u2028\u2029\x85"),
        (rb"\u2028\u0000\u000b\u001c", "\u2028\0\x0b\x1c"),
        (rb"\u0026 \n \r\n", "& \n \r\n"),
        ("你好 👋🏽".encode(), "你好 👋🏽"),
    ],
)
def test_text_is_kept_and_only_what_is_none_replaced(wire: bytes, text: str) -> None:
    stream = turn(b'event:%b\ndata:{"id":"m","content":"%b"}\n\n' % (DELTA.encode(), wire))
    assert told(stream)[1:-1] == [delta(text)]


# Limits


def test_an_event_of_8_mib_is_read_and_a_larger_one_refused() -> None:
    """CLIENTS §4.2 rule 7.  CLIENTS §5 item 3."""
    text = "x" * (8 * 1024 * 1024 - 1000)
    assert folded(turn(message(MESSAGE, text))).text == text
    assert outcome(decoder(), [turn(message(MESSAGE, text + "x" * 1001))]).refusal == TOO_LARGE
    endless = Comparable(ChatStreamDecoder())
    assert outcome(endless, [b"data:", *([b"x" * 65536] * 200)]).refusal == TOO_LARGE


def test_the_event_bound_is_a_setting() -> None:
    def small() -> Comparable:
        return Comparable(ChatStreamDecoder(max_event_bytes=400))

    assert assert_cut_anywhere(small, HI, parts=by_characters) == Outcome(HI_EVENTS)
    assert assert_cut_anywhere(small, turn(message(DELTA, "x" * 400)), parts=by_characters).refusal == TOO_LARGE


def test_an_answer_of_its_bound_is_read_and_one_byte_more_refused() -> None:
    for room, refusal in ((len(HI), None), (len(HI) - 1, TOO_LARGE)):
        small = partial(ChatStreamDecoder, max_answer_bytes=room)
        assert assert_cut_anywhere(small, HI, parts=by_characters).refusal == refusal


def test_many_tiny_events_in_one_piece_are_read() -> None:
    stream = turn(message(DELTA, "x") * 20_000)
    assert folded(stream).text == "x" * 20_000


# Any bytes


ids: st.SearchStrategy[Any] = st.sampled_from([None, "", "c", "m", "n", 7])
contents = st.sampled_from(
    [None, "", "H", "Hi", "{}", "[]", '{"msg_type":"knowledge_recall"}', '[{"type":"text"}]', "AP8="]
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "id": ids,
        "chat_id": ids,
        "type": st.sampled_from([None, "answer", "question", "verbose", "function_call", "tool_response", "follow_up"]),
        "content": contents,
        "reasoning_content": contents,
        "content_type": st.sampled_from([None, "text", "card", "audio", "object_string"]),
        "status": st.sampled_from([None, "completed", "failed", "canceled"]),
        "code": st.sampled_from([None, 0, 4016, "5000", "x"]),
        "last_error": st.sampled_from([None, {"code": 4016}]),
        "usage": st.sampled_from([None, {"token_count": 3}]),
        "required_action": st.sampled_from([None, {"submit_tool_outputs": {"tool_calls": [{"id": "t"}]}}]),
    },
)
names = st.sampled_from(
    [
        *(CREATED, IN_PROGRESS, DELTA, DELTA, MESSAGE, MESSAGE, MESSAGE, AUDIO, COMPLETED, REQUIRES_ACTION),
        *(FAILED, "conversation.chat.expired", "error", "done", "conversation.stream.done", "ping", "", "new"),
    ]
)
streams = st.lists(st.builds(block, names, bodies), max_size=10).map(b"".join)


@PROPERTIES
@given(streams)
def test_any_order_of_events_ends_at_most_once_and_says_nothing_after(stream: bytes) -> None:
    found = assert_refused_only_as(ChatStreamDecoder(), [stream], TRUNCATED, UNREADABLE)
    ends = [at for at, event in enumerate(found.items) if isinstance(event, ENDS)]
    assert ends == ([len(found.items) - 1] if found.refusal is None else [])
    assert sum(isinstance(event, TurnStarted) for event in found.items) <= 1


@PROPERTIES
@given(streams)
def test_the_text_of_a_complete_answer_is_what_its_pieces_made(stream: bytes) -> None:
    made: dict[MessageId, str] = {}
    for event in outcome(ChatStreamDecoder(), [stream]).items:
        if isinstance(event, TextDelta):
            made[event.message_id] = made.get(event.message_id, "") + event.text
        elif isinstance(event, TextReplaced):
            made[event.message_id] = event.text
        elif isinstance(event, AnswerDone):
            assert made.get(event.message_id, "") == event.text


@PROPERTIES
@given(streams, st.integers(min_value=0, max_value=40))
def test_a_stream_is_the_same_however_it_is_cut(stream: bytes, lost: int) -> None:
    """CLIENTS §4.2 rule 7.  CLIENTS §5 item 1."""
    assert_cut_anywhere(decoder, stream[: len(stream) - lost], parts=by_characters)


@pytest.mark.parametrize(("more", "is_read"), [(10, True), (300, False)])
def test_a_delta_that_comes_alone_is_bounded_like_any_other(more: int, *, is_read: bool) -> None:
    """RELIABILITY U17."""
    made = ChatStreamDecoder(max_event_bytes=len(message(DELTA, "Hi")) + 10)
    made.feed(message(DELTA, "Hi"))
    longer = message(DELTA, "Hi" + "!" * more)
    with nullcontext() if is_read else pytest.raises(UpstreamFailed, match="larger than"):
        assert [event.text for event in made.feed(longer) if isinstance(event, TextDelta)] == ["Hi" + "!" * more]


@PROPERTIES
@given(
    bytes_near(
        *(b"event:", b"data:", b"\n", b"\n\n", b"\r\n", b"error", b"done", DELTA.encode(), MESSAGE.encode()),
        *(COMPLETED.encode(), b'{"content":"', b'"}', b"{}", b"[DONE]", rb"\ud83d", b"\xff", b": ", AUDIO.encode()),
    )
)
def test_any_bytes_give_events_or_one_documented_error(stream: bytes) -> None:
    assert_cut_anywhere(lambda: Comparable(ChatStreamDecoder(max_event_bytes=200)), stream)
    assert_refused_only_as(ChatStreamDecoder(max_event_bytes=200), [stream], TRUNCATED, UNREADABLE, TOO_LARGE)


KEPT_CHAT = json.dumps({"id": "c", "conversation_id": "v", "status": "completed", "usage": {"token_count": 3}}).encode()
THOUGHT = "Let me see."
FIRST, SECOND = "It is 21 °C in Paris.", "Take a book."


def kept(kind: str, content: str, name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "chat_id": "c", "type": kind, "content": content, "content_type": "text", **more}


KEPT = [
    kept("function_call", '{"name":"weather","arguments":{}}', "s1"),
    kept("tool_response", '{"temp":21}', "s2"),
    kept("answer", FIRST, "m", reasoning_content=THOUGHT),
    kept("answer", SECOND, "n"),
    kept("verbose", '{"msg_type":"generate_answer_finish","data":"{}"}', "s3"),
    kept("follow_up", "And tomorrow?", "f1"),
    kept("follow_up", "And in Rome?", "f2"),
]
RICH = b"".join(
    [
        chat(CREATED),
        chat(IN_PROGRESS),
        *(message(MESSAGE, each["content"], type=each["type"], id=each["id"]) for each in KEPT[:2]),
        message(DELTA, "", reasoning_content="Let me "),
        message(DELTA, "", reasoning_content="see."),
        *(message(DELTA, word) for word in ("It is ", "21 °C ", "in ", "Paris.")),
        message(MESSAGE, FIRST, reasoning_content=THOUGHT),
        *(message(DELTA, word, id="n") for word in ("Take ", "a ", "book.")),
        message(MESSAGE, SECOND, id="n"),
        *(message(MESSAGE, each["content"], type=each["type"], id=each["id"]) for each in KEPT[4:]),
        chat(COMPLETED, status="completed", usage={"token_count": 3}),
        DONE,
    ]
)


def recovered_from(piece: bytes, kept_messages: Sequence[Mapping[str, Any]] = KEPT) -> list[Event]:
    """The events of a stream of which only a piece came, and of what Coze has kept."""
    decoder = ChatStreamDecoder()
    events = decoder.feed(piece)
    try:
        events += decoder.finish()
    except Truncated:
        told = msgspec.json.decode(json.dumps(kept_messages), type=list[Message])
        events += decoder.recover(msgspec.json.decode(KEPT_CHAT, type=Chat), told)
    return events


def summed(events: Sequence[Event]) -> Reply:
    fold = Fold()
    for event in events:
        fold.feed(event)
    return fold.finish()


def text_of_deltas(events: Sequence[Event]) -> str:
    """What a caller that can only append has got."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_a_stream_that_breaks_off_anywhere_is_ended_with_what_coze_has_kept_and_nothing_comes_twice() -> None:
    whole = ChatStreamDecoder().feed(RICH)
    begun = RICH.index(b"\n\n") + 2
    for at in range(begun, len(RICH)):
        events = recovered_from(RICH[:at])
        assert text_of_deltas(events) == FIRST + SECOND, RICH[:at][-80:]
        assert summed(events) == summed(whole), RICH[:at][-80:]


def test_an_answer_that_is_kept_under_another_id_is_the_same_answer() -> None:
    at = RICH.index(b"in ")
    renamed = [{**each, "id": f"kept-{each['id']}"} for each in KEPT[2:]]
    events = recovered_from(RICH[:at], renamed)
    assert text_of_deltas(events) == FIRST + SECOND
    assert summed(events).reasoning == THOUGHT


@pytest.mark.parametrize(("begun", "thought", "left"), [("", "Let me ", "How are you?"), ("H", "", "ow are you?")])
def test_an_answer_that_was_told_whole_is_never_taken_for_the_one_that_broke_off(
    begun: str, thought: str, left: str
) -> None:
    decoder = ChatStreamDecoder()
    decoder.feed(chat(CREATED) + message(DELTA, "Hello there.") + message(MESSAGE, "Hello there."))
    decoder.feed(message(DELTA, begun, id="n", reasoning_content=thought))
    for names in (("m", "n"), ("m", "kept-n")):
        told = [kept("answer", "Hello there.", names[0])]
        told.append(kept("answer", "How are you?", names[1], reasoning_content="Let me see."))
        again = copy.deepcopy(decoder)
        events = again.recover(
            msgspec.convert({"id": "c", "status": "completed"}, Chat), msgspec.convert(told, list[Message])
        )
        assert text_of_deltas(events) == left
        assert isinstance(events[-1], TurnDone)


def test_an_answer_that_is_not_among_what_is_kept_stays_broken_off() -> None:
    at = RICH.index(b"in ")
    for told in ([], KEPT[3:]):
        with pytest.raises(Truncated, match="not among"):
            recovered_from(RICH[:at], told)


def test_an_answer_that_coze_has_kept_otherwise_takes_the_place_of_what_came() -> None:
    at = RICH.index(b"in ")
    events = recovered_from(RICH[:at], [kept("answer", "Something else.", "m")])
    assert TextReplaced(message_id=M, text="Something else.") in events
    assert summed(events).text == "Something else."


@pytest.mark.parametrize(
    ("status", "end"),
    [
        ({"status": "failed", "last_error": {"code": 4016, "msg": "x"}}, TurnFailed),
        ({"status": "canceled"}, TurnFailed),
        ({"status": "expired"}, TurnFailed),
        ({"status": "requires_action"}, InputRequested),
        ({"status": "completed"}, TurnDone),
    ],
)
def test_a_chat_that_ended_otherwise_ends_so(status: dict[str, Any], end: type[Event]) -> None:
    decoder = ChatStreamDecoder()
    decoder.feed(chat(CREATED) + message(DELTA, "It is "))
    told = msgspec.convert([kept("answer", FIRST, "m")], list[Message])
    events = decoder.recover(msgspec.convert({"id": "c", **status}, Chat), told)
    assert text_of_deltas(events) == FIRST.removeprefix("It is ")
    assert [type(event) for event in events if isinstance(event, ENDS)] == [end]


def test_where_sound_came_a_list_of_messages_says_too_little() -> None:
    decoder = ChatStreamDecoder()
    decoder.feed(chat(CREATED))
    assert not decoder.has_sound
    decoder.feed(message(AUDIO, "AAAA"))
    assert decoder.has_sound


def test_pings_are_signs_of_life_and_no_news() -> None:
    decoder = ChatStreamDecoder()
    assert decoder.feed(chat(CREATED) + b"event:ping\ndata:{}\n\n" * 3) == [STARTED]
    assert decoder.beats == 3


@pytest.mark.parametrize("name", ["done", "error"])
def test_the_address_of_a_run_is_kept_for_the_log_and_told_to_nobody(name: str) -> None:
    decoder = ChatStreamDecoder()
    data = b'{"code":"720701013","msg":"failed","debug_url":"https://example.org/work_flow"}'
    events = decoder.feed(HI.removesuffix(DONE) + b"event:%b\ndata:%b\n\n" % (name.encode(), data))
    assert decoder.debug_url == "https://example.org/work_flow"
    assert "example.org" not in repr(events)
