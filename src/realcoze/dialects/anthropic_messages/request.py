"""What a client of the Messages API asks.

The results of tools in the last message go on with the turn that waits for them; those before it were
answered, and Coze has them.

Source: the types of anthropic 2.12.0 (`MessageCreateParams`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from realcoze.dialects.anthropic_messages.content import (
    Content,
    WireContent,
    decode_content,
    decode_results,
    decode_text,
)
from realcoze.dialects.json_text import read_request
from realcoze.domain.ids import BotName, CallerId, UserId
from realcoze.domain.message import Message, Role
from realcoze.domain.request import Request, Thread, Wants
from realcoze.errors import BadRequest

IGNORED = ("tools", "stop_sequences", "mcp_servers")
"""Fields that would change what is answered, if a Coze bot could be told; a header names those that were sent."""

_HINT = 'Send {"model": "BOT", "max_tokens": 1024, "messages": [{"role": "user", "content": "Hello"}]}.'
_ROLES: Mapping[str, Role] = {"user": "user", "assistant": "assistant"}
_FORCED = ("any", "tool")
"""Kinds of `tool_choice` that demand a tool."""

_THINKING = ("enabled", "adaptive")
"""Kinds of `thinking` that ask to see it."""


_Role = Annotated[str, msgspec.Meta(extra_json_schema={"enum": [*_ROLES, "system"]})]


class _Message(msgspec.Struct):
    role: _Role
    content: WireContent


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Kind(msgspec.Struct):
    type: str = ""


class _OutputConfig(msgspec.Struct):
    format: Any = None


class _Body(msgspec.Struct):
    """Fields that we do not know are passed over."""

    messages: Annotated[list[_Message], msgspec.Meta(extra_json_schema={"minItems": 1})]
    model: str = ""
    system: WireContent | None = None
    metadata: _Metadata | None = None
    stream: bool | None = None
    thinking: _Kind | None = None
    tool_choice: _Kind | None = None
    output_config: _OutputConfig | None = None
    output_format: Any = None
    tools: Any = None
    stop_sequences: Any = None
    mcp_servers: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request and how its client wants to be answered; `ignored` are fields that change nothing here."""

    request: Request
    is_streamed: bool
    ignored: tuple[str, ...] = ()


BODY = _Body
"""What a request is, for who describes this API."""

_BODY = msgspec.json.Decoder(_Body)


def decode_request(body: bytes, *, caller: CallerId, thread: Thread | None) -> Question:
    """Read the body of a request of `caller`'s to `/v1/messages`.  Raises `BadRequest`."""
    read = _read(body)
    _refuse_demands(read)
    said = _said(read)
    _refuse_no_question(said)
    ignored = tuple(name for name in IGNORED if getattr(read, name))
    return Question(
        request=_request(read, said, caller=caller, thread=thread), is_streamed=bool(read.stream), ignored=ignored
    )


def decode_history(body: bytes) -> Request:
    """Read the body of `/v1/messages/count_tokens`: what is counted need not ask anything.  Raises `BadRequest`."""
    read = _read(body)
    return _request(read, _said(read))


def _read(body: bytes) -> _Body:
    return read_request(body, _BODY, hint=_HINT)


def _request(read: _Body, said: "_Said", *, caller: CallerId = CallerId(""), thread: Thread | None = None) -> Request:
    return Request(
        messages=said.messages,
        bot=BotName(read.model),
        instructions=_instructions(read),
        user_id=UserId(read.metadata.user_id) if read.metadata and read.metadata.user_id else None,
        tool_results=decode_results(said.last),
        thread=thread,
        caller=caller,
        wants=Wants(usage=True, reasoning=read.thinking is not None and read.thinking.type in _THINKING),
    )


def _refuse_demands(body: _Body) -> None:
    """Raise `BadRequest` for what a client relies on and would not get."""
    if body.tool_choice and body.tool_choice.type in _FORCED:
        raise BadRequest(
            f"`tool_choice` demands a tool ({body.tool_choice.type}), and a bot on Coze has tools of its own.",
            hint="Leave `tool_choice` out; a tool of yours becomes a bot's as a local plugin on Coze.",
        )
    if body.output_format or (body.output_config and body.output_config.format):
        raise BadRequest(
            "An output format is demanded, and a bot on Coze cannot be held to one.",
            hint="Say in the question which form the answer is to have.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What was said; who said the last of it, nobody if nothing was, and what that message holds."""

    messages: tuple[Message, ...]
    last: Content
    last_role: str


def _said(body: _Body) -> _Said:
    messages: list[Message] = []
    last, last_role = Content(), ""
    for place, message in enumerate(body.messages):
        if message.role == "system":
            continue
        role = _ROLES.get(message.role)
        if role is None:
            raise BadRequest(f"messages.{place} has the role {message.role[:40]!r}; there are user and assistant.")
        last, last_role = decode_content(f"messages.{place}", role, message.content), role
        if last.parts:
            messages.append(Message(role=role, parts=last.parts))
    return _Said(messages=tuple(messages), last=last, last_role=last_role)


def _refuse_no_question(said: _Said) -> None:
    """Raise `BadRequest` unless the last message is the user's and asks or hands in results."""
    if said.last_role != "user":
        raise BadRequest("The last message must be the user's: a bot on Coze begins its own answers.", hint=_HINT)
    if said.last.results and said.last.parts:
        raise BadRequest(
            "The last message has results of tools and something beside them, which Coze has no place for.",
            hint="Say the rest after the answer.",
        )
    if not (said.last.results or said.last.parts):
        raise BadRequest("The last message is empty.", hint=_HINT)


def _instructions(body: _Body) -> str:
    """The text of `system` and of messages with that role, which newer clients send."""
    texts = [decode_text("system", body.system or "")]
    texts += [
        decode_text(f"messages.{place}", message.content)
        for place, message in enumerate(body.messages)
        if message.role == "system"
    ]
    return "\n\n".join(text for text in texts if text)
