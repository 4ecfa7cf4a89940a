"""The Anthropic Messages API, as its clients find it under a base URL.  Its users read docs/anthropic-api.md."""

from collections.abc import Awaitable, Callable
from functools import partial

from msgspec.structs import replace
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from realcoze.dialects.anthropic_messages.counting import encode_count
from realcoze.dialects.anthropic_messages.failure import encode_error, encode_refusal, status_of
from realcoze.dialects.anthropic_messages.models import decode_limit, encode_model, encode_models
from realcoze.dialects.anthropic_messages.reply import encode_reply
from realcoze.dialects.anthropic_messages.request import Question, decode_history, decode_request
from realcoze.dialects.anthropic_messages.stream import MessageEncoder
from realcoze.dialects.statuses import retry_headers
from realcoze.domain.ids import BotName, CallerId, RequestId
from realcoze.errors import RealcozeError
from realcoze.faces.fields import fields_of, presented_keys, thread_of
from realcoze.faces.http import Refused, ignoring, new_request_id, nobody, read_body, unless_left
from realcoze.faces.streamed import StreamedAnswer, StreamTimes
from realcoze.gateway.access import Access
from realcoze.gateway.chat import Gateway
from realcoze.tasks import aside

JSON = "application/json; charset=utf-8"

Work = Callable[[RequestId, CallerId], Awaitable[ASGIApp]]


class AnthropicFace:
    """`get_all` and `get_one` give models, at paths that another API has too: who composes the faces chooses."""

    def __init__(self, gateway: Gateway, access: Access, *, times: StreamTimes) -> None:
        self._gateway = gateway
        self._access = access
        self._times = times

    def routes(self) -> list[Route]:
        return [
            Route("/v1/messages", self._messages, methods=["POST"]),
            Route("/v1/messages/count_tokens", self._count_tokens, methods=["POST"]),
        ]

    async def get_all(self, request: HttpRequest) -> ASGIApp:
        """The bots, their other names and those that are discovered, page by page."""

        async def work(request_id: RequestId, _caller: CallerId) -> Response:
            query = request.query_params
            body = encode_models(
                await self._gateway.names(),
                limit=decode_limit(query.get("limit", "")),
                after=query.get("after_id", ""),
                before=query.get("before_id", ""),
            )
            return Response(body, headers=_ids(request_id), media_type=JSON)

        return await self._answered(request, work)

    async def get_one(self, request: HttpRequest) -> ASGIApp:
        """One of them, by the path's parameter `name`."""

        async def work(request_id: RequestId, _caller: CallerId) -> Response:
            name = BotName(request.path_params["name"])
            await self._gateway.find(name)
            return Response(encode_model(name), headers=_ids(request_id), media_type=JSON)

        return await self._answered(request, work)

    async def _messages(self, request: HttpRequest) -> ASGIApp:
        async def work(request_id: RequestId, caller: CallerId) -> ASGIApp:
            question = await _question(request, caller)
            heeds_offer = self._gateway.heeds_offer(question.request)
            headers = {**_ids(request_id), **ignoring(question.ignored, heeds_offer=heeds_offer)}
            if not question.is_streamed:
                reply = await unless_left(request.receive, self._gateway.ask(question.request, request_id=request_id))
                body = encode_reply(question.request, reply, request_id)
                return Response(body, headers=headers, media_type=JSON)
            return StreamedAnswer(
                relay=partial(self._gateway.relay, question.request, request_id=request_id),
                encoder=MessageEncoder(question.request, request_id=request_id),
                refuse=partial(refuse_error, request_id),
                headers=headers,
                times=self._times,
            )

        return await self._answered(request, work)

    async def _count_tokens(self, request: HttpRequest) -> ASGIApp:
        async def work(request_id: RequestId, _caller: CallerId) -> Response:
            history = await aside(decode_history, await read_body(request))
            await self._gateway.find(history.bot)
            headers = {**_ids(request_id), "x-realcoze-estimate": "true"}
            if not self._gateway.heeds_offer(history):
                history = replace(history, offer=None)
            return Response(encode_count(history), headers=headers, media_type=JSON)

        return await self._answered(request, work)

    async def _answered(self, request: HttpRequest, work: Work) -> ASGIApp:
        """What `work` comes to for a caller who may ask."""
        request_id = new_request_id()
        try:
            caller = self._access.authenticate(presented_keys(fields_of(request.scope)))
            return await work(request_id, caller)
        except ClientDisconnect:
            return nobody()
        except RealcozeError as error:
            return refuse_error(request_id, error)


def refuse_error(request_id: RequestId, error: RealcozeError) -> Response:
    """An error before any answer has begun."""
    headers = {**_ids(request_id), **retry_headers(error)}
    return Response(encode_error(error, request_id), status_of(error), headers, JSON)


def refuse_at_door(refused: Refused) -> Response:
    """The same shape for what the guard and the router refuse."""
    request_id = new_request_id()
    body = encode_refusal(refused.status, refused.code, refused.message, request_id)
    return Response(body, refused.status, {**_ids(request_id), "x-should-retry": "false"}, JSON)


async def _question(request: HttpRequest, caller: CallerId) -> Question:
    """What is asked, with who asks in which conversation."""
    decode = partial(decode_request, caller=caller, thread=thread_of(fields_of(request.scope)))
    return await aside(decode, await read_body(request))


def _ids(request_id: RequestId) -> dict[str, str]:
    """The request's id under this API's name and under ours."""
    return {"request-id": request_id, "x-request-id": request_id}
