"""A response, whole, and the items that it is made of.

Source: openai 3, types/responses/response.py, which demands `tools`, `tool_choice` and `parallel_tool_calls`.
"""

from typing import Any, Literal

import msgspec

from realcoze import errors
from realcoze.dialects.openai_responses.namespaces import apart
from realcoze.dialects.openai_responses.request import Asked
from realcoze.dialects.statuses import told
from realcoze.domain.event import Usage
from realcoze.domain.fold import Reply
from realcoze.domain.ids import ConversationId, RequestId
from realcoze.domain.tool import ToolCall
from realcoze.errors import RealcozeError

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]

ECHOED_CHARACTERS = 64 << 10
"""Longer instructions are not repeated: a stream would have them three times."""

_CODES: tuple[tuple[type[RealcozeError], str], ...] = (
    (errors.QuotaExhausted, "insufficient_quota"),
    (errors.RateLimited, "rate_limit_exceeded"),
    (errors.Busy, "rate_limit_exceeded"),
    (errors.Overloaded, "server_is_overloaded"),
    (errors.ContextTooLong, "context_length_exceeded"),
    (errors.CallerFault, "invalid_prompt"),
)
"""By these Codex tells what it need not try again; openai's types know `rate_limit_exceeded` and `invalid_prompt`."""


class TextPart(msgspec.Struct, tag_field="type", tag="output_text"):
    text: str
    annotations: tuple[()] = ()
    logprobs: tuple[()] = ()


class SummaryPart(msgspec.Struct, tag_field="type", tag="summary_text"):
    text: str


class MessageItem(msgspec.Struct, tag_field="type", tag="message"):
    id: str
    content: list[TextPart]
    status: ItemStatus
    role: str = "assistant"


class ReasoningItem(msgspec.Struct, tag_field="type", tag="reasoning"):
    """Coze tells what a bot thinks as it is; OpenAI's clients show a summary, so it stands there."""

    id: str
    summary: list[SummaryPart]
    status: ItemStatus


class CallItem(msgspec.Struct, tag_field="type", tag="function_call"):
    id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus
    namespace: str | msgspec.UnsetType = msgspec.UNSET


Item = MessageItem | ReasoningItem | CallItem


class _Cached(msgspec.Struct):
    cached_tokens: int = 0
    cache_write_tokens: int = 0


class _Thought(msgspec.Struct):
    reasoning_tokens: int = 0


class UsageBody(msgspec.Struct):
    """Coze counts no details: their zeros are what OpenAI's types demand, and say nothing."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: _Cached = msgspec.field(default_factory=_Cached)
    output_tokens_details: _Thought = msgspec.field(default_factory=_Thought)


class FailureBody(msgspec.Struct):
    code: str
    message: str


class Incomplete(msgspec.Struct):
    """Why a response has no end."""

    reason: str


class _Conversation(msgspec.Struct):
    id: str


class _Format(msgspec.Struct):
    type: str = "text"


class _TextConfig(msgspec.Struct):
    format: _Format = msgspec.field(default_factory=_Format)


class ResponseBody(msgspec.Struct):
    """`conversation` is Coze's; `tools` are the client's, which are not repeated, nor what is said of them."""

    id: str
    created_at: int
    model: str
    status: Status
    output: list[Item]
    usage: UsageBody | None = None
    error: FailureBody | None = None
    incomplete_details: Incomplete | None = None
    conversation: _Conversation | None = None
    instructions: str | None = None
    metadata: dict[str, Any] = {}
    user: str | None = None
    object: str = "response"
    background: bool = False
    store: bool = False
    previous_response_id: str | None = None
    parallel_tool_calls: bool = True
    tool_choice: str = "auto"
    tools: tuple[()] = ()
    text: _TextConfig = msgspec.field(default_factory=_TextConfig)
    truncation: str = "disabled"
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None


def encode_reply(asked: Asked, reply: Reply, request_id: RequestId, *, created: int) -> bytes:
    """The body of an answer; `created` in seconds since 1970."""
    return encode_body(replied(asked, reply, request_id, created=created))


def encode_body(body: ResponseBody) -> bytes:
    return msgspec.json.encode(body)


def replied(asked: Asked, reply: Reply, request_id: RequestId, *, created: int) -> ResponseBody:
    """A response that is complete."""
    ids = ItemIds(request_id)
    output: list[Item] = []
    if reply.reasoning:
        output.append(ReasoningItem(ids.new("rs"), [SummaryPart(reply.reasoning)], "completed"))
    if reply.text:
        output.append(MessageItem(ids.new("msg"), [TextPart(reply.text)], "completed"))
    output += [call_item(call, ids.new("fc"), asked) for call in reply.tool_calls]
    body = response_body(asked, request_id, created=created, status="completed", output=output)
    body.conversation = conversation_body(reply.conversation_id)
    body.usage = usage_body(reply.usage)
    return body


def failed(asked: Asked, error: RealcozeError, request_id: RequestId, *, created: int) -> ResponseBody:
    """A response that came to nothing."""
    body = response_body(asked, request_id, created=created, status="failed", output=[])
    body.error = failure_body(error)
    return body


class ItemIds:
    """Ids of the items of one response, by which their request can be found in the log; `before` are taken."""

    def __init__(self, request_id: RequestId, *, before: int = 0) -> None:
        self._request = request_id.removeprefix("req_")
        self._count = before

    def new(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._request}{self._count:04x}"


def response_body(
    asked: Asked, request_id: RequestId, *, created: int, status: Status, output: list[Item]
) -> ResponseBody:
    """A response as it stands; no usage yet."""
    return ResponseBody(
        id=response_id(request_id),
        created_at=created,
        model=asked.model,
        status=status,
        output=output,
        instructions=asked.instructions if len(asked.instructions or "") <= ECHOED_CHARACTERS else None,
        metadata=asked.metadata,
        user=asked.user,
        background=asked.is_background,
        store=asked.is_kept,
        previous_response_id=asked.previous_response_id,
    )


def response_id(request_id: RequestId) -> str:
    return f"resp_{request_id.removeprefix('req_')}"


def call_item(call: ToolCall, item_id: str, asked: Asked) -> CallItem:
    """A call as its client knows it."""
    namespace, name = apart(call.name, asked.namespaces)
    return CallItem(item_id, call.call_id, name, call.arguments, "completed", namespace or msgspec.UNSET)


def usage_body(usage: Usage | None) -> UsageBody | None:
    """None where Coze did not count, which this API allows."""
    return UsageBody(usage.input, usage.output, usage.total) if usage is not None else None


def conversation_body(conversation_id: ConversationId) -> _Conversation | None:
    """By its id the caller can go on with it."""
    return _Conversation(conversation_id) if conversation_id else None


def failure_body(error: RealcozeError) -> FailureBody:
    """An error within a response; its message has all that helps."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "server_error")
    return FailureBody(code, told(error))
