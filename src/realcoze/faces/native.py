"""Our own HTTP API: `POST /`, files and speech, and `GET /health`.  Its users read docs/native-api.md."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol, TypeVar

from msgspec.structs import replace
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from realcoze import __version__
from realcoze.dialects.native.failure import encode_error, encode_refusal
from realcoze.dialects.native.health import encode_health
from realcoze.dialects.native.records import NdjsonEncoder, SseEncoder
from realcoze.dialects.native.reply import encode_reply
from realcoze.dialects.native.request import Question, decode_request
from realcoze.dialects.native.snapshots import SnapshotEncoder, encode_flat_error
from realcoze.dialects.native.speech import decode_speech, encode_text
from realcoze.dialects.native.upload import encode_uploaded
from realcoze.dialects.statuses import retry_after_of, status_of
from realcoze.domain.ids import BotName, RequestId
from realcoze.errors import RealcozeError
from realcoze.faces.fields import fields_of, presented_keys, thread_of
from realcoze.faces.http import (
    TEXT_BODY_BYTES,
    Refused,
    Work,
    answered,
    declared_bytes,
    new_request_id,
    nobody,
    read_body,
    read_file,
    unless_left,
)
from realcoze.faces.room import Room
from realcoze.faces.streamed import HeldAnswer, StreamedAnswer, StreamTimes
from realcoze.gateway.access import Access
from realcoze.gateway.chat import Gateway
from realcoze.tasks import aside

JSON = "application/json; charset=utf-8"

Health = Callable[[], Mapping[str, object]]


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class WithFile(Protocol[T_co]):
    """Something that the gateway does with a file."""

    def __call__(self, data: bytes, name: str, *, bot: BotName) -> Awaitable[T_co]: ...


class NativeFace:
    """`health` gives what /health tells of each upstream; `room` is for files that are on their way."""

    def __init__(
        self, gateway: Gateway, access: Access, *, health: Health, times: StreamTimes, room: Room, upload_bytes: int
    ) -> None:
        self._gateway = gateway
        self._access = access
        self._health = health
        self._times = times
        self._upload_bytes = upload_bytes
        self._room = room

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self._post, methods=["POST"]),
            Route("/upload", self._answering(self._upload), methods=["POST"]),
            Route("/speech", self._answering(self._speech), methods=["POST"]),
            Route("/transcription", self._answering(self._transcription), methods=["POST"]),
            Route("/health", self._get_health, methods=["GET"]),
        ]

    async def _post(self, request: HttpRequest) -> ASGIApp:
        request_id = new_request_id()
        refuse = partial(_refuse_flat if _is_flat(request) else refuse_error, request_id)
        try:
            fields = fields_of(request.scope)
            caller, thread = self._access.authenticate(presented_keys(fields)), thread_of(fields)
            subscribe = request.query_params.get("subscribe", "")
            question = await aside(partial(decode_request, subscribe=subscribe), await read_body(request))
            question = replace(question, request=replace(question.request, caller=caller, thread=thread))
            if not (question.is_streamed or _is_streamed(request)):
                return await self._whole(request, question, request_id)
        except ClientDisconnect:
            return nobody()
        except RealcozeError as error:
            return refuse(error)
        relay = partial(self._gateway.relay, question.request, request_id=request_id)
        headers: dict[str, str] = {"x-request-id": request_id}
        framing = _framing(request)
        if framing is None and not _is_streamed(request):
            # It was the body that asked for a stream, as with APIs that answer in server-sent events.
            framing = SseEncoder
        if framing is None:
            held = SnapshotEncoder(steps=question.steps)
            return HeldAnswer(relay=relay, encoder=held, refuse=refuse, headers=headers, times=self._times)
        encoder = framing(request_id=request_id, steps=question.steps)
        return StreamedAnswer(relay=relay, encoder=encoder, refuse=refuse, headers=headers, times=self._times)

    async def _whole(self, request: HttpRequest, question: Question, request_id: RequestId) -> Response:
        """The whole answer at once; a client that leaves stops the turn.  Raises the turn's error."""
        reply = await unless_left(request.receive, self._gateway.ask(question.request, request_id=request_id))
        body = encode_reply(question, reply, request_id)
        return Response(body, media_type=JSON, headers={"x-request-id": request_id})

    async def _upload(self, request: HttpRequest) -> Response:
        """A file in the body, or as the field `file` of a form; its key for a history entry."""
        part = await self._with_file(request, self._gateway.upload)
        return Response(encode_uploaded(part), media_type=JSON)

    async def _speech(self, request: HttpRequest) -> Response:
        """A text, spoken."""
        speech, bot = decode_speech(await read_body(request, max_bytes=TEXT_BODY_BYTES))
        sound = await unless_left(request.receive, self._gateway.speak(speech, bot=bot))
        return Response(sound.data, media_type=sound.content_type)

    async def _transcription(self, request: HttpRequest) -> Response:
        """What a recording says, which comes as a file does."""
        text = await self._with_file(request, self._gateway.transcribe)
        return Response(encode_text(text), media_type=JSON)

    def _answering(self, work: Work) -> Work:
        """The same for callers who may ask."""
        return partial(answered, access=self._access, work=work, refuse=refuse_error)

    async def _with_file(self, request: HttpRequest, work: WithFile[T]) -> T:
        """Read the file of a request, with its name and the bot that it is for, and do something with it."""
        with self._room.place(declared_bytes(request, most=self._upload_bytes)):
            file = await read_file(request, max_bytes=self._upload_bytes)
            bot = BotName(request.query_params.get("bot", ""))
            name = request.query_params.get("name", file.name)
            return await unless_left(request.receive, work(file.data, name, bot=bot))

    async def _get_health(self, request: HttpRequest) -> Response:
        """How it stands; with `?bots=all` the bots that are discovered as well, for who may ask them."""
        bots = self._gateway.bots
        if request.query_params.get("bots") == "all" and self._may_ask(request):
            bots += await self._gateway.discovered()
        return Response(encode_health(__version__, bots, self._health()), media_type=JSON)

    def _may_ask(self, request: HttpRequest) -> bool:
        try:
            self._access.authenticate(presented_keys(fields_of(request.scope)))
        except RealcozeError:
            return False
        return True


def refuse_error(request_id: RequestId, error: RealcozeError) -> Response:
    """An error before any answer has begun."""
    return Response(encode_error(error, request_id), status_of(error), _error_headers(request_id, error), JSON)


def refuse_at_door(refused: Refused) -> Response:
    """The same shape for what the guard and the router refuse."""
    request_id = new_request_id()
    body = encode_refusal(refused.code, refused.message, request_id)
    return Response(body, refused.status, {"x-request-id": request_id}, JSON)


def _refuse_flat(request_id: RequestId, error: RealcozeError) -> Response:
    return Response(encode_flat_error(error), status_of(error), _error_headers(request_id, error), JSON)


def _error_headers(request_id: RequestId, error: RealcozeError) -> dict[str, str]:
    headers: dict[str, str] = {"x-request-id": request_id}
    if (retry_after := retry_after_of(error)) is not None:
        headers["retry-after"] = str(retry_after)
    return headers


def _is_streamed(request: HttpRequest) -> bool:
    return request.query_params.get("stream", "").lower() in ("true", "1")


def _is_flat(request: HttpRequest) -> bool:
    """The client reads the stream of the Node program: it named no better framing."""
    return _is_streamed(request) and _framing(request) is None


def _framing(request: HttpRequest) -> type[NdjsonEncoder] | None:
    accept = ",".join(fields_of(request.scope).all(b"accept")).lower()
    if SseEncoder.content_type.partition(";")[0] in accept:
        return SseEncoder
    return NdjsonEncoder if NdjsonEncoder.content_type in accept else None
