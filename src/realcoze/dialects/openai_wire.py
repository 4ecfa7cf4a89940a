"""What the dialects of OpenAI's API share: parts of a message, usage, errors, a data line, ids.

Source: OpenAI's published API; a data URL is RFC 2397.
"""

import binascii
import re
from typing import Any

import msgspec

from realcoze import errors
from realcoze.dialects.statuses import told
from realcoze.domain.content import File, Image, Inline, Part, Text
from realcoze.domain.event import Usage
from realcoze.domain.fold import Reply
from realcoze.domain.ids import RequestId
from realcoze.errors import BadRequest, RealcozeError

STREAM = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"

_DATA_URL = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_WEB = ("https://", "http://")
_SPACE = str.maketrans("", "", " \t\r\n")
_TEXTS = frozenset({"text", "input_text", "output_text"})
_BREAK = re.compile(r"\s")

MODEL_CHARACTERS = 200
LINE_CHARACTERS = 128
"""Base64 that is written in lines has one within so many (RFC 2045 has 76); to look through all of it takes long."""

_TYPES: dict[type[RealcozeError], str] = {
    errors.Unauthorized: "authentication_error",
    errors.TooLarge: "request_too_large",
    errors.RateLimited: "rate_limit_error",
    errors.QuotaExhausted: "insufficient_quota",
    errors.Overloaded: "overloaded",
}
"""The type of an error where it is not that of its kind of fault."""


class ImageUrl(msgspec.Struct):
    url: str


class InputAudio(msgspec.Struct):
    data: str
    format: str | None = None


class FilePart(msgspec.Struct):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class ContentPart(msgspec.Struct):
    """One part of a message; which member is filled in says its type."""

    type: str = "text"
    text: str | None = None
    image_url: ImageUrl | str | None = None
    input_audio: InputAudio | None = None
    file: FilePart | None = None


Content = str | list[ContentPart] | None


class CozeMember(msgspec.Struct):
    """The member `coze` of a request: what only Coze has."""

    custom_variables: dict[str, str] = {}
    parameters: dict[str, Any] = {}
    meta_data: dict[str, str] = {}
    extra_params: dict[str, str] = {}
    shortcut_command: dict[str, Any] = {}
    conversation_id: str = ""
    steps: bool = False
    suggestions: bool = False
    extras: bool = False


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


def check_model(model: str | None) -> None:
    """Raises `BadRequest` for a name that is longer than any: it stands in each chunk of an answer."""
    if len(model or "") > MODEL_CHARACTERS:
        raise BadRequest(f"`model` has more than {MODEL_CHARACTERS} characters.")


def wants_usage(options: StreamOptions | None, *, is_streamed: bool) -> bool:
    """A whole answer has its usage; a stream where that is asked for."""
    return not is_streamed or bool(options and options.include_usage)


class UsageBody(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ErrorBody(msgspec.Struct):
    message: str
    type: str
    param: str | None
    code: str


class _Wrapped(msgspec.Struct):
    error: ErrorBody


FAILURE = _Wrapped
"""What the body of an error is, for who describes these APIs."""


def decode_parts(content: Content, place: int) -> tuple[Part, ...]:
    """The parts of message `place`, counted from 0; none where there is no content.  Raises `BadRequest`."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(text=content),)
    return tuple(_part(part, place) for part in content)


def decode_said(content: Content) -> tuple[Text, ...]:
    """The text of a bot's own message: what it thought, refused or drew cannot be given back to it."""
    if isinstance(content, str):
        return (Text(text=content),) if content else ()
    return tuple(Text(text=part.text) for part in content or () if part.type in _TEXTS and part.text)


def decode_text(content: Content, place: int) -> str:
    """The text of message `place`, where nothing but text can stand.  Raises `BadRequest`."""
    parts = decode_parts(content, place)
    if not all(isinstance(part, Text) for part in parts):
        raise BadRequest(
            f"Message {place} may hold only text.", hint="Pictures and files go into messages of the user."
        )
    return "\n".join(part.text for part in parts if isinstance(part, Text))


def usage_body(usage: Usage) -> UsageBody:
    return UsageBody(usage.input, usage.output, usage.total)


def usage_of(reply: Reply) -> UsageBody:
    """That of a whole answer: zeros where Coze did not count, as programs read it without a look (llm 0.36)."""
    return usage_body(reply.usage or Usage(input=0, output=0, total=0))


def error_body(error: RealcozeError) -> ErrorBody:
    """The inner object; its message has all that helps, as most programs show nothing else.

    LangChain (langchain-openai 1.7.3) knows a context that is too long by the code within the message alone.
    """
    message = told(error)
    if isinstance(error, errors.ContextTooLong):
        message = f"{message} ({errors.ContextTooLong.default_code})"
    return ErrorBody(message, _type_of(error), None, error.code)


def encode_error(error: RealcozeError) -> bytes:
    """The whole body."""
    return msgspec.json.encode(_Wrapped(error_body(error)))


def encode_refusal(code: str, message: str) -> bytes:
    """The same body for a refusal of HTTP itself, which is no error of a turn: path, method, origin."""
    return msgspec.json.encode(_Wrapped(ErrorBody(message, "invalid_request_error", None, code)))


def data_line(body: bytes) -> bytes:
    """One event of a stream: never anything but a `data` line, as `event`, `id` and `retry` break clients."""
    return b"data: %b\n\n" % body


def answer_id(request_id: RequestId) -> str:
    """The id of a chat completion, by which its request can be found in the log."""
    return f"chatcmpl-{request_id.removeprefix('req_')}"


def _type_of(error: RealcozeError) -> str:
    if (name := _TYPES.get(type(error))) is not None:
        return name
    kinds = ((errors.CallerFault, "invalid_request_error"), (errors.UpstreamFault, "upstream_error"))
    return next((name for kind, name in kinds if isinstance(error, kind)), "internal_error")


def _part(part: ContentPart, place: int) -> Part:
    match part.type:
        case kind if kind in _TEXTS and part.text is not None:
            return Text(text=part.text)
        case "image_url" if part.image_url is not None:
            return decode_image(part.image_url if isinstance(part.image_url, str) else part.image_url.url, place)
        case "input_audio" if part.input_audio is not None:
            extension = re.sub(r"\W", "", part.input_audio.format or "")[:8] or "wav"
            return Inline(data=decode_data(part.input_audio.data, place), name=f"audio.{extension}")
        case "file" if part.file is not None and part.file.file_data:
            return Inline(data=decode_data(part.file.file_data, place), name=part.file.filename or "")
        case "file" if part.file is not None and part.file.file_id:
            return File(key=part.file.file_id)
    known = "text, image_url, input_audio and file"
    raise BadRequest(f"Message {place} has a part of type {part.type[:40]!r} that cannot be read; {known} are known.")


def decode_image(url: str, place: int) -> Part:
    """A picture in message `place`: Coze fetches what stands at an address; what stands in the request is uploaded.

    Raises `BadRequest`.
    """
    if url.startswith(_WEB):
        return Image(url=url)
    if not _DATA_URL.match(url):
        raise BadRequest(f"The image_url of message {place} is neither an address on the web nor a data URL in base64.")
    return Inline(data=decode_data(url, place))


def decode_data(text: str, place: int) -> bytes:
    """The bytes of a data URL, or of bare base64, in message `place`.  Raises `BadRequest`."""
    start = _DATA_URL.match(text)
    encoded = (text[start.end() :] if start else text).strip()
    if _BREAK.search(encoded, 0, LINE_CHARACTERS):
        encoded = encoded.translate(_SPACE)
    try:
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"A file in message {place} is no base64.") from error
    if not data:
        raise BadRequest(f"A file in message {place} is empty.")
    return data
