"""`POST /v1/responses`, and what can be done with a response that is kept.

One that is made in the background can be found as soon as it is begun, any other with its last event.
"""

import time
from collections.abc import Iterable
from functools import partial

import msgspec
from msgspec.structs import replace
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from realcoze.dialects.openai_pages import read_page
from realcoze.dialects.openai_responses.building import begin_building
from realcoze.dialects.openai_responses.kept import (
    Record,
    cancelled,
    decode_record,
    encode_again,
    encode_deleted,
    encode_items,
    items_to_keep,
    no_such_response,
)
from realcoze.dialects.openai_responses.reply import ResponseBody, encode_body, response_id
from realcoze.dialects.openai_responses.request import decode_request
from realcoze.dialects.openai_responses.stream import ResponseEncoder
from realcoze.domain.ids import CallerId, RequestId
from realcoze.domain.ports import Sink
from realcoze.domain.request import Thread
from realcoze.errors import BadRequest, RealcozeError
from realcoze.faces.fields import fields_of, presented_keys, thread_of
from realcoze.faces.http import CallersWork, answered_for, ignoring, new_request_id, nobody, read_body, unless_left
from realcoze.faces.openai.background import Background
from realcoze.faces.openai.draft import Draft
from realcoze.faces.openai.refusal import JSON, refuse_error
from realcoze.faces.streamed import StreamedAnswer, StreamTimes
from realcoze.gateway.access import Access
from realcoze.gateway.chat import Gateway
from realcoze.gateway.kept import RECORD_BYTES, key_of
from realcoze.gateway.unattended import Keeping
from realcoze.tasks import aside

PATH = "/v1/responses"

USUAL_ITEMS, MOST_ITEMS = 20, 100
"""In a list of items: where the caller does not say, and at the most (openai 3, input_item_list_params.py)."""


class ResponsesFace:
    """Without `keeping` no response is kept, whatever is asked."""

    def __init__(self, gateway: Gateway, access: Access, *, times: StreamTimes, keeping: Keeping | None) -> None:
        self._gateway = gateway
        self._access = access
        self._times = times
        self._kept = keeping.kept if keeping is not None else None
        self._background = Background(gateway, keeping.unattended) if keeping is not None else None

    def routes(self) -> list[Route]:
        one = f"{PATH}/{{id}}"
        return [
            Route(PATH, self._post, methods=["POST"]),
            self._route("GET", one, self._get),
            self._route("DELETE", one, self._delete),
            self._route("GET", f"{one}/input_items", self._get_items),
            self._route("POST", f"{one}/cancel", self._cancel),
        ]

    def _route(self, method: str, path: str, work: CallersWork) -> Route:
        endpoint = partial(answered_for, access=self._access, work=work, refuse=refuse_error)
        return Route(path, endpoint, methods=[method])

    async def _post(self, request: HttpRequest) -> ASGIApp:
        request_id = new_request_id()
        try:
            fields = fields_of(request.scope)
            caller, thread = self._access.authenticate(presented_keys(fields)), thread_of(fields)
            draft = await self._draft(await read_body(request), caller, thread, request_id)
            if draft.asked.is_background:
                await unless_left(request.receive, self._gateway.check(draft.asked.request))
            headers = {
                "x-request-id": request_id,
                **ignoring(draft.asked.ignored, heeds_offer=self._gateway.heeds_offer(draft.asked.request)),
            }
            if draft.asked.is_streamed:
                return self._streamed(draft, headers)
            whole = await self._whole(request, draft)
        except ClientDisconnect:
            return nobody()
        except RealcozeError as error:
            return refuse_error(request_id, error)
        return Response(encode_body(whole), headers=headers, media_type=JSON)

    async def _draft(self, body: bytes, caller: CallerId, thread: Thread | None, request_id: RequestId) -> Draft:
        """What is asked for, on top of what is kept.  Raises a `RealcozeError`."""
        building = await aside(begin_building, body)
        while (wanted := building.wanted) is not None:
            building.add(wanted, await self._find(caller, wanted))
        said = building.said()
        items = said.items if building.is_needed else None
        asked = await aside(partial(decode_request, caller=caller, thread=thread, items=items), body)
        kept, to_keep = self._kept if asked.is_kept else None, []
        if kept is not None:
            to_keep = await aside(lambda _: items_to_keep(said, request_id), body)
            if _length(to_keep) > RECORD_BYTES:
                kept, to_keep = None, []
        return Draft(
            asked=replace(asked, is_kept=kept is not None),
            request_id=request_id,
            created=int(time.time()),
            key=key_of(caller, response_id(request_id)),
            size_bytes=len(body) + _length(said.items) + _length(to_keep),
            items=to_keep,
            kept=kept,
        )

    async def _whole(self, request: HttpRequest, draft: Draft) -> ResponseBody:
        """The response that is answered with.  Raises a `RealcozeError`, and `ClientDisconnect`."""
        if draft.asked.is_background:
            return self._background_of(draft).begin(draft)
        asking = self._gateway.ask(draft.asked.request, request_id=draft.request_id)
        body = draft.replied(await unless_left(request.receive, asking))
        body.store = draft.announce(body)
        await draft.keep()
        return body

    def _streamed(self, draft: Draft, headers: dict[str, str]) -> ASGIApp:
        encoder = draft.encoder()
        relay = self._background_of(draft).relay if draft.asked.is_background else self._relay
        return StreamedAnswer(
            relay=partial(relay, draft, encoder),
            encoder=encoder,
            refuse=partial(refuse_error, draft.request_id),
            headers=headers,
            times=self._times,
        )

    async def _relay(self, draft: Draft, _encoder: ResponseEncoder, sink: Sink) -> None:
        """A turn that ends with its client's leaving; what was told to the end is kept all the same."""
        try:
            await self._gateway.relay(draft.asked.request, sink, request_id=draft.request_id)
        finally:
            await draft.keep()

    def _background_of(self, draft: Draft) -> Background:
        """Who makes it there.  Raises `BadRequest` for what cannot be fetched later."""
        if self._background is None or draft.kept is None:
            raise BadRequest(
                "`background` asks for an answer to be fetched later, and this one cannot be kept.",
                hint="Leave it out, and wait for the answer.",
            )
        return self._background

    async def _get(self, request: HttpRequest, caller: CallerId) -> Response:
        if request.query_params.get("stream", "").lower() in ("1", "true"):
            raise BadRequest(
                "A response that is kept comes whole.", hint="Leave `stream` out, and ask until it is complete."
            )
        return _answer((await self._found(request, caller)).body)

    async def _get_items(self, request: HttpRequest, caller: CallerId) -> Response:
        page = read_page(request.query_params, usual=USUAL_ITEMS, most=MOST_ITEMS)
        return _answer(encode_items(await self._found(request, caller), page))

    async def _delete(self, request: HttpRequest, caller: CallerId) -> Response:
        """One that is being made is stopped first."""
        await self._found(request, caller)
        wanted = _wanted(request)
        if self._background is not None:
            await self._background.stop(key_of(caller, wanted))
        if self._kept is None or not await self._kept.forget(key_of(caller, wanted)):
            raise no_such_response(wanted)
        return _answer(encode_deleted(wanted))

    async def _cancel(self, request: HttpRequest, caller: CallerId) -> Response:
        """One that is over stays as it is, and is the answer."""
        record, key = await self._found(request, caller), key_of(caller, _wanted(request))
        if not record.is_of_background:
            raise BadRequest("Only a response that is made in the background can be cancelled.")
        if self._background is None or self._kept is None or not await self._background.stop(key):
            return _answer((await self._found(request, caller)).body)
        record = cancelled(await self._found(request, caller))
        self._kept.announce(key, encode_again(record))
        await self._kept.keep(key)
        return _answer(record.body)

    async def _found(self, request: HttpRequest, caller: CallerId) -> Record:
        """The response that a path names.  Raises `NotFound`, and `Internal` where the store cannot say."""
        record = await self._find(caller, _wanted(request))
        if record is None:
            raise no_such_response(_wanted(request))
        return record

    async def _find(self, caller: CallerId, wanted: str) -> Record | None:
        data = None if self._kept is None else await self._kept.find(key_of(caller, wanted))
        return None if data is None else decode_record(data)


def _wanted(request: HttpRequest) -> str:
    named: str = request.path_params["id"]
    return named


def _length(items: Iterable[msgspec.Raw]) -> int:
    """In bytes."""
    return sum(memoryview(item).nbytes for item in items)


def _answer(body: bytes) -> Response:
    return Response(body, media_type=JSON)
