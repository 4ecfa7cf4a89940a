"""The calls that run a workflow, go on with one that asked, and talk with a chatflow.

A workflow knows no conversation: it takes named parameters, which `parameters_of` makes of a question.  A
chatflow is talked with like a bot, and says what a bot says.  Their streams: `workflow_stream.py`, `stream.py`.

Source: docs/protocol/openapi-v3.md §10; docs/protocol/studio-web.md §5.5.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from realcoze.dialects.coze_open.chat import EnterMessage, decode_message, encode_message
from realcoze.dialects.coze_open.content import BETWEEN_TEXTS, beside_their_text
from realcoze.dialects.coze_open.objects import Id, Number, Word
from realcoze.dialects.json_text import NotJson, read_if_json, read_json
from realcoze.domain import message as said
from realcoze.domain.content import Audio, File, Image, MediaPart, Text, written
from realcoze.domain.request import Json, Request
from realcoze.errors import BadRequest, TooLarge

RUN_PATH = "/v1/workflow/run"
STREAM_PATH = "/v1/workflow/stream_run"
RESUME_PATH = "/v1/workflow/stream_resume"
WHOLE_RESUME_PATH = "/v1/workflows/resume"
CHATFLOW_PATH = "/v1/workflows/chat"

MOST_BYTES = 20 * 1000 * 1000
"""Of one call (openapi-v3 §2)."""

MOST_MESSAGES = 50
MOST_RESUMES = 3
"""How often one run may be gone on with."""

CONVERSATION_NAME = "CONVERSATION_NAME"
"""The parameter of a chatflow that names a conversation in place of its id."""

_KINDS = {1: "plugin", 2: "question", 5: "input", 7: "oauth"}
_NUMBERS = {kind: number for number, kind in _KINDS.items()}
_OTHER = "type_"
_MEDIA: Mapping[type[MediaPart], str] = {Image: "image", File: "file", Audio: "audio"}

T = TypeVar("T")


class RunCall(msgspec.Struct, omit_defaults=True):
    """The body of a run, whole or streamed; the documentation calls `parameters` a string and shows an object."""

    workflow_id: Id = None
    parameters: dict[str, Any] | str | None = None
    bot_id: Id = None
    app_id: Id = None
    ext: dict[str, Any] | None = None
    is_async: bool | None = None
    workflow_version: Word = None
    connector_id: Id = None

    def given(self) -> dict[str, Any]:
        """The parameters.  Raises `BadRequest`."""
        if not isinstance(self.parameters, str):
            return self.parameters or {}
        return _read("parameters", self.parameters.encode(errors="replace"), _OBJECT)


class ResumeCall(msgspec.Struct):
    """The body of a call that answers what a workflow asked."""

    workflow_id: Id = None
    event_id: str = ""
    resume_data: str = ""
    interrupt_type: Number = 0


class ChatflowCall(msgspec.Struct, omit_defaults=True):
    """The body of a turn with a chatflow; the conversation stands in it, and not in the query."""

    workflow_id: Id = None
    additional_messages: list[EnterMessage] | None = None
    parameters: dict[str, Any] | None = None
    conversation_id: Id = None
    bot_id: Id = None
    app_id: Id = None
    ext: dict[str, Any] | None = None
    workflow_version: Word = None
    connector_id: Id = None

    def messages(self) -> tuple[said.Message, ...]:
        """The history.  Raises `BadRequest`."""
        return tuple(decode_message(message) for message in self.additional_messages or ())


_OBJECT = msgspec.json.Decoder(dict[str, Any])
_RUN = msgspec.json.Decoder(RunCall)
_RESUME = msgspec.json.Decoder(ResumeCall)
_CHATFLOW = msgspec.json.Decoder(ChatflowCall)


def parameters_of(request: Request, input_name: str) -> dict[str, Json]:
    """What a workflow is given: `request.parameters`, and under them what the last message makes.

    A text that is a JSON object is parameters itself; any other text is the one called `input_name`.  Pictures,
    files and sounds are `image`, `file` and `audio`: a URL, or a JSON string with a `file_id`; several of one
    kind are a list.  What came before the last message a workflow has no place for.  Raises `BadRequest` for
    what it cannot carry at all.
    """
    _refuse_what_only_bots_take(request)
    messages = beside_their_text(request.messages)
    parts = written(messages[-1].parts) if messages else ()
    text = BETWEEN_TEXTS.join(part.text for part in parts if isinstance(part, Text))
    found: dict[str, Json] = {}
    if (members := read_if_json(text, _OBJECT)) is not None:
        found |= members
    elif text:
        found[input_name] = text
    for kind, name in _MEDIA.items():
        values = [_medium(part) for part in parts if isinstance(part, kind)]
        if values:
            found[name] = values if len(values) > 1 else values[0]
    return {**found, **request.parameters}


def encode_run(
    workflow_id: str,
    parameters: Mapping[str, Json],
    *,
    bot_id: str = "",
    app_id: str = "",
    user_id: str = "",
    extra_params: Mapping[str, str] | None = None,
) -> bytes:
    """The body of a run.  Raises `BadRequest` for both a bot and an app, `TooLarge` for too much."""
    _check_owner(bot_id, app_id)
    return _encode(
        RunCall(
            workflow_id=workflow_id,
            parameters=dict(parameters),
            bot_id=bot_id or None,
            app_id=app_id or None,
            ext=_ext(user_id, extra_params or {}),
        )
    )


def encode_resume(workflow_id: str, *, event_id: str, kind: str, answer: str) -> bytes:
    """The body of a call that answers the question `event_id`.  Raises `BadRequest` for a kind that is none."""
    return _encode(
        ResumeCall(workflow_id=workflow_id, event_id=event_id, resume_data=answer, interrupt_type=type_of(kind))
    )


def encode_chatflow(
    request: Request, *, workflow_id: str, bot_id: str = "", app_id: str = "", user_id: str = ""
) -> bytes:
    """The body of a turn with a chatflow, which is always streamed.

    Raises `BadRequest` for what a chatflow cannot carry or is over a limit of Coze's, `TooLarge` for too much.
    """
    _refuse_what_only_bots_take(request)
    _check_owner(bot_id, app_id)
    messages = beside_their_text(request.messages)
    if len(messages) > MOST_MESSAGES:
        raise BadRequest(
            f"The history has {len(messages)} messages; a chatflow takes {MOST_MESSAGES}.",
            code="too_many_messages",
            hint="Begin a new conversation, or send less of the history.",
        )
    return _encode(
        ChatflowCall(
            workflow_id=workflow_id,
            additional_messages=[encode_message(message) for message in messages],
            parameters=dict(request.parameters),
            conversation_id=request.conversation_id or None,
            bot_id=bot_id or None,
            app_id=app_id or None,
            ext=_ext(user_id, request.extra_params),
        )
    )


def decode_run(body: bytes) -> RunCall:
    """Read a call as a server.  Raises `BadRequest`."""
    return _read("workflow", body, _RUN)


def decode_resume(body: bytes) -> ResumeCall:
    """Read a call as a server.  Raises `BadRequest`."""
    return _read("resume", body, _RESUME)


def decode_chatflow(body: bytes) -> ChatflowCall:
    """Read a call as a server.  Raises `BadRequest`."""
    return _read("chatflow", body, _CHATFLOW)


def kind_of(number: int) -> str:
    """What an interrupt's type is called here; one that no page names keeps its number."""
    return _KINDS.get(number, f"{_OTHER}{number}")


def type_of(kind: str) -> int:
    """The number of a kind.  Raises `BadRequest` for one that no workflow asks by."""
    number = kind.removeprefix(_OTHER)
    if kind in _NUMBERS:
        return _NUMBERS[kind]
    if number != kind and number.isascii() and number.isdigit() and len(number) < 10:
        return int(number)
    raise BadRequest(f"A workflow asks no question of the kind {kind[:40]!r}.", hint=f"Kinds: {', '.join(_NUMBERS)}.")


def _refuse_what_only_bots_take(request: Request) -> None:
    wanted = {
        "custom_variables": request.custom_variables,
        "meta_data": request.meta_data,
        "shortcut_command": request.shortcut_command,
    }
    if given := [name for name, value in wanted.items() if value]:
        raise BadRequest(
            f"A workflow cannot carry {', '.join(given)}.",
            code="not_supported_by_upstream",
            hint="Leave it out, or give it as a parameter of the workflow.",
        )


def _medium(part: MediaPart) -> str:
    return part.url or msgspec.json.encode({"file_id": part.key}).decode()


def _check_owner(bot_id: str, app_id: str) -> None:
    if bot_id and app_id:
        raise BadRequest("A workflow runs for a bot or for an app, not for both (bot_id, app_id).")


def _ext(user_id: str, extra_params: Mapping[str, str]) -> dict[str, Any] | None:
    """Where and for whom: `latitude`, `longitude`, `user_id`."""
    given = {**extra_params, "user_id": user_id} if user_id else dict(extra_params)
    return given or None


def _encode(call: msgspec.Struct) -> bytes:
    body = msgspec.json.encode(call)
    if len(body) > MOST_BYTES:
        raise TooLarge(f"The call of a workflow has {len(body)} bytes; Coze takes {MOST_BYTES}.")
    return body


def _read(what: str, body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    if len(body) > MOST_BYTES:
        raise TooLarge(f"{what}: the call has {len(body)} bytes, and {MOST_BYTES} are taken.")
    try:
        return read_json(body, decoder)
    except NotJson as error:
        raise BadRequest(f"{what}: {error}.") from error
