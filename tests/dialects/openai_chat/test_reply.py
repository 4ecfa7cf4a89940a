import json
from typing import Any

from realcoze.dialects.openai_chat.reply import encode_reply
from realcoze.dialects.openai_chat.request import Asked
from realcoze.domain.event import Step, Usage
from realcoze.domain.fold import Reply
from realcoze.domain.ids import BotName, ChatId, ConversationId, RequestId
from realcoze.domain.message import say
from realcoze.domain.request import Request
from realcoze.domain.tool import ToolCall

REQUEST = Request(messages=(say("user", "Hi"),), bot=BotName("bot"))


def encoded(reply: Reply, **wanted: Any) -> Any:
    asked = Asked(request=REQUEST, model="Bot", **wanted)
    return json.loads(encode_reply(asked, reply, RequestId("req_1"), created=7))


def test_a_plain_answer() -> None:
    assert encoded(Reply(text="Hello", usage=Usage(input=1, output=2, total=3))) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "Bot",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }


def test_usage_that_coze_did_not_count_is_there_all_the_same() -> None:
    """CLIENTS §5 item 13."""
    assert encoded(Reply(text=""))["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def test_tools_that_the_bot_wants_run() -> None:
    """CLIENTS §5 item 9."""
    calls = (ToolCall(call_id="c1", name="add", arguments='{"a":1}'), ToolCall(call_id="c2", name="sub", arguments=""))
    [choice] = encoded(Reply(text="", tool_calls=calls))["choices"]
    assert choice == {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "function": {"name": "add", "arguments": '{"a":1}'}, "type": "function"},
                {"id": "c2", "function": {"name": "sub", "arguments": ""}, "type": "function"},
            ],
        },
        "finish_reason": "tool_calls",
    }


def test_reasoning_has_its_own_member() -> None:
    """CLIENTS §4.2 rule 6."""
    assert encoded(Reply(text="a", reasoning="hm"))["choices"][0]["message"]["reasoning_content"] == "hm"


def test_what_openai_has_no_place_for_comes_only_when_asked_for() -> None:
    reply = Reply(
        text="a",
        suggestions=("And?",),
        steps=(Step(kind="call", title="t", body="{}"),),
        chat_id=ChatId("c"),
        conversation_id=ConversationId("v"),
    )
    ids = {"conversation_id": "v", "chat_id": "c"}
    steps = [{"kind": "call", "title": "t", "body": "{}"}]
    assert "x_coze" not in encoded(reply)
    assert encoded(reply, has_extras=True)["x_coze"] == ids
    assert encoded(reply, has_extras=True, has_follow_ups=True)["x_coze"] == {**ids, "follow_ups": ["And?"]}
    assert encoded(reply, has_extras=True, has_steps=True)["x_coze"] == {**ids, "steps": steps}
