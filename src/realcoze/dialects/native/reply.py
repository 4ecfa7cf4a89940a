"""A whole answer.

To the array: `{"content", "continue": false, "reply_type": 1}`, as the Node program answered.  To
the object: the same with what the bot did beside it.
"""

from typing import Any

import msgspec

from realcoze.dialects.native.request import REPLY_TYPES, Question
from realcoze.domain.event import Interrupt, StepKind, Usage
from realcoze.domain.fold import Reply
from realcoze.domain.ids import RequestId

ANSWER = 1
"""The reply type of an answer."""


class UsageBody(msgspec.Struct):
    input_tokens: int
    output_tokens: int
    total_tokens: int


class AudioBody(msgspec.Struct):
    """`data` in base64."""

    data: bytes
    format: str


class StepBody(msgspec.Struct):
    reply_type: int
    kind: StepKind
    title: str
    body: str


class ToolCallBody(msgspec.Struct):
    id: str
    name: str
    arguments: str


class InterruptBody(msgspec.Struct, omit_defaults=True):
    """`question` is what of `data` people are shown."""

    event_id: str
    kind: str
    data: dict[str, Any]
    question: str = ""


class _Reply(msgspec.Struct, rename={"is_continued": "continue"}, omit_defaults=True):
    content: str
    is_continued: bool | msgspec.UnsetType = msgspec.UNSET
    reply_type: int | msgspec.UnsetType = msgspec.UNSET
    reasoning: str = ""
    steps: list[StepBody] = []
    suggestions: list[str] = []
    audio: AudioBody | None = None
    usage: UsageBody | None = None
    status: str = ""
    tool_calls: list[ToolCallBody] = []
    interrupt: InterruptBody | None = None
    chat_id: str = ""
    conversation_id: str = ""
    request_id: str = ""


REPLY = _Reply
"""What an answer is, for who describes this API."""


def encode_reply(question: Question, reply: Reply, request_id: RequestId) -> bytes:
    """The body of an answer to `question`."""
    body = _Reply(content=reply.text, is_continued=False, reply_type=ANSWER)
    body.steps = [
        StepBody(REPLY_TYPES[step.kind], step.kind, step.title, step.body)
        for step in reply.steps
        if step.kind in question.steps
    ]
    if not question.is_plain:
        body.reasoning = reply.reasoning
        body.suggestions = list(reply.suggestions)
        body.audio = AudioBody(reply.audio, reply.audio_format) if reply.audio else None
        body.usage = usage_body(reply.usage) if reply.usage else None
        body.request_id = request_id
    if reply.tool_calls or reply.interrupt:
        body.status = "requires_action"
        body.tool_calls = [ToolCallBody(call.call_id, call.name, call.arguments) for call in reply.tool_calls]
        body.interrupt = interrupt_body(reply.interrupt) if reply.interrupt else None
    if body.status or not question.is_plain:
        # Whoever goes on with the turn must be able to name it.
        body.chat_id, body.conversation_id = reply.chat_id, reply.conversation_id
    return msgspec.json.encode(body)


def usage_body(usage: Usage) -> UsageBody:
    return UsageBody(usage.input, usage.output, usage.total)


def interrupt_body(interrupt: Interrupt) -> InterruptBody:
    return InterruptBody(interrupt.event_id, interrupt.kind, dict(interrupt.data), interrupt.question)
