"""Speech of one account: texts spoken, recordings written down.

Source: docs/protocol/openapi-v3.md §11.
"""

import secrets
from collections.abc import Mapping

from realcoze.dialects.coze_open.audio import encode_speech, encode_transcription
from realcoze.domain.media import media_of
from realcoze.domain.ports import Sound, Speech
from realcoze.errors import BadRequest
from realcoze.upstreams.coze_open.calls import Calls
from realcoze.upstreams.coze_open.uploader import SPOKEN

VOICE_HINT = (
    "Name a voice, or set voice_id of the account in realcoze.toml. The ids of all voices come from "
    "GET /v1/audio/voices of Coze's API, with your token; in the workspace they are below Library, Voices."
)


class Voices:
    """`default` is the id of the voice that speaks where none is asked for; empty for none.

    `names` has other names of voices, each with its id, or with none for the default.
    """

    def __init__(self, calls: Calls, *, default: str, names: Mapping[str, str]) -> None:
        self._calls = calls
        self._default = default
        self._names = names

    async def speak(self, speech: Speech) -> Sound:
        """See `Speaks`."""
        voice = self._names.get(speech.voice, speech.voice) or self._default
        if not voice:
            name = speech.voice[:40]
            said = f"{name!r} means the account's own voice, and none is set." if name else "No voice is named."
            raise BadRequest(said, code="no_voice", hint=VOICE_HINT)
        body = encode_speech(speech.text, voice=voice, format=speech.format, speed=speech.speed)
        return await self._calls.speech(body)

    async def transcribe(self, data: bytes, name: str) -> str:
        """See `Transcribes`; what is no sound is refused before it is sent."""
        media = media_of(data, name)
        if data and media.content_type not in SPOKEN:
            raise BadRequest("The file is no recording that Coze can read: it takes WAV, MP3 and Ogg.")
        form = encode_transcription(
            data, name or f"recording{media.extension}", media.content_type, boundary=secrets.token_hex(16)
        )
        return await self._calls.transcription(form)
