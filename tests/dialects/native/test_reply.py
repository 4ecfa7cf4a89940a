import json

from realcoze.dialects.native.reply import encode_reply
from realcoze.dialects.native.request import Question
from realcoze.domain.event import Interrupt, Step, StepKind, Usage
from realcoze.domain.fold import Reply
from realcoze.domain.ids import ChatId, ConversationId, RequestId
from realcoze.domain.message import say
from realcoze.domain.request import Request
from realcoze.domain.tool import ToolCall

REQUEST = RequestId("req_1")

STEPS = (
    Step(kind="call", title="weather", body="{}"),
    Step(kind="result", title="weather", body="warm"),
    Step(kind="recall", title="notes", body="…"),
    Step(kind="other", title="", body="hm"),
)

FULL = Reply(
    text="It is warm.",
    reasoning="Let me think.",
    steps=STEPS,
    suggestions=("And tomorrow?",),
    usage=Usage(input=9, output=3, total=12),
    chat_id=ChatId("c"),
    conversation_id=ConversationId("v"),
)


def question(*steps: StepKind, is_plain: bool) -> Question:
    return Question(request=Request(messages=(say("user", "Hi"),)), is_plain=is_plain, steps=frozenset(steps))


def test_the_array_is_answered_as_the_node_program_did() -> None:
    assert encode_reply(question(is_plain=True), FULL, REQUEST) == (
        b'{"content":"It is warm.","continue":false,"reply_type":1}'
    )
    assert encode_reply(question(is_plain=True), Reply(text=""), REQUEST) == (
        b'{"content":"","continue":false,"reply_type":1}'
    )


def test_the_array_gets_the_steps_it_subscribed_to() -> None:
    assert json.loads(encode_reply(question("result", "other", is_plain=True), FULL, REQUEST)) == {
        "content": "It is warm.",
        "continue": False,
        "reply_type": 1,
        "steps": [
            {"reply_type": 4, "kind": "result", "title": "weather", "body": "warm"},
            {"reply_type": 7, "kind": "other", "title": "", "body": "hm"},
        ],
    }


def test_the_object_is_told_what_the_bot_did_beside_the_answer() -> None:
    assert json.loads(encode_reply(question("call", "recall", is_plain=False), FULL, REQUEST)) == {
        "content": "It is warm.",
        "continue": False,
        "reply_type": 1,
        "reasoning": "Let me think.",
        "steps": [
            {"reply_type": 3, "kind": "call", "title": "weather", "body": "{}"},
            {"reply_type": 6, "kind": "recall", "title": "notes", "body": "…"},
        ],
        "suggestions": ["And tomorrow?"],
        "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12},
        "chat_id": "c",
        "conversation_id": "v",
        "request_id": "req_1",
    }


def test_what_the_bot_did_not_do_is_left_out() -> None:
    assert json.loads(encode_reply(question(is_plain=False), Reply(text="Hi"), REQUEST)) == {
        "content": "Hi",
        "continue": False,
        "reply_type": 1,
        "request_id": "req_1",
    }


def test_a_turn_that_waits_for_tools_says_so_in_both_forms() -> None:
    calls = (ToolCall(call_id="c1", name="add", arguments='{"a":1}'),)
    reply = Reply(text="", tool_calls=calls, chat_id=ChatId("c"), conversation_id=ConversationId("v"))
    for is_plain in (True, False):
        body = json.loads(encode_reply(question(is_plain=is_plain), reply, REQUEST))
        assert body["status"] == "requires_action"
        assert body["tool_calls"] == [{"id": "c1", "name": "add", "arguments": '{"a":1}'}]
        assert "interrupt" not in body
        assert (body["chat_id"], body["conversation_id"]) == ("c", "v")


def test_what_was_spoken_is_told_to_the_object_alone() -> None:
    reply = Reply(text="Hi", audio=b"\0\1", audio_format="pcm")
    assert json.loads(encode_reply(question(is_plain=False), reply, REQUEST))["audio"] == {
        "data": "AAE=",
        "format": "pcm",
    }
    assert "audio" not in json.loads(encode_reply(question(is_plain=True), reply, REQUEST))


def test_a_turn_that_waits_for_its_user_says_so() -> None:
    reply = Reply(text="", interrupt=Interrupt(event_id="e", kind="question", data={"q": ["which?", 1]}))
    body = json.loads(encode_reply(question(is_plain=False), reply, REQUEST))
    assert body["status"] == "requires_action"
    assert body["interrupt"] == {"event_id": "e", "kind": "question", "data": {"q": ["which?", 1]}}
    assert "tool_calls" not in body
