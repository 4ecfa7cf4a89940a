"""What a client asks: the JSON array of the Node program, or our object.

Source: docs/native-api.md; docs/protocol/playground-2024.md §9 for the array.
"""

from typing import Any

import msgspec

from realcoze.dialects.entries import Entry, decode_entries, encode_entries
from realcoze.dialects.json_text import NotJson, read_foreign
from realcoze.domain.event import StepKind
from realcoze.domain.ids import BotName, ChatId, ConversationId, UserId
from realcoze.domain.message import Message
from realcoze.domain.request import Request, Resume, Wants
from realcoze.domain.tool import ToolResult
from realcoze.errors import BadRequest

REPLY_TYPES: dict[StepKind, int] = {"call": 3, "result": 4, "recall": 6, "other": 7}
"""The numbers by which a client asks for steps (`?subscribe=3,4,6`) and finds them marked."""

_SUBSCRIBABLE = frozenset({"1", "2", *map(str, REPLY_TYPES.values())})
_ARRAY_HINT = 'Send [{"role": 2, "content": "Hello"}]; role 2 is the user and 1 the bot.'
_OBJECT_HINT = 'Send {"messages": [{"role": 2, "content": "Hello"}]}; docs/native-api.md says what may stand beside it.'

_ANSWER_HINT = (
    'It stands in `messages`, as the last one: {"messages": [{"role": 2, "content": "Jupiter"}], "resume": …}.'
)


class _ToolResult(msgspec.Struct):
    call_id: str
    output: str


class _Resume(msgspec.Struct):
    event_id: str
    kind: str


class _Body(msgspec.Struct, omit_defaults=True):
    """The object form; fields that we do not know are passed over."""

    messages: list[Entry] = []
    bot: str = ""
    conversation_id: str = ""
    chat_id: str = ""
    user: str = ""
    custom_variables: dict[str, str] = {}
    parameters: dict[str, Any] = {}
    meta_data: dict[str, str] = {}
    extra_params: dict[str, str] = {}
    shortcut_command: dict[str, Any] = {}
    tool_results: list[_ToolResult] = []
    resume: _Resume | None = None
    reasoning: bool = False
    stream: bool = False


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A request and how its client wants to be answered.

    `is_plain` for the array form, which gets the plain answer; `steps` are the kinds subscribed to;
    `is_streamed` where the body says so, as clients of other APIs are used to.
    """

    request: Request
    is_plain: bool
    steps: frozenset[StepKind]
    is_streamed: bool = False


BODY = list[Entry] | _Body
"""What a request is, for who describes this API."""

_ARRAY = msgspec.json.Decoder(list[Entry])
_OBJECT = msgspec.json.Decoder(_Body)


def decode_request(body: bytes, *, subscribe: str = "") -> Question:
    """Read a body, whatever its content type says.  Raises `BadRequest`."""
    steps = decode_subscribe(subscribe)
    is_plain = body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    is_streamed = False
    text = body.removeprefix(b"\xef\xbb\xbf")
    try:
        if is_plain:
            wants = Wants(steps=bool(steps))
            request = Request(messages=_messages(read_foreign(text, _ARRAY), _ARRAY_HINT), wants=wants)
        else:
            read = read_foreign(text, _OBJECT)
            request = _request(read, has_steps=bool(steps))
            is_streamed = read.stream
    except NotJson as error:
        hint = _OBJECT_HINT if text.lstrip().startswith(b"{") else _ARRAY_HINT
        raise BadRequest(f"The body cannot be read: {error}.", hint=hint) from error
    return Question(request=request, is_plain=is_plain, steps=steps, is_streamed=is_streamed)


def encode_request(request: Request) -> bytes:
    """The object form of a request, as a client sends it."""
    return msgspec.json.encode(
        _Body(
            messages=encode_entries(request.messages),
            bot=request.bot,
            conversation_id=request.conversation_id or "",
            chat_id=request.chat_id or "",
            user=request.user_id or "",
            custom_variables=dict(request.custom_variables),
            parameters=dict(request.parameters),
            meta_data=dict(request.meta_data),
            extra_params=dict(request.extra_params),
            shortcut_command=dict(request.shortcut_command),
            tool_results=[_ToolResult(each.call_id, each.output) for each in request.tool_results],
            resume=_Resume(request.resume.event_id, request.resume.kind) if request.resume else None,
            reasoning=request.wants.reasoning,
        )
    )


def decode_subscribe(text: str) -> frozenset[StepKind]:
    """The step kinds in a list like `3,4,6`; 1 and 2 may stand in it, as the Node program allowed."""
    numbers = [item.strip() for item in text.split(",") if item.strip()]
    if not _SUBSCRIBABLE.issuperset(numbers):
        raise BadRequest(
            "`subscribe` is a list of reply types.",
            hint="3 plugin calls, 4 plugin results, 6 knowledge, 7 everything else.",
        )
    return frozenset(kind for kind, number in REPLY_TYPES.items() if str(number) in numbers)


def encode_subscribe(steps: frozenset[StepKind]) -> str:
    """The list for an address."""
    return ",".join(str(number) for kind, number in REPLY_TYPES.items() if kind in steps)


def _request(body: _Body, *, has_steps: bool) -> Request:
    if body.resume and not body.messages and not body.tool_results:
        raise BadRequest("There is no answer to the question of `resume`.", hint=_ANSWER_HINT)
    return Request(
        messages=decode_entries(body.messages) if body.tool_results else _messages(body.messages, _OBJECT_HINT),
        bot=BotName(body.bot),
        conversation_id=ConversationId(body.conversation_id) if body.conversation_id else None,
        chat_id=ChatId(body.chat_id) if body.chat_id else None,
        user_id=UserId(body.user) if body.user else None,
        custom_variables=body.custom_variables,
        parameters=body.parameters,
        meta_data=body.meta_data,
        extra_params=body.extra_params,
        shortcut_command=body.shortcut_command,
        tool_results=tuple(ToolResult(call_id=each.call_id, output=each.output) for each in body.tool_results),
        resume=Resume(event_id=body.resume.event_id, kind=body.resume.kind) if body.resume else None,
        wants=Wants(suggestions=True, usage=True, reasoning=body.reasoning, steps=has_steps),
    )


def _messages(entries: list[Entry], hint: str) -> tuple[Message, ...]:
    messages = decode_entries(entries)
    if not messages or messages[-1].role != "user":
        raise BadRequest("The last entry of the history must be the user's (role 2).", hint=hint)
    return messages
