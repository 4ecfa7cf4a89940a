"""`POST /speech` and `POST /transcription`: what is asked to be spoken, and what a recording says.

The answer to the first is the sound itself; to the second `{"text": …}`.

Source: docs/native-api.md, "Audio".
"""

import msgspec

from realcoze.dialects.json_text import NotJson, read_json
from realcoze.domain.ids import BotName
from realcoze.domain.ports import Speech
from realcoze.errors import BadRequest, UpstreamFailed


class _Speech(msgspec.Struct, kw_only=True):
    text: str
    bot: str = ""
    voice: str = ""
    format: str = "mp3"
    speed: float = 1.0


class _Text(msgspec.Struct):
    text: str


SPEECH, TEXT = _Speech, _Text
"""What the bodies of a request for sound and of a transcript are, for who describes this API."""

_SPEECH = msgspec.json.Decoder(_Speech)
_TEXT = msgspec.json.Decoder(_Text)


def decode_speech(body: bytes) -> tuple[Speech, BotName]:
    """The body of a request: what is to be spoken, and on whose account.  Raises `BadRequest`."""
    try:
        asked = read_json(body, _SPEECH)
    except NotJson as error:
        raise BadRequest(f"The body is not what /speech takes: {error}.", hint='Send {"text": "Hello"}.') from error
    speech = Speech(text=asked.text, voice=asked.voice, format=asked.format, speed=asked.speed)
    return speech, BotName(asked.bot)


def encode_speech(speech: Speech, bot: BotName) -> bytes:
    """A client's writing of it."""
    return msgspec.json.encode(
        _Speech(text=speech.text, bot=bot, voice=speech.voice, format=speech.format, speed=speech.speed)
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
