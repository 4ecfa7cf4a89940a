"""`POST /speech` and `POST /transcription`: what is asked to be spoken, and what a recording says.

The answer to the first is the sound itself; to the second `{"text": …}`.

Source: docs/native-api.md, "Audio".
"""

from dataclasses import dataclass

import msgspec

from realcoze.dialects.json_text import NotJson, read_json
from realcoze.domain.ids import BotName
from realcoze.errors import BadRequest, UpstreamFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """A text to be spoken; no `voice` means that of the settings."""

    text: str
    bot: BotName = BotName("")
    voice: str = ""
    format: str = "mp3"
    speed: float = 1.0


class _Speech(msgspec.Struct, kw_only=True):
    text: str
    bot: str = ""
    voice: str = ""
    format: str = "mp3"
    speed: float = 1.0


class _Text(msgspec.Struct):
    text: str


_SPEECH = msgspec.json.Decoder(_Speech)
_TEXT = msgspec.json.Decoder(_Text)


def decode_speech(body: bytes) -> Speech:
    """The body of a request.  Raises `BadRequest`."""
    try:
        asked = read_json(body, _SPEECH)
    except NotJson as error:
        raise BadRequest(f"The body is not what /speech takes: {error}.", hint='Send {"text": "Hello"}.') from error
    return Speech(text=asked.text, bot=BotName(asked.bot), voice=asked.voice, format=asked.format, speed=asked.speed)


def encode_speech(speech: Speech) -> bytes:
    """A client's writing of it."""
    return msgspec.json.encode(
        _Speech(text=speech.text, bot=speech.bot, voice=speech.voice, format=speech.format, speed=speech.speed)
    )


def encode_text(text: str) -> bytes:
    """The body of an answer."""
    return msgspec.json.encode(_Text(text))


def decode_text(body: bytes) -> str:
    """A client's reading of it.  Raises `UpstreamFailed`."""
    try:
        return read_json(body, _TEXT).text
    except NotJson as error:
        raise UpstreamFailed(f"The server's answer cannot be read: {error}.", code="upstream_protocol") from error
