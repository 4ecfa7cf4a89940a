"""OpenAI's audio: a text that is to be spoken, a recording that is to be written down.

Source: openai 3, types/audio; docs/openai-api.md.
"""

from typing import Annotated, Literal

import msgspec

from realcoze.dialects.json_text import NotJson, read_json
from realcoze.domain.ids import BotName
from realcoze.domain.ports import Speech
from realcoze.errors import BadRequest

VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse",
)  # fmt: skip
"""OpenAI's own; its packages want one of them said, so that they mean an account's own voice here."""

_FORMATS = {"mp3": "mp3", "opus": "ogg_opus", "wav": "wav", "pcm": "pcm"}
"""Theirs → Coze's."""

_HINT = 'Send {"model": "NAME", "input": "Hello", "voice": "alloy"}.'

Written = Literal["json", "text"]


class _Voice(msgspec.Struct):
    id: str


class _Speech(msgspec.Struct):
    input: str
    model: str | None = None
    voice: str | _Voice | None = None
    response_format: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(_FORMATS)})] | None = None
    speed: float | None = None
    instructions: str | None = None
    stream_format: str | None = None


class _Text(msgspec.Struct):
    text: str


SPEECH, TEXT = _Speech, _Text
"""What the bodies of a request for sound and of a transcript are, for who describes this API."""

_DECODER = msgspec.json.Decoder(_Speech)


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be spoken on the account of which bot, and the members that were passed over."""

    speech: Speech
    bot: BotName
    ignored: tuple[str, ...] = ()


def decode_speech(body: bytes) -> Spoken:
    """The body of `/v1/audio/speech`.  Raises `BadRequest`."""
    try:
        asked = read_json(body, _DECODER)
    except NotJson as error:
        raise BadRequest(f"The body cannot be read: {error}.", hint=_HINT) from error
    wished = asked.response_format or "mp3"
    if wished not in _FORMATS:
        raise BadRequest(f"`response_format` is {wished[:20]!r}; Coze speaks {', '.join(_FORMATS)}.")
    if asked.stream_format not in (None, "audio"):
        raise BadRequest("`stream_format` can be audio only; the sound comes as a whole.")
    voice = asked.voice.id if isinstance(asked.voice, _Voice) else asked.voice or ""
    speed = 1.0 if asked.speed is None else asked.speed
    return Spoken(
        speech=Speech(text=asked.input, voice=voice, format=_FORMATS[wished], speed=speed),
        bot=BotName(asked.model or ""),
        ignored=("instructions",) if asked.instructions else (),
    )


def written_as(response_format: str, *, stream: str = "") -> Written:
    """The form of a transcript that fields of a form ask for; empty for the usual one.  Raises `BadRequest`."""
    if stream.lower() in ("true", "1"):
        raise BadRequest("`stream` asks for a transcript in pieces, and it comes as a whole.")
    match response_format:
        case "" | "json":
            return "json"
        case "text":
            return "text"
    raise BadRequest(
        f"`response_format` is {response_format[:20]!r}; there are json and text.",
        hint="Coze writes down what was said, and not when.",
    )


def encode_text(text: str, form: Written) -> tuple[bytes, str]:
    """The body of a transcript, and its content type."""
    if form == "text":
        return f"{text}\n".encode(), "text/plain; charset=utf-8"
    return msgspec.json.encode(_Text(text)), "application/json"
