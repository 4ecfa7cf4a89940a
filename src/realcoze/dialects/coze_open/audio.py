"""Audio over HTTP: a text spoken, a recording written down, the voices there are.

Source: docs/protocol/openapi-v3.md §11.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from realcoze.dialects.coze_open.envelope import decode_answer, logid_of, raise_refusal
from realcoze.dialects.coze_open.files import encode_upload
from realcoze.dialects.coze_open.objects import Word
from realcoze.dialects.json_text import read_json
from realcoze.domain.ports import Sound
from realcoze.errors import BadRequest, TooLarge, UpstreamFailed

SPEECH_PATH = "/v1/audio/speech"
TRANSCRIPTIONS_PATH = "/v1/audio/transcriptions"
VOICES_PATH = "/v1/audio/voices"

FORMATS = ("wav", "pcm", "ogg_opus", "mp3")
SPEEDS = (0.2, 3.0)
"""Of the small voices; the big ones take 0.5 to 2."""

SAMPLE_RATE = 24_000
MOST_TEXT_BYTES = 1024
MOST_RECORDING_BYTES = 10 << 20


class SpeechCall(msgspec.Struct):
    """The body of a call for speech."""

    input: str
    voice_id: str
    response_format: str = "mp3"
    speed: float = 1.0
    sample_rate: int = SAMPLE_RATE


class _Text(msgspec.Struct):
    text: Word = None


class _TextAnswer(msgspec.Struct):
    data: _Text | None = None


_SPEECH = msgspec.json.Decoder(SpeechCall)
_TEXT = msgspec.json.Decoder(_TextAnswer)


@dataclass(frozen=True, slots=True)
class Form:
    """The body of a call that is a form, and its Content-Type."""

    content_type: str
    body: bytes


def encode_speech(text: str, *, voice: str, format: str, speed: float) -> bytes:  # noqa: A002 - the field's word
    """The body of a call.  Raises `BadRequest` for what Coze would refuse."""
    size_bytes = len(text.encode(errors="replace"))
    if not text.strip():
        raise BadRequest("There is no text to speak.")
    if size_bytes > MOST_TEXT_BYTES:
        raise BadRequest(
            f"The text has {size_bytes} bytes in UTF-8; {MOST_TEXT_BYTES} is the most that is spoken at once.",
            hint="Speak it in parts, sentence by sentence.",
        )
    if format not in FORMATS:
        raise BadRequest(f"{format[:20]!r} is no format of speech; there are {', '.join(FORMATS)}.")
    if not SPEEDS[0] <= speed <= SPEEDS[1]:
        raise BadRequest(f"The speed is from {SPEEDS[0]} to {SPEEDS[1]:.0f}; 1 is as one speaks.")
    return msgspec.json.encode(SpeechCall(_whole(text), voice, format, speed))


def decode_speech(status: int, headers: Mapping[str, str], body: bytes) -> Sound:
    """What was spoken; a refusal is JSON.  Raises what `decode_answer` raises."""
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if status == 200 and content_type.startswith("audio/") and body:
        return Sound(data=body, content_type=content_type)
    raise_refusal(status, headers, body)
    raise UpstreamFailed(
        "Coze's answer to a call for speech is no sound.", code="upstream_protocol", logid=logid_of(headers)
    )


def encode_transcription(data: bytes, name: str, content_type: str, *, boundary: str) -> Form:
    """A recording as the one part of a form.  Raises `BadRequest` and `TooLarge`."""
    if not data:
        raise BadRequest("The recording is empty.")
    if len(data) > MOST_RECORDING_BYTES:
        raise TooLarge(f"The recording has {len(data)} bytes; {MOST_RECORDING_BYTES} is the most.")
    return Form(*encode_upload(data, name, content_type, boundary=boundary))


def decode_text(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """What was said in a recording, possibly nothing.  Raises what `decode_answer` raises."""
    data = decode_answer(status, headers, body, _TEXT).data
    if data is None or data.text is None:
        raise UpstreamFailed("Coze's answer to a recording has no text.", code="upstream_protocol")
    return data.text


def decode_speech_call(body: bytes) -> SpeechCall:
    """What a server is asked to speak.  Raises `NotJson`."""
    return read_json(body, _SPEECH)


def _whole(text: str) -> str:
    """Half an emoji cannot be sent."""
    return text.encode(errors="replace").decode()
