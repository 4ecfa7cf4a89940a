"""What a client of OpenAI's Responses asks for.

`input` is a text, or the history as items: messages, and what a model has done beside them.  The results of
tools that its turn waits for are the items at the end of the input, whatever instructs after them; as parts of
messages they and the calls stand in the history too, for bots that emulate tools.  What such a tool shows beside
its text is a part like any other: no call of Coze's takes it, and a message does.  What a model has thought is passed
over.

Source: docs/openai-api.md; openai 3, types/responses/response_create_params.py.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import msgspec

from realcoze.dialects.json_text import NotJson, null, read_json, read_request
from realcoze.dialects.openai_responses.namespaces import namespaces_of, one_name, without_namespaces
from realcoze.dialects.openai_tools import Choice, Format, ToolBody, decode_form, decode_offer, others_among
from realcoze.dialects.openai_wire import CozeMember, ImageUrl, check_model, decode_data, decode_image
from realcoze.domain.content import File, Image, Inline, Part, Text
from realcoze.domain.ids import BotName, CallerId, ConversationId, UserId
from realcoze.domain.message import Message
from realcoze.domain.request import Request, Thread, Wants
from realcoze.domain.tool import ToolCall, ToolResult, are_emulated
from realcoze.errors import BadRequest

IGNORED = ("tools", "prompt", "max_tool_calls", "top_logprobs", "context_management")
"""What changes an answer and is ignored here: the header `x-realcoze-ignored` names what a request has of it."""

_INSTRUCTING = frozenset({"system", "developer"})
_CALL = "function_call"
_RESULT = "function_call_output"
_TEXTS = frozenset({"input_text", "output_text", "text"})
_SPOKEN = "message"
_HINT = 'Send {"model": "NAME", "input": "Hello"}.'
_HISTORY_HINT = "Send the history in `input`."


class _Part(msgspec.Struct):
    """A part of a message or of a result; which member is filled in says its type."""

    type: str
    text: str | None = None
    image_url: ImageUrl | str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    omitted: bool = False
    """The text is a note in the stead of a file that was not kept (`kept.py`)."""


Content = str | list[_Part] | None

_Unread = Annotated[
    msgspec.Raw,
    msgspec.Meta(description="of a message or a result a text, or a list of parts with their `type`"),
]


class _Item(msgspec.Struct):
    """`content` and `output` are read of messages and results alone: other items have theirs of other shapes."""

    type: str | None = None
    role: str | None = None
    content: _Unread = msgspec.field(default_factory=null)
    call_id: str | None = None
    namespace: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: _Unread = msgspec.field(default_factory=null)

    @property
    def speaker(self) -> str | None:
        """Whose message it is; None where it is none."""
        return self.role if self.type in (None, _SPOKEN) else None


class _Named(msgspec.Struct):
    id: str


class _TextConfig(msgspec.Struct):
    format: Format | None = None


class _Body(msgspec.Struct):
    """Members that are not named here are passed over."""

    input: str | list[_Item]
    model: str | None = None
    instructions: str | None = None
    stream: bool | None = None
    previous_response_id: str | None = None
    background: bool | None = None
    store: bool | None = None
    conversation: str | _Named | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: Any = None
    text: _TextConfig | None = None
    coze: CozeMember | None = None
    tools: list[ToolBody] | None = None
    tool_choice: str | Choice | None = None
    parallel_tool_calls: bool | None = None
    prompt: Any = None
    max_tool_calls: Any = None
    top_logprobs: Any = None
    context_management: Any = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request and how its client wants to be answered.

    `instructions`, `metadata`, `user` and `previous_response_id` are to be repeated in the answer; `ignored` are
    the members that were passed over and would have changed it.  `is_kept` says that it can be asked for again,
    and `is_background` that it is made while nobody waits.  `namespaces` are those of functions (`namespaces.py`).
    """

    request: Request
    model: str
    instructions: str | None = None
    metadata: dict[str, Any] = {}
    user: str | None = None
    previous_response_id: str | None = None
    is_streamed: bool = False
    is_kept: bool = False
    is_background: bool = False
    namespaces: dict[str, str] = {}
    ignored: tuple[str, ...] = ()


BODY = _Body
"""What a request is, for who describes this API."""

_DECODER = msgspec.json.Decoder(_Body)
_ITEM = msgspec.json.Decoder(_Item)
_CONTENT: msgspec.json.Decoder[Content] = msgspec.json.Decoder(Content)


def decode_request(
    body: bytes, *, caller: CallerId, thread: Thread | None, items: Sequence[msgspec.Raw] | None = None
) -> Asked:
    """Read the body of a request of `caller`'s, whatever its content type says.  Raises `BadRequest`.

    `items` stand in the place of its own where it builds on what is kept (`kept.py`).
    """
    read = read_request(body, _DECODER, hint=_HINT)
    _refuse_demands(read)
    if items is not None:
        read.input = [_read_item(item, place) for place, item in enumerate(items)]
    return Asked(
        request=_request(read, caller=caller, thread=thread),
        model=read.model or "",
        instructions=read.instructions,
        metadata=read.metadata if isinstance(read.metadata, dict) else {},
        user=read.user,
        previous_response_id=read.previous_response_id or None,
        is_kept=read.store is not False,
        is_background=bool(read.background),
        is_streamed=bool(read.stream),
        namespaces=namespaces_of(read.tools or ()),
        ignored=(
            *(name for name in IGNORED if getattr(read, name) not in (None, [])),
            *others_among(read.tools),
        ),
    )


def _refuse_demands(body: _Body) -> None:
    """What cannot be passed over: an answer without it would not be what was asked for."""
    check_model(body.model)
    if body.previous_response_id and body.conversation:
        raise BadRequest("`previous_response_id` and `conversation` exclude each other.", hint="Leave one of them out.")
    if body.background and body.store is False:
        raise BadRequest("`background` asks for an answer to be fetched later, and `store: false` to keep none.")


def _request(body: _Body, *, caller: CallerId, thread: Thread | None) -> Request:
    question = _Item(role="user", content=msgspec.Raw(msgspec.json.encode(body.input)))
    items = [question] if isinstance(body.input, str) else body.input
    coze = body.coze or CozeMember()
    named = body.conversation.id if isinstance(body.conversation, _Named) else body.conversation
    conversation_id = coze.conversation_id or named
    user_id = body.user or body.safety_identifier
    said = (_text(item.content, place) for place, item in enumerate(items) if item.speaker in _INSTRUCTING)
    return Request(
        messages=tuple(_in_one(_said(items))),
        bot=BotName(body.model or ""),
        instructions="\n\n".join(filter(None, (body.instructions, *said))),
        conversation_id=ConversationId(conversation_id) if conversation_id else None,
        user_id=UserId(user_id) if user_id else None,
        custom_variables=coze.custom_variables,
        parameters=coze.parameters,
        meta_data=coze.meta_data,
        extra_params=coze.extra_params,
        shortcut_command=coze.shortcut_command,
        tool_results=_results(items),
        offer=decode_offer(
            list(without_namespaces(body.tools or ())), body.tool_choice, is_parallel=body.parallel_tool_calls
        ),
        form=decode_form(body.text.format if body.text else None, "text.format"),
        thread=thread,
        caller=caller,
        wants=Wants(reasoning=True, usage=True),
    )


def _said(items: list[_Item]) -> Iterator[Message]:
    """The history that a bot can be given."""
    for place, item in enumerate(items):
        if item.type == "item_reference":
            raise BadRequest(f"Item {place} is a reference to one that is not kept.", hint=_HISTORY_HINT)
        if item.type == _CALL and item.call_id and item.name:
            name = one_name(item.namespace, item.name)
            called = ToolCall(call_id=item.call_id, name=name, arguments=item.arguments or "{}")
            yield Message(role="assistant", parts=(called,))
        elif item.type == _RESULT and item.call_id:
            told = ToolResult(call_id=item.call_id, output=_texts_of_result(item.output))
            yield Message(role="user", parts=(told, *_shown_by_result(item, place)))
        elif item.type not in (None, _SPOKEN) or item.speaker in _INSTRUCTING:
            continue
        elif item.speaker == "user":
            parts = tuple(_users_parts(item.content, place))
            if not parts:
                raise BadRequest(f"Item {place} is a message of the user and holds nothing.")
            yield Message(role="user", parts=parts)
        elif item.speaker == "assistant":
            if said := tuple(_bots_texts(item.content, place)):
                yield Message(role="assistant", parts=said)
        else:
            raise BadRequest(f"Item {place} is a message of nobody: its role is user, assistant, system or developer.")


def _in_one(messages: Iterable[Message]) -> Iterator[Message]:
    """The same, with the calls of a bot in one message with what it said before them, as it made them in one turn."""
    waiting: list[Part] = []
    for message in messages:
        if waiting and all(isinstance(part, ToolCall) for part in message.parts):
            waiting += message.parts
            continue
        if waiting:
            yield Message(role="assistant", parts=tuple(waiting))
            waiting = []
        if message.role == "assistant":
            waiting += message.parts
        else:
            yield message
    if waiting:
        yield Message(role="assistant", parts=tuple(waiting))


def _results(items: list[_Item]) -> tuple[ToolResult, ...]:
    """What the tools gave back that a turn waits for: the results at the end; none after a question."""
    results: list[ToolResult] = []
    for place, item in reversed(list(enumerate(items))):
        if item.type == _RESULT:
            if not item.call_id:
                raise BadRequest(f"Item {place} is a result that does not say of which call.")
            is_emulated = are_emulated([item.call_id])
            output = _texts_of_result(item.output) if is_emulated else _text(item.output, place)
            results.append(ToolResult(call_id=item.call_id, output=output))
        elif results and item.speaker not in _INSTRUCTING:
            break
        elif item.speaker == "user":
            return ()
        elif item.speaker == "assistant":
            raise BadRequest("The last message is the bot's own.", hint="End with one of the user's.")
    if not results:
        raise BadRequest("The last item must be a message of the user's, or a tool's result.", hint=_HINT)
    return tuple(reversed(results))


def _read_item(item: msgspec.Raw, place: int) -> _Item:
    try:
        return read_json(bytes(item), _ITEM)
    except NotJson as error:
        raise BadRequest(f"Item {place} cannot be read: {error}.") from error


def _texts_of_result(output: msgspec.Raw) -> str:
    """What a tool gave back, as far as that is text; of rounds that are over nothing need be readable."""
    try:
        said = read_json(bytes(output), _CONTENT)
    except NotJson:
        return ""
    if isinstance(said, str):
        return said
    return "\n".join(part.text for part in said or () if part.type in _TEXTS and part.text)


def _shown_by_result(item: _Item, place: int) -> Iterator[Part]:
    """What an emulated tool gave back that is no text."""
    if item.call_id and are_emulated([item.call_id]):
        yield from (part for part in _users_parts(item.output, place) if not isinstance(part, Text))


def _read(content: msgspec.Raw, place: int) -> Content:
    try:
        return read_json(bytes(content), _CONTENT)
    except NotJson as error:
        raise BadRequest(f"Item {place} cannot be read: {error}.") from error


def _text(content: msgspec.Raw, place: int) -> str:
    """The text of item `place`, where nothing but text can stand.  Raises `BadRequest`."""
    parts = list(_users_parts(content, place))
    texts = [_words(part) for part in parts]
    if None in texts:
        raise BadRequest(f"Item {place} may hold only text.", hint="Pictures and files go into messages of the user.")
    return "\n".join(text for text in texts if text is not None)


def _words(part: Part) -> str | None:
    """Its text, or the note in the stead of a file; None where it is neither."""
    match part:
        case Text():
            return part.text
        case Inline(note=note) if note:
            return note
    return None


def _bots_texts(content: msgspec.Raw, place: int) -> Iterator[Text]:
    """What the bot itself said: nothing but text can be given back to it."""
    said = _read(content, place)
    if isinstance(said, str):
        said = [_Part("text", text=said)]
    for part in said or ():
        if part.type in _TEXTS and part.text:
            yield Text(text=part.text)


def _users_parts(content: msgspec.Raw, place: int) -> Iterator[Part]:
    said = _read(content, place)
    if isinstance(said, str):
        said = [_Part("text", text=said)]
    for part in said or ():
        if part.type in _TEXTS and part.text is not None:
            yield Inline(data=b"", note=part.text) if part.omitted else Text(text=part.text)
        else:
            yield _media(part, place)


def _media(part: _Part, place: int) -> Part:
    url = part.image_url.url if isinstance(part.image_url, ImageUrl) else part.image_url
    match part.type:
        case "input_image" | "image_url" if url:
            return decode_image(url, place)
        case "input_image" if part.file_id:
            return Image(key=part.file_id)
        case "input_file" if part.file_data:
            return Inline(data=decode_data(part.file_data, place), name=part.filename or "")
        case "input_file" if part.file_id:
            return File(key=part.file_id)
        case "input_file" if part.file_url:
            return File(url=part.file_url)
    known = "input_text, input_image and input_file"
    raise BadRequest(f"Item {place} has a part of type {part.type[:40]!r} that cannot be read; {known} are known.")
