"""What a client of OpenAI's chat completions asks for.

Clients send the whole history each time.  Its system and developer messages become instructions, tool
messages at its end the results that a turn waits for; tool calls and results of rounds that are over are
passed over, as Coze keeps none of them in a history.  Coze's own fields come in the member `coze`, which
SDKs send as `extra_body`.

Source: docs/openai-api.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from realcoze.dialects.json_text import NotJson, read_json
from realcoze.dialects.openai_wire import Content, decode_parts, decode_text
from realcoze.domain.ids import BotName, CallerId, ConversationId, UserId
from realcoze.domain.message import Message, Role
from realcoze.domain.request import Request, Thread, ToolResult, Wants
from realcoze.errors import BadRequest

_NOBODY = CallerId("")

MODEL_CHARACTERS = 200
METADATA_PAIRS = 16
IGNORED = ("tools", "tool_choice", "functions", "function_call", "stop", "logprobs", "seed")
"""What changes an answer and is ignored here: the header `x-realcoze-ignored` names what a request has of it."""

_SIDES: dict[str, Role] = {"user": "user", "assistant": "assistant"}
_INSTRUCTING = frozenset({"system", "developer"})
_RESULTS = frozenset({"tool", "function"})
_HARMLESS_CHOICES = ("auto", "none", None)
_HINT = 'Send {"model": "NAME", "messages": [{"role": "user", "content": "Hello"}]}.'
_TOOLS_HINT = (
    "A Coze bot has the tools that it was built with, and a request cannot bring others; leave it out, or use auto."
)
_FORMAT_HINT = "Say in the question which form the answer shall have, or in the bot's prompt."


class _Message(msgspec.Struct):
    role: str
    content: Content = None
    tool_call_id: str = ""


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Format(msgspec.Struct):
    type: str = "text"


class _Coze(msgspec.Struct):
    """The member `coze`."""

    custom_variables: dict[str, str] = {}
    parameters: dict[str, Any] = {}
    meta_data: dict[str, str] = {}
    extra_params: dict[str, str] = {}
    shortcut_command: dict[str, Any] = {}
    conversation_id: str = ""
    steps: bool = False
    suggestions: bool = False
    extras: bool = False


class _Body(msgspec.Struct):
    """Members that are not named here are passed over."""

    messages: list[_Message]
    model: str = ""
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: int | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    conversation_id: str | None = None
    coze: _Coze | None = None
    response_format: _Format | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    functions: list[Any] | None = None
    function_call: Any = None
    stop: Any = None
    logprobs: bool | None = None
    seed: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request and how its client wants to be answered.

    `model` is to be repeated in the answer; `ignored` are the members that were passed over and would have
    changed it.  `has_follow_ups` and `has_steps` say what the extension `x_coze` is to hold, `has_extras` that
    there is to be one.
    """

    request: Request
    model: str
    is_streamed: bool = False
    has_usage: bool = False
    has_extras: bool = False
    has_follow_ups: bool = False
    has_steps: bool = False
    ignored: tuple[str, ...] = ()


_DECODER = msgspec.json.Decoder(_Body)


def decode_request(
    body: bytes, *, wants_extras: bool = False, caller: CallerId = _NOBODY, thread: Thread | None = None
) -> Asked:
    """Read a body, whatever its content type says; `wants_extras` where a header asks for them.

    `caller` and `thread` are what the rest of the call says of the request.

    Raises `BadRequest`.
    """
    try:
        read = read_json(body.removeprefix(b"\xef\xbb\xbf"), _DECODER)
    except NotJson as error:
        raise BadRequest(f"The body cannot be read: {error}.", hint=_HINT) from error
    _refuse_demands(read)
    coze = read.coze or _Coze()
    has_all = wants_extras or coze.extras
    has_follow_ups, has_steps = has_all or coze.suggestions, has_all or coze.steps
    is_streamed = bool(read.stream)
    has_usage = not is_streamed or bool(read.stream_options and read.stream_options.include_usage)
    wants = Wants(reasoning=True, usage=has_usage, suggestions=has_follow_ups, steps=has_steps)
    return Asked(
        request=_request(read, coze, wants, caller, thread),
        model=read.model,
        is_streamed=is_streamed,
        has_usage=has_usage,
        has_extras=has_follow_ups or has_steps,
        has_follow_ups=has_follow_ups,
        has_steps=has_steps,
        ignored=tuple(name for name in IGNORED if _is_said(getattr(read, name))),
    )


def _is_said(value: object) -> bool:
    """A member asks for something; 0 does, as a seed."""
    return not (value is None or value is False or value in ([], "none"))


def _refuse_demands(body: _Body) -> None:
    """What cannot be passed over: an answer without it would not be what was asked for."""
    if (body.n or 1) > 1:
        raise BadRequest("`n` is more than 1, and each answer would be a call of its own.", hint="Ask several times.")
    if len(body.model) > MODEL_CHARACTERS:
        raise BadRequest(f"`model` has more than {MODEL_CHARACTERS} characters.")
    for name in ("tool_choice", "function_call"):
        if getattr(body, name) not in _HARMLESS_CHOICES:
            raise BadRequest(f"`{name}` demands a tool, which nobody can promise.", hint=_TOOLS_HINT)
    if body.response_format is not None and body.response_format.type != "text":
        kind = body.response_format.type[:40]
        raise BadRequest(f"`response_format` demands {kind!r}, which nobody can promise.", hint=_FORMAT_HINT)


def _request(body: _Body, coze: _Coze, wants: Wants, caller: CallerId, thread: Thread | None) -> Request:
    metadata = dict(body.metadata or {})
    conversation_id = coze.conversation_id or body.conversation_id or metadata.get("conversation_id", "")
    metadata.pop("conversation_id", None)
    if len(metadata) > METADATA_PAIRS:
        raise BadRequest(f"`metadata` has more than {METADATA_PAIRS} pairs.")
    instructions = (
        decode_text(message.content, place)
        for place, message in enumerate(body.messages)
        if message.role in _INSTRUCTING
    )
    results = _results(body.messages)
    messages = tuple(_said(body.messages))
    if not results and (not messages or messages[-1].role != "user"):
        raise BadRequest("The last message must be the user's, or a tool's with its tool_call_id.", hint=_HINT)
    return Request(
        messages=messages,
        bot=BotName(body.model),
        instructions="\n\n".join(filter(None, instructions)),
        conversation_id=ConversationId(conversation_id) if conversation_id else None,
        user_id=UserId(body.user) if body.user else None,
        custom_variables=coze.custom_variables,
        parameters=coze.parameters,
        meta_data={**metadata, **coze.meta_data},
        extra_params=coze.extra_params,
        shortcut_command=coze.shortcut_command,
        tool_results=results,
        wants=wants,
        caller=caller,
        thread=thread,
    )


def _said(messages: list[_Message]) -> Iterator[Message]:
    """The history that a bot can be given."""
    for place, message in enumerate(messages):
        if (side := _SIDES.get(message.role)) is not None:
            parts = decode_parts(message.content, place)
            if side == "user" and not parts:
                raise BadRequest(f"Message {place} is the user's and holds nothing.")
            if side == "user" or any(parts):
                yield Message(role=side, parts=parts)
        elif message.role not in _INSTRUCTING | _RESULTS:
            known = "system, developer, user, assistant and tool"
            raise BadRequest(f"Message {place} has the role {message.role[:40]!r}; {known} are known.")


def _results(messages: list[_Message]) -> tuple[ToolResult, ...]:
    """What the tools gave back that a turn waits for: the tool messages at the end."""
    results: list[ToolResult] = []
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        if message.role != "tool" or not message.tool_call_id:
            break
        output = decode_text(message.content, place)
        results.insert(0, ToolResult(call_id=message.tool_call_id, output=output))
    return tuple(results)
