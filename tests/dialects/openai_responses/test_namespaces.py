"""As Codex 0.169.0 sends the tools of an MCP server, and takes their calls."""

import json
from typing import Any

from realcoze.dialects.openai_responses.reply import encode_reply
from realcoze.dialects.openai_responses.request import Asked, decode_request
from realcoze.dialects.openai_responses.stream import ResponseEncoder
from realcoze.domain.event import ToolCallsRequested, TurnStarted
from realcoze.domain.fold import Reply
from realcoze.domain.ids import CallerId, ChatId, ConversationId, RequestId
from realcoze.domain.tool import ToolCall

ADD = {"type": "function", "name": "add", "description": "add two numbers", "strict": False, "parameters": {}}
TOOLS = [
    {"type": "function", "name": "exec", "parameters": {}},
    {"type": "namespace", "name": "mcp__calc", "description": "Numbers.", "tools": [ADD, {"type": "custom"}]},
    {"type": "web_search"},
]
CALLS = (
    ToolCall(call_id="1", name="mcp__calc__add", arguments='{"a": 2}'),
    ToolCall(call_id="2", name="exec", arguments="{}"),
)
KNOWN = [("mcp__calc", "add"), (None, "exec")]
REQUEST_ID = RequestId("req_aa")


def asked(*items: dict[str, Any]) -> Asked:
    said = [{"role": "user", "content": "2 + 3?"}, *items]
    body = {"model": "bot", "input": said, "tools": TOOLS}
    return decode_request(json.dumps(body).encode(), caller=CallerId(""), thread=None)


def known(items: list[dict[str, Any]]) -> list[tuple[str | None, str]]:
    return [(item.get("namespace"), item["name"]) for item in items]


def test_a_bot_is_told_of_the_functions_of_a_namespace_by_one_name_each() -> None:
    offer = asked().request.offer
    assert offer is not None
    assert [tool.name for tool in offer.tools] == ["exec", "mcp__calc__add"]
    assert offer.tools[1].description == "add two numbers"


def test_its_calls_go_back_as_the_client_knows_them() -> None:
    reply = Reply(text="", tool_calls=CALLS)
    output = json.loads(encode_reply(asked(), reply, REQUEST_ID, created=1))["output"]
    assert known(output) == KNOWN
    assert [item["arguments"] for item in output] == ['{"a": 2}', "{}"]


def test_so_they_do_in_a_stream_from_their_first_event_on() -> None:
    encoder = ResponseEncoder(asked(), REQUEST_ID, created=1)
    started = TurnStarted(chat_id=ChatId("1"), conversation_id=ConversationId("2"))
    stream = (encoder.feed(started) + encoder.feed(ToolCallsRequested(calls=CALLS))).decode()
    events = [json.loads(line.removeprefix("data: ")) for line in stream.splitlines() if line.startswith("data: ")]
    for name in ("added", "done"):
        assert known([e["item"] for e in events if e["type"] == f"response.output_item.{name}"]) == KNOWN
    assert known(events[-1]["response"]["output"]) == KNOWN


def test_of_the_past_too_they_are_told_by_one_name() -> None:
    call = {"type": "function_call", "call_id": "c", "namespace": "mcp__calc", "name": "add", "arguments": "{}"}
    called = asked(call, {"type": "function_call_output", "call_id": "c", "output": "5"}).request.messages[1]
    assert called.parts == (ToolCall(call_id="c", name="mcp__calc__add", arguments="{}"),)
