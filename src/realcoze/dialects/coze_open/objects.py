"""The objects of the wire: chats, messages, and what stands in them.

Any field may be missing or null, and an id may be a number (Studio's structs); only what we read is
named, but for the emulator, which writes what SDKs demand.

Source: docs/protocol/openapi-v3.md §6.4 to §6.6; docs/protocol/studio-web.md §5.3.
"""

from typing import Any

import msgspec

from realcoze.domain.ids import MessageId

Id = str | int | None
"""A 64-bit number as decimal text; never to be read as a float."""

Number = int | float | str | None
Word = str | None

_TOO_LARGE = 1 << 63


class LastError(msgspec.Struct):
    code: Number = 0
    msg: Word = ""


class WireUsage(msgspec.Struct):
    token_count: Number = 0
    output_count: Number = 0
    input_count: Number = 0


class Function(msgspec.Struct):
    name: Word = ""
    arguments: Word = ""


class WireToolCall(msgspec.Struct):
    id: Id = None
    type: Word = "function"
    function: Function | None = None


class SubmitToolOutputs(msgspec.Struct):
    tool_calls: list[WireToolCall] | None = None


class RequiredAction(msgspec.Struct):
    type: Word = ""
    submit_tool_outputs: SubmitToolOutputs | None = None


class Chat(msgspec.Struct, omit_defaults=True):
    """One turn.  The sample of a failure in the documentation is `{code, msg}` instead: they are read too."""

    id: Id = None
    conversation_id: Id = None
    bot_id: Id = None
    status: Word = None
    created_at: Number = None
    completed_at: Number = None
    failed_at: Number = None
    last_error: LastError | None = None
    usage: WireUsage | None = None
    required_action: RequiredAction | None = None
    meta_data: Any = None
    section_id: Id = None
    code: Number = None
    msg: Word = None


class Message(msgspec.Struct, omit_defaults=True):
    """One message; in a delta, `content` and `reasoning_content` are what is new."""

    id: Id = None
    conversation_id: Id = None
    bot_id: Id = None
    chat_id: Id = None
    role: Word = None
    type: Word = None
    content: Word = None
    content_type: Word = None
    reasoning_content: Word = None
    meta_data: Any = None
    section_id: Id = None
    created_at: Number = None
    updated_at: Number = None


class Delta(msgspec.Struct, gc=False):
    """What is read of a message in a delta: each token is one, and a third of the time is saved."""

    id: MessageId | int | None = None
    chat_id: Id = None
    type: Word = None
    content: Word = None
    content_type: Word = None
    reasoning_content: Word = None


def text_of(value: Id) -> str:
    """An id as text; empty where there is none."""
    return "" if value is None else str(value)


def number_of(value: Number) -> int:
    """A number as a whole number; 0 where there is none, or one that no 64 bits hold."""
    try:
        number = int(value or 0)
    except ValueError:
        return 0
    return number if abs(number) < _TOO_LARGE else 0
