"""`POST /v1/chat/completions`, whole and streamed."""

import time
from functools import partial

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from realcoze.dialects.openai_chat.reply import encode_reply
from realcoze.dialects.openai_chat.request import decode_request, with_extras
from realcoze.dialects.openai_chat.stream import ChunkEncoder
from realcoze.errors import RealcozeError
from realcoze.faces.http import (
    first,
    ignoring,
    new_request_id,
    nobody,
    presented_keys,
    read_body,
    thread_of,
    unless_left,
)
from realcoze.faces.openai.refusal import JSON, refuse_error
from realcoze.faces.streamed import StreamedAnswer, StreamTimes
from realcoze.gateway.access import Access
from realcoze.gateway.chat import Gateway
from realcoze.tasks import aside

EXTRAS = b"x-realcoze-extras"
"""The header that asks for `x_coze` where a client cannot send members of its own."""


class ChatFace:
    def __init__(self, gateway: Gateway, access: Access, *, times: StreamTimes) -> None:
        self._gateway = gateway
        self._access = access
        self._times = times

    def routes(self) -> list[Route]:
        return [Route("/v1/chat/completions", self._post, methods=["POST"])]

    async def _post(self, request: HttpRequest) -> ASGIApp:
        request_id = new_request_id()
        try:
            caller, thread = self._access.authenticate(presented_keys(request.headers)), thread_of(request.headers)
            decode = partial(decode_request, caller=caller, thread=thread)
            asked = await aside(decode, await read_body(request))
            if first(request.headers, EXTRAS).lower() in ("1", "true"):
                asked = with_extras(asked)
            headers = {"x-request-id": request_id, **ignoring(asked.ignored)}
            if not asked.is_streamed:
                asking = self._gateway.ask(asked.request, request_id=request_id)
                reply = await unless_left(request.receive, asking)
                whole = encode_reply(asked, reply, request_id, created=int(time.time()))
                return Response(whole, headers=headers, media_type=JSON)
        except ClientDisconnect:
            return nobody()
        except RealcozeError as error:
            return refuse_error(request_id, error)
        return StreamedAnswer(
            relay=partial(self._gateway.relay, asked.request, request_id=request_id),
            encoder=ChunkEncoder(asked, request_id, created=int(time.time())),
            refuse=partial(refuse_error, request_id),
            headers=headers,
            times=self._times,
        )
