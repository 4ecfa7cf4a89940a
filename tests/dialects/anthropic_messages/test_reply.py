import json
from typing import Any

import pytest

from realcoze.dialects.anthropic_messages.reply import encode_reply
from realcoze.domain.event import Interrupt, Step, Usage
from realcoze.domain.fold import Reply
from realcoze.domain.ids import BotName, RequestId
from realcoze.domain.message import say
from realcoze.domain.request import Request, Wants
from realcoze.domain.tool import ToolCall


def written(reply: Reply, *, reasoning: bool = False) -> Any:
    request = Request(messages=(say("user", "Hi"),), bot=BotName("claude-echo"), wants=Wants(reasoning=reasoning))
    return json.loads(encode_reply(request, reply, RequestId("req_1a")))


def test_an_answer_is_a_message_of_the_model_that_was_asked() -> None:
    assert written(Reply(text="Hello", usage=Usage(input=1, output=2, total=3))) == {
        "id": "msg_1a",
        "type": "message",
        "role": "assistant",
        "model": "claude-echo",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }


def test_where_coze_did_not_count_the_usage_is_zero() -> None:
    assert written(Reply(text="Hello"))["usage"] == {"input_tokens": 0, "output_tokens": 0}


def test_no_text_is_no_block() -> None:
    assert written(Reply(text=""))["content"] == []


@pytest.mark.parametrize("reasoning", [True, False])
def test_thoughts_come_first_where_they_were_asked_for(*, reasoning: bool) -> None:
    blocks = written(Reply(text="Yes", reasoning="hm"), reasoning=reasoning)["content"]
    assert [block["type"] for block in blocks] == ["thinking", "text"][not reasoning :]
    assert not reasoning or blocks[0] == {"type": "thinking", "thinking": "hm", "signature": ""}


@pytest.mark.parametrize(
    ("arguments", "read"),
    [('{"city": "Rome"}', {"city": "Rome"}), ("", {}), ("[1]", {"arguments": "[1]"}), ("Ro", {"arguments": "Ro"})],
)
def test_a_bot_that_wants_a_tool_stops_for_it(arguments: str, read: Any) -> None:
    call = ToolCall(call_id="c1", name="weather", arguments=arguments)
    answer = written(Reply(text="Wait.", tool_calls=(call,)))
    assert answer["stop_reason"] == "tool_use"
    assert answer["content"] == [
        {"type": "text", "text": "Wait."},
        {"type": "tool_use", "id": "c1", "name": "weather", "input": read},
    ]


def test_what_the_api_has_no_word_for_is_left_out() -> None:
    interrupt = Interrupt(event_id="e", kind="question", data={})
    step = Step(kind="call", title="t", body="{}")
    assert written(Reply(text="Which?", interrupt=interrupt, steps=(step,), suggestions=("And?",)))["content"] == [
        {"type": "text", "text": "Which?"}
    ]
