"""A whole chat completion, and what its stream shares with it."""

from typing import Literal

import msgspec

from realcoze.dialects.openai_chat.request import Asked
from realcoze.dialects.openai_wire import UsageBody, answer_id, usage_of
from realcoze.domain.event import Step, StepKind
from realcoze.domain.fold import Reply
from realcoze.domain.ids import RequestId
from realcoze.domain.tool import ToolCall

FinishReason = Literal["stop", "tool_calls", "content_filter"]


class FunctionBody(msgspec.Struct):
    name: str
    arguments: str


class ToolCallBody(msgspec.Struct):
    id: str
    function: FunctionBody
    type: str = "function"


class StepBody(msgspec.Struct):
    kind: StepKind
    title: str
    body: str


class CozeBody(msgspec.Struct):
    """The extension `x_coze`: what OpenAI's API has no place for."""

    conversation_id: str = ""
    chat_id: str = ""
    follow_ups: list[str] | msgspec.UnsetType = msgspec.UNSET
    steps: list[StepBody] | msgspec.UnsetType = msgspec.UNSET


class _Message(msgspec.Struct):
    role: str
    content: str | None
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET
    tool_calls: list[ToolCallBody] | msgspec.UnsetType = msgspec.UNSET


class _Choice(msgspec.Struct):
    index: int
    message: _Message
    finish_reason: FinishReason


class _Completion(msgspec.Struct):
    id: str
    object: str
    created: int
    model: str
    choices: list[_Choice]
    usage: UsageBody
    x_coze: CozeBody | msgspec.UnsetType = msgspec.UNSET


REPLY = _Completion
"""What an answer is, for who describes this API."""


def encode_reply(asked: Asked, reply: Reply, request_id: RequestId, *, created: int) -> bytes:
    """The body of an answer; `created` in seconds since 1970."""
    message = _Message("assistant", reply.text or (None if reply.tool_calls else ""))
    if reply.reasoning:
        message.reasoning_content = reply.reasoning
    if reply.tool_calls:
        message.tool_calls = [tool_call_body(call) for call in reply.tool_calls]
    finish_reason: FinishReason = "tool_calls" if reply.tool_calls else "stop"
    choices = [_Choice(0, message, finish_reason)]
    body = _Completion(answer_id(request_id), "chat.completion", created, asked.model, choices, usage_of(reply))
    if asked.has_extras:
        body.x_coze = CozeBody(reply.conversation_id, reply.chat_id)
        if asked.has_follow_ups:
            body.x_coze.follow_ups = list(reply.suggestions)
        if asked.has_steps:
            body.x_coze.steps = [step_body(step) for step in reply.steps]
    return msgspec.json.encode(body)


def tool_call_body(call: ToolCall) -> ToolCallBody:
    return ToolCallBody(call.call_id, FunctionBody(call.name, call.arguments))


def step_body(step: Step) -> StepBody:
    return StepBody(step.kind, step.title, step.body)
