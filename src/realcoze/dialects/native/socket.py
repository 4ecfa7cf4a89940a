"""The websocket's messages: `{"uuid", "data"}` both ways, `{"uuid", "error"}`, `{"uuid", "cancel": true}`.

`data` is a request as `POST /` takes it, and comes back any number of times as
`{"content", "continue", "reply_type"}`; the one with `continue` false is the last.

Source: docs/native-api.md, "The websocket"; docs/protocol/playground-2024.md §9 for the Node program's.
"""

from dataclasses import dataclass

import msgspec

from realcoze.dialects.json_text import NotJson, read_foreign, read_json
from realcoze.dialects.native.failure import ErrorBody, error_body
from realcoze.dialects.native.reply import ANSWER, encode_reply
from realcoze.dialects.native.request import REPLY_TYPES, Question, decode_request
from realcoze.domain.event import Step
from realcoze.domain.fold import Reply
from realcoze.domain.ids import RequestId
from realcoze.errors import BadRequest, RealcozeError

UUID_CHARACTERS = 200
"""The longest name that a client may give a turn."""


@dataclass(frozen=True, slots=True)
class Ask:
    uuid: str
    question: Question


@dataclass(frozen=True, slots=True)
class Cancel:
    uuid: str


class BadMessage(Exception):
    """What is wrong with a message, and whose it is as far as one can tell."""

    def __init__(self, uuid: str, error: BadRequest) -> None:
        super().__init__(error.message)
        self.uuid, self.error = uuid, error


class _Incoming(msgspec.Struct):
    uuid: str = ""
    data: msgspec.Raw = msgspec.Raw()
    cancel: bool = False
    subscribe: list[int] = []


class _Named(msgspec.Struct):
    """As much as is read of a message that is wrong."""

    uuid: str = ""


class _Data(msgspec.Struct, rename={"is_continued": "continue"}):
    content: str
    is_continued: bool
    reply_type: int


class _Outgoing(msgspec.Struct):
    uuid: str
    data: _Data | msgspec.Raw


class _Error(msgspec.Struct):
    uuid: str
    error: ErrorBody


_INCOMING = msgspec.json.Decoder(_Incoming)
_NAMED = msgspec.json.Decoder(_Named)


def decode_message(data: bytes) -> Ask | Cancel:
    """Read one message of a client, from a text or a binary frame.  Raises `BadMessage`."""
    try:
        message = read_foreign(data, _INCOMING)
    except NotJson as error:
        raise BadMessage(_uuid(data), BadRequest(f"The message cannot be read: {error}.", hint=_HINT)) from error
    if not message.uuid or len(message.uuid) > UUID_CHARACTERS:
        said = f"`uuid` must be a text of 1 to {UUID_CHARACTERS} characters."
        raise BadMessage("", BadRequest(said, hint=_HINT))
    if message.cancel:
        return Cancel(message.uuid)
    if not bytes(message.data):
        raise BadMessage(message.uuid, BadRequest("The message has no `data`.", hint=_HINT))
    try:
        subscribe = ",".join(map(str, message.subscribe))
        return Ask(message.uuid, decode_request(bytes(message.data), subscribe=subscribe))
    except BadRequest as error:
        raise BadMessage(message.uuid, error) from error


def encode_snapshot(uuid: str, text: str) -> str:
    """The answer so far."""
    return _encode(_Outgoing(uuid, _Data(text, is_continued=True, reply_type=ANSWER)))


def encode_step(uuid: str, step: Step) -> str:
    """Something on the way."""
    return _encode(_Outgoing(uuid, _Data(step.body, is_continued=True, reply_type=REPLY_TYPES[step.kind])))


def encode_last(uuid: str, question: Question, reply: Reply, request_id: RequestId) -> str:
    """The whole answer, as `POST /` would give it."""
    return _encode(_Outgoing(uuid, msgspec.Raw(encode_reply(question, reply, request_id))))


def encode_failure(uuid: str, error: RealcozeError, request_id: RequestId) -> str:
    """The turn failed; other turns on the socket go on."""
    return _encode(_Error(uuid, error_body(error, request_id)))


_HINT = 'Send {"uuid": "any name", "data": [{"role": 2, "content": "Hello"}]}.'


def _uuid(data: bytes) -> str:
    try:
        uuid = read_json(data, _NAMED).uuid
    except NotJson:
        return ""
    return uuid if len(uuid) <= UUID_CHARACTERS else ""


def _encode(body: msgspec.Struct) -> str:
    return msgspec.json.encode(body).decode()
