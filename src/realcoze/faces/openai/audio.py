"""`POST /v1/audio/speech` and `POST /v1/audio/transcriptions`: by the voices of a bot's account."""

from functools import partial

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from realcoze.dialects.openai_audio import decode_speech, encode_text, written_as
from realcoze.domain.ids import BotName
from realcoze.errors import BadRequest
from realcoze.faces.http import (
    TEXT_BODY_BYTES,
    Work,
    answered,
    declared_bytes,
    ignoring,
    is_a_form,
    read_body,
    read_file,
    unless_left,
)
from realcoze.faces.openai.refusal import refuse_error
from realcoze.faces.room import Room
from realcoze.gateway.access import Access
from realcoze.gateway.chat import Gateway

IGNORED = ("language", "prompt", "temperature", "timestamp_granularities[]", "include[]", "chunking_strategy")
"""Fields of a form that would change what is written down; Coze's call has none."""


class AudioFace:
    """`room` is for recordings that are on their way."""

    def __init__(self, gateway: Gateway, access: Access, *, room: Room, upload_bytes: int) -> None:
        self._gateway = gateway
        self._access = access
        self._room = room
        self._upload_bytes = upload_bytes

    def routes(self) -> list[Route]:
        return [self._route("/v1/audio/speech", self._speak), self._route("/v1/audio/transcriptions", self._transcribe)]

    def _route(self, path: str, work: Work) -> Route:
        endpoint = partial(answered, access=self._access, work=work, refuse=refuse_error)
        return Route(path, endpoint, methods=["POST"])

    async def _speak(self, request: HttpRequest) -> Response:
        asked = decode_speech(await read_body(request, max_bytes=TEXT_BODY_BYTES))
        sound = await unless_left(request.receive, self._gateway.speak(asked.speech, bot=asked.bot))
        return Response(sound.data, headers=ignoring(asked.ignored), media_type=sound.content_type)

    async def _transcribe(self, request: HttpRequest) -> Response:
        if not is_a_form(request):
            raise BadRequest("A recording comes in a form.", hint="With curl: -F file=@hello.wav -F model=NAME.")
        with self._room.place(declared_bytes(request, most=self._upload_bytes)):
            file = await read_file(request, max_bytes=self._upload_bytes)
            form = written_as(file.fields.get("response_format", ""), stream=file.fields.get("stream", ""))
            bot = BotName(file.fields.get("model", ""))
            text = await unless_left(request.receive, self._gateway.transcribe(file.data, file.name, bot=bot))
        body, content_type = encode_text(text, form)
        ignored = ignoring(name for name in IGNORED if file.fields.get(name))
        return Response(body, headers=ignored, media_type=content_type)
