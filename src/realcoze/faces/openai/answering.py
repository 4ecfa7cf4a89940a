"""The calls of OpenAI's API that a bot answers, whole or streamed: one face for all their dialects."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from realcoze.domain.fold import Reply
from realcoze.domain.ids import CallerId, RequestId
from realcoze.domain.request import Request, Thread
from realcoze.errors import RealcozeError
from realcoze.faces.fields import Fields, fields_of, presented_keys, thread_of
from realcoze.faces.http import ignoring, new_request_id, nobody, read_body, unless_left
from realcoze.faces.openai.refusal import JSON, refuse_error
from realcoze.faces.streamed import Encoder, StreamedAnswer, StreamTimes
from realcoze.gateway.access import Access
from realcoze.gateway.chat import Gateway
from realcoze.tasks import aside


class Asked(Protocol):
    """What each dialect reads of a request, beside what it keeps for its answer."""

    @property
    def request(self) -> Request: ...
    @property
    def is_streamed(self) -> bool: ...
    @property
    def ignored(self) -> tuple[str, ...]: ...


A = TypeVar("A", bound=Asked)
A_co = TypeVar("A_co", bound=Asked, covariant=True)
A_contra = TypeVar("A_contra", bound=Asked, contravariant=True)


class Decode(Protocol[A_co]):
    def __call__(self, body: bytes, /, *, caller: CallerId, thread: Thread | None) -> A_co: ...


class EncodeReply(Protocol[A_contra]):
    def __call__(self, asked: A_contra, reply: Reply, request_id: RequestId, /, *, created: int) -> bytes: ...


class NewEncoder(Protocol[A_contra]):
    def __call__(self, asked: A_contra, request_id: RequestId, /, *, created: int) -> Encoder: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[A]):
    """A path and its dialect; `created` is in seconds since 1970, and `amend` heeds what headers ask for."""

    path: str
    decode: Decode[A]
    encode_reply: EncodeReply[A]
    new_encoder: NewEncoder[A]
    amend: Callable[[A, Fields], A] | None = None


class AnsweringFace(Generic[A]):
    def __init__(self, gateway: Gateway, access: Access, call: Call[A], *, times: StreamTimes) -> None:
        self._gateway = gateway
        self._access = access
        self._call = call
        self._times = times

    def routes(self) -> list[Route]:
        return [Route(self._call.path, self._post, methods=["POST"])]

    async def _post(self, request: HttpRequest) -> ASGIApp:
        request_id, call = new_request_id(), self._call
        try:
            fields = fields_of(request.scope)
            caller, thread = self._access.authenticate(presented_keys(fields)), thread_of(fields)
            decode = partial(call.decode, caller=caller, thread=thread)
            asked = await aside(decode, await read_body(request))
            if call.amend is not None:
                asked = call.amend(asked, fields)
            headers = {
                "x-request-id": request_id,
                **ignoring(asked.ignored, heeds_offer=self._gateway.heeds_offer(asked.request)),
            }
            if not asked.is_streamed:
                asking = self._gateway.ask(asked.request, request_id=request_id)
                reply = await unless_left(request.receive, asking)
                whole = call.encode_reply(asked, reply, request_id, created=int(time.time()))
                return Response(whole, headers=headers, media_type=JSON)
        except ClientDisconnect:
            return nobody()
        except RealcozeError as error:
            return refuse_error(request_id, error)
        return StreamedAnswer(
            relay=partial(self._gateway.relay, asked.request, request_id=request_id),
            encoder=call.new_encoder(asked, request_id, created=int(time.time())),
            refuse=partial(refuse_error, request_id),
            headers=headers,
            times=self._times,
        )
