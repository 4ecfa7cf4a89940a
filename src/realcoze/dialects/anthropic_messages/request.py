"""What a client of the Messages API asks.

The results of tools in the last message go on with the turn that waits for them.  As parts of messages all
calls and results stand in the history, for bots that emulate tools.

Source: the types of anthropic 2.12.0 (`MessageCreateParams`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec.structs import replace

from realcoze.dialects.anthropic_messages.content import (
    Content,
    WireContent,
    decode_content,
    decode_results,
    decode_text,
)
from realcoze.dialects.json_text import null, read_request
from realcoze.domain.ids import BotName, CallerId, UserId
from realcoze.domain.message import Message, Role
from realcoze.domain.request import Request, Thread, Wants
from realcoze.domain.tool import OTHER_TOOLS, Form, Offer, Tool
from realcoze.errors import BadRequest

IGNORED = ("tools", "stop_sequences", "mcp_servers")
"""Fields that would change what is answered, if a Coze bot could be told; a header names those that were sent."""

NO_THREADS = "thread_unsupported_request"
"""By this code the SDK (anthropic 2.12, lib/threads) knows to send the whole history instead of what is new only."""

_HINT = 'Send {"model": "BOT", "max_tokens": 1024, "messages": [{"role": "user", "content": "Hello"}]}.'
_ROLES: Mapping[str, Role] = {"user": "user", "assistant": "assistant"}
_SCHEMA = "json_schema"

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


class _Choice(msgspec.Struct):
    type: str = "auto"
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class _Tool(msgspec.Struct):
    """Those of Anthropic's own have no schema, and are passed over."""

    name: str = ""
    description: str | None = None
    input_schema: msgspec.Raw = msgspec.field(default_factory=null)
    strict: bool | None = None


class _Format(msgspec.Struct):
    type: str = ""
    schema: msgspec.Raw = msgspec.field(default_factory=null)


class _OutputConfig(msgspec.Struct):
    format: _Format | None = None


class _Body(msgspec.Struct):
    """Fields that we do not know are passed over."""

    messages: Annotated[list[_Message], msgspec.Meta(extra_json_schema={"minItems": 1})]
    model: str = ""
    system: WireContent | None = None
    metadata: _Metadata | None = None
    stream: bool | None = None
    thinking: _Kind | None = None
    tool_choice: _Choice | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    tools: list[_Tool] | None = None
    stop_sequences: Any = None
    mcp_servers: Any = None
    thread: Any = None


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
    if read.thread is not None:
        raise BadRequest(
            "`thread` asks for a conversation that is kept here, and none is.",
            code=NO_THREADS,
            hint="Send the whole history each time, without `thread`.",
        )
    said = _said(read)
    _refuse_no_question(said)
    has_others = any(not _text(tool.input_schema) for tool in read.tools or ())
    ignored = (*(name for name in IGNORED if getattr(read, name)), *((OTHER_TOOLS,) if has_others else ()))
    demanded = read.output_config.format if read.output_config else read.output_format
    request = replace(
        _request(read, said),
        tool_results=decode_results(said.last),
        caller=caller,
        thread=thread,
        offer=_offer(read.tools or (), read.tool_choice or _Choice()),
        form=_form(demanded),
    )
    return Question(request=request, is_streamed=bool(read.stream), ignored=ignored)


def decode_history(body: bytes) -> Request:
    """Read the body of `/v1/messages/count_tokens`: what is counted need not ask anything.  Raises `BadRequest`."""
    read = _read(body)
    return replace(_request(read, _said(read)), offer=_offer(read.tools or (), _Choice()))


def _read(body: bytes) -> _Body:
    return read_request(body, _BODY, hint=_HINT)


def _request(read: _Body, said: "_Said") -> Request:
    """What is said to whom."""
    return Request(
        messages=said.messages,
        bot=BotName(read.model),
        instructions=_instructions(read),
        user_id=UserId(read.metadata.user_id) if read.metadata and read.metadata.user_id else None,
        wants=Wants(usage=True, reasoning=read.thinking is not None and read.thinking.type in _THINKING),
    )


def _offer(tools: Iterable[_Tool], choice: _Choice) -> Offer | None:
    """The tools that may be called; None where there are none.  Raises `BadRequest`."""
    offered = tuple(
        Tool(
            name=tool.name,
            description=tool.description or "",
            parameters=schema,
            is_strict=bool(tool.strict),
        )
        for tool in tools
        if tool.name and (schema := _text(tool.input_schema)) and choice.type != "none"
    )
    if choice.type == "tool":
        offered = tuple(tool for tool in offered if tool.name == choice.name)
    is_demanded = choice.type in ("any", "tool")
    if is_demanded and not offered:
        raise BadRequest("`tool_choice` demands a tool, and no tool of that name is among `tools`.")
    if not offered:
        return None
    return Offer(tools=offered, is_demanded=is_demanded, is_single=bool(choice.disable_parallel_tool_use))


def _form(demanded: _Format | None) -> Form | None:
    if demanded is None:
        return None
    schema = _text(demanded.schema)
    if demanded.type != _SCHEMA or not schema:
        raise BadRequest(f"The output format is not {_SCHEMA} with its schema.")
    return Form(schema=schema)


def _text(schema: msgspec.Raw) -> str:
    """Empty where there is none."""
    text = bytes(schema).decode(errors="replace")
    return "" if text == "null" else text


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
