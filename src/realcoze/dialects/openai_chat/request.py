"""What a client of OpenAI's chat completions asks for.

Clients send the whole history each time.  Its system and developer messages become instructions, tool
messages at its end, whatever instructs after them, the results that a turn waits for; as parts of messages
they and the calls stand in the history too, for bots that emulate tools.  Coze's own fields come in the
member `coze`, which SDKs send as `extra_body`.

Source: docs/openai-api.md.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec.structs import replace

from realcoze.dialects.json_text import read_request
from realcoze.dialects.openai_tools import (
    CallBody,
    Choice,
    Format,
    ToolBody,
    decode_calls,
    decode_form,
    decode_offer,
    others_among,
)
from realcoze.dialects.openai_wire import (
    Content,
    CozeMember,
    StreamOptions,
    check_model,
    decode_parts,
    decode_said,
    decode_text,
    wants_usage,
)
from realcoze.domain.content import Part
from realcoze.domain.ids import BotName, CallerId, ConversationId, UserId
from realcoze.domain.message import Message
from realcoze.domain.request import Request, Thread, Wants
from realcoze.domain.tool import ToolResult
from realcoze.errors import BadRequest

IGNORED = ("tools", "tool_choice", "functions", "function_call", "stop", "logprobs", "seed")
"""What changes an answer and is ignored here: the header `x-realcoze-ignored` names what a request has of it."""

_INSTRUCTING = frozenset({"system", "developer"})
_RESULTS = frozenset({"tool", "function"})
_HINT = 'Send {"model": "NAME", "messages": [{"role": "user", "content": "Hello"}]}.'
_FUNCTIONS_HINT = "Send `tools` and `tool_choice`, which took the place of `functions` and `function_call`."
_RESULT_HINT = 'Send {"role": "tool", "tool_call_id": "THE CALL\'S", "content": "RESULT"} for each call.'


_Role = Annotated[
    str, msgspec.Meta(extra_json_schema={"enum": sorted(_INSTRUCTING | _RESULTS | {"user", "assistant"})})
]


class _Message(msgspec.Struct):
    role: _Role
    content: Content = None
    tool_call_id: str | None = None
    tool_calls: list[CallBody] | None = None


class _Body(msgspec.Struct):
    """Members that are not named here are passed over."""

    messages: Annotated[list[_Message], msgspec.Meta(extra_json_schema={"minItems": 1})]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: float | None = None
    user: str | None = None
    metadata: Any = None
    conversation_id: str | None = None
    coze: CozeMember | None = None
    response_format: Format | None = None
    tools: list[ToolBody] | None = None
    tool_choice: str | Choice | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Any] | None = None
    function_call: Any = None
    stop: Any = None
    logprobs: bool | None = None
    seed: Any = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
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


BODY = _Body
"""What a request is, for who describes this API."""

_DECODER = msgspec.json.Decoder(_Body)


def decode_request(body: bytes, *, caller: CallerId, thread: Thread | None) -> Asked:
    """Read the body of a request of `caller`'s, whatever its content type says.  Raises `BadRequest`."""
    read = read_request(body, _DECODER, hint=_HINT)
    _refuse_demands(read)
    coze = read.coze or CozeMember()
    has_follow_ups, has_steps = coze.extras or coze.suggestions, coze.extras or coze.steps
    is_streamed = bool(read.stream)
    has_usage = wants_usage(read.stream_options, is_streamed=is_streamed)
    wants = Wants(reasoning=True, usage=has_usage, suggestions=has_follow_ups, steps=has_steps)
    return Asked(
        request=_request(read, coze, wants, caller=caller, thread=thread),
        model=read.model or "",
        is_streamed=is_streamed,
        has_usage=has_usage,
        has_extras=has_follow_ups or has_steps,
        has_follow_ups=has_follow_ups,
        has_steps=has_steps,
        ignored=tuple(_ignored(read)),
    )


def with_extras(asked: Asked) -> Asked:
    """The same, with all of `x_coze` asked for."""
    wants = replace(asked.request.wants, suggestions=True, steps=True)
    request = replace(asked.request, wants=wants)
    return replace(asked, request=request, has_extras=True, has_follow_ups=True, has_steps=True)


def _ignored(body: _Body) -> Iterator[str]:
    for name in IGNORED:
        value = getattr(body, name)
        if value is not None and value is not False and value not in ([], "none"):  # 0 asks for something, as a seed
            yield name
    yield from others_among(body.tools)
    if body.metadata and body.metadata != {"conversation_id": _named_conversation(body)}:
        yield "metadata"


def _named_conversation(body: _Body) -> str:
    """What `metadata` says of it; it is a bag of everybody's, so that whatever else stands there is no fault."""
    name = body.metadata.get("conversation_id") if isinstance(body.metadata, dict) else None
    return name if isinstance(name, str) else ""


def _refuse_demands(body: _Body) -> None:
    """What cannot be passed over: an answer without it would not be what was asked for."""
    if (body.n or 1) > 1:
        raise BadRequest("`n` is more than 1, and each answer would be a call of its own.", hint="Ask several times.")
    check_model(body.model)
    if body.function_call not in ("auto", "none", None):
        raise BadRequest("`function_call` demands a function, and is not heeded.", hint=_FUNCTIONS_HINT)


def _request(body: _Body, coze: CozeMember, wants: Wants, *, caller: CallerId, thread: Thread | None) -> Request:
    conversation_id = coze.conversation_id or body.conversation_id or _named_conversation(body)
    instructions = (
        decode_text(message.content, place)
        for place, message in enumerate(body.messages)
        if message.role in _INSTRUCTING
    )
    messages = tuple(_said(body.messages))
    results = _results(body.messages)
    return Request(
        messages=messages,
        bot=BotName(body.model or ""),
        instructions="\n\n".join(filter(None, instructions)),
        conversation_id=ConversationId(conversation_id) if conversation_id else None,
        user_id=UserId(body.user) if body.user else None,
        custom_variables=coze.custom_variables,
        parameters=coze.parameters,
        meta_data=coze.meta_data,
        extra_params=coze.extra_params,
        shortcut_command=coze.shortcut_command,
        tool_results=results,
        offer=decode_offer(body.tools, body.tool_choice, is_parallel=body.parallel_tool_calls),
        form=decode_form(body.response_format, "response_format"),
        thread=thread,
        caller=caller,
        wants=wants,
    )


def _said(messages: list[_Message]) -> Iterator[Message]:
    """The history that a bot can be given."""
    for place, message in enumerate(messages):
        match message.role:
            case "user":
                parts = decode_parts(message.content, place)
                if not parts:
                    raise BadRequest(f"Message {place} is the user's and holds nothing.")
                yield Message(role="user", parts=parts)
            case "assistant":
                said: tuple[Part, ...] = (*decode_said(message.content), *decode_calls(message.tool_calls or ()))
                if said:
                    yield Message(role="assistant", parts=said)
            case "tool" if message.tool_call_id:
                yield Message(role="user", parts=(_result(message.tool_call_id, message.content),))
            case role if role not in _INSTRUCTING | _RESULTS:
                known = "system, developer, user, assistant and tool"
                raise BadRequest(f"Message {place} has the role {role[:40]!r}; {known} are known.")


def _result(call_id: str, content: Content) -> ToolResult:
    """What a tool gave back, as far as that is text."""
    return ToolResult(call_id=call_id, output="\n".join(part.text for part in decode_said(content)))


def _results(messages: list[_Message]) -> tuple[ToolResult, ...]:
    """What the tools gave back that a turn waits for: the tool messages at the end; none after a question."""
    spoken = [(place, message) for place, message in enumerate(messages) if message.role not in _INSTRUCTING]
    results: list[ToolResult] = []
    while spoken and spoken[-1][1].role in _RESULTS:
        place, message = spoken.pop()
        if message.role != "tool" or not message.tool_call_id:
            raise BadRequest(f"Message {place} is a result that does not say of which call.", hint=_RESULT_HINT)
        output = decode_text(message.content, place)
        results.append(ToolResult(call_id=message.tool_call_id, output=output))
    if not results and (not spoken or spoken[-1][1].role != "user"):
        raise BadRequest("The last message must be the user's, or a tool's with its tool_call_id.", hint=_HINT)
    return tuple(reversed(results))
