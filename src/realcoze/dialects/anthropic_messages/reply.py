"""A whole answer: one message with its blocks, what was thought before what was said before tools."""

from typing import Any

import msgspec

from realcoze.dialects.json_text import read_if_json
from realcoze.domain.event import Usage
from realcoze.domain.fold import Reply
from realcoze.domain.ids import MessageId, RequestId
from realcoze.domain.request import Request
from realcoze.domain.tool import ToolCall

_OBJECT = msgspec.json.Decoder(dict[str, Any])


class ThinkingBlock(msgspec.Struct, tag_field="type", tag="thinking"):
    """Nobody signs what a bot on Coze thinks; clients send it back, and it is passed over."""

    thinking: str
    signature: str = ""


class TextBlock(msgspec.Struct, tag_field="type", tag="text"):
    text: str


class ToolUseBlock(msgspec.Struct, tag_field="type", tag="tool_use"):
    id: str
    name: str
    input: dict[str, Any]


Block = ThinkingBlock | TextBlock | ToolUseBlock


class UsageBody(msgspec.Struct):
    """Zero where Coze did not count."""

    input_tokens: int = 0
    output_tokens: int = 0


class MessageBody(msgspec.Struct, tag_field="type", tag="message"):
    id: str
    model: str
    role: str = "assistant"
    content: list[Block] = []
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: UsageBody = msgspec.field(default_factory=UsageBody)


def encode_reply(request: Request, reply: Reply, request_id: RequestId) -> bytes:
    """The body of an answer to `request`; thoughts stand in it if they were asked for."""
    content: list[Block] = []
    if reply.reasoning and request.wants.reasoning:
        content.append(ThinkingBlock(reply.reasoning))
    if reply.text:
        content.append(TextBlock(reply.text))
    content += [ToolUseBlock(call.call_id, call.name, input_of(call)) for call in reply.tool_calls]
    return msgspec.json.encode(
        MessageBody(
            id=message_id_of(request_id),
            model=request.bot,
            content=content,
            stop_reason="tool_use" if reply.tool_calls else "end_turn",
            usage=usage_body(reply.usage),
        )
    )


def message_id_of(request_id: RequestId) -> MessageId:
    """The id of the message that answers a request."""
    return MessageId(f"msg_{request_id.removeprefix('req_')}")


def usage_body(usage: Usage | None) -> UsageBody:
    return UsageBody(usage.input, usage.output) if usage else UsageBody()


def input_of(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call, which must be an object here; others stand in one as text."""
    if not call.arguments:
        return {}
    read = read_if_json(call.arguments, _OBJECT)
    return {"arguments": call.arguments} if read is None else read
