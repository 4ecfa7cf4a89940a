"""Audio at the emulated Coze: speech is a row of tones, a recording is described instead of understood.

It makes WAV and PCM; for MP3 and Ogg it has no encoder, and refuses them in words.

Source: docs/protocol/openapi-v3.md §11.
"""

from typing import Any

from aiohttp import web

from realcoze.dialects.coze_open import audio
from realcoze.dialects.json_text import NotJson
from realcoze.domain.media import media_of
from realcoze.emulator.open_api.conversation import paging
from realcoze.emulator.open_api.desk import LOGID, Desk
from realcoze.emulator.open_api.file import the_file
from realcoze.emulator.open_api.personality import Refused, Reply
from realcoze.emulator.open_api.state import page
from realcoze.emulator.sound import pcm_of, recording_of, wav_of
from realcoze.emulator.wire import WireNote

VOICES = {"7400000000000000001": ("Tones", "big"), "7400000000000000002": ("Whistle", "small")}
"""By id: the name, and the kind of model."""

MOST_VOICES = 100
"""On one page."""

MADE_AT = 1_750_000_000
RATES = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


class OpenAudio:
    """Routes for one aiohttp application."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def more_routes(self) -> list[web.RouteDef]:
        """Studio has none of them."""
        guarded = self._desk.guarded
        return [
            web.post(audio.SPEECH_PATH, guarded(self._speech)),
            web.post(audio.TRANSCRIPTIONS_PATH, guarded(self._transcription)),
            web.get(audio.VOICES_PATH, guarded(self._voices)),
        ]

    async def _speech(self, request: web.Request) -> Reply | web.Response:
        try:
            call = audio.decode_speech_call(await request.read())
        except NotJson as error:
            raise Refused(4000, f"invalid parameter: {error}") from error
        if len(call.input.encode(errors="replace")) > audio.MOST_TEXT_BYTES:
            raise Refused(3010, "the text is longer than 1024 bytes")
        if call.voice_id not in VOICES:
            raise Refused(4200, f"Requested resource voice_id={call.voice_id[:40]} does not exist.")
        if call.sample_rate not in RATES or not audio.SPEEDS[0] <= call.speed <= audio.SPEEDS[1]:
            raise Refused(4000, "invalid parameter: sample_rate or speed")
        if call.response_format not in ("wav", "pcm"):
            raise Refused(4000, f"the emulator has no encoder for {call.response_format[:20]}: ask for wav or pcm")
        make = wav_of if call.response_format == "wav" else pcm_of
        sound = make(call.input, call.sample_rate, call.speed)
        headers = {self._desk.personality.logid_header: request[LOGID]}
        return web.Response(body=sound, content_type=f"audio/{call.response_format}", headers=headers)

    async def _transcription(self, request: web.Request) -> Reply:
        name, data = await the_file(request)
        if len(data) > audio.MOST_RECORDING_BYTES:
            raise Refused(4302, "the file is too large")
        self._desk.note(WireNote("upload", f"recording {name[:40]}", len(data)))
        return self._desk.personality.success({"text": _described(data)}, request[LOGID])

    async def _voices(self, request: web.Request) -> Reply:
        kind = request.query.get("model_type", "")
        voices = [_voice(name, *told) for name, told in VOICES.items() if kind in ("", told[1])]
        items, has_more = page(voices, *paging(request, "page_num", MOST_VOICES))
        return self._desk.personality.success({"voice_list": items, "has_more": has_more}, request[LOGID])


def _described(data: bytes) -> str:
    """What a recording is.  Raises `Refused`."""
    found = recording_of(data)
    if found is not None:
        return f"A recording of {found.seconds:.2f} seconds at {found.rate} Hz."
    media = media_of(data)
    if media.content_type not in ("audio/mpeg", "audio/ogg"):
        raise Refused(4303, "the file is no recording")
    return f"A recording in {media.content_type} of {len(data)} bytes."


def _voice(voice_id: str, name: str, kind: str) -> dict[str, Any]:
    """All that SDKs demand."""
    return {
        "voice_id": voice_id,
        "name": name,
        "is_system_voice": True,
        "language_code": "en",
        "language_name": "English",
        "preview_text": "Hello",
        "preview_audio": "https://lf-coze-web.example/hello.mp3",
        "available_training_times": 0,
        "create_time": MADE_AT,
        "update_time": MADE_AT,
        "model_type": kind,
        "state": "init",
        "support_emotions": [],
    }
