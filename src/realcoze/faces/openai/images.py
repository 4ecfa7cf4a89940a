"""`POST /v1/images/generations`: what a bot draws, in one call to it.

Pictures that are wanted themselves are held until their reader has them, each once.
"""

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import anyio
import anyio.lowlevel
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from realcoze.dialects.openai_images import Asked, decode_request, encode_pictures, encode_reply, pictures_of
from realcoze.domain.ids import CallerId, RequestId
from realcoze.domain.media import media_of, size_in_words
from realcoze.domain.ports import Fetches
from realcoze.errors import BadRequest, CallerFault, RealcozeError, TooLarge, UpstreamFailed
from realcoze.faces.fields import fields_of, presented_keys
from realcoze.faces.http import ignoring, new_request_id, nobody, read_body, unless_left, while_connected
from realcoze.faces.openai.refusal import JSON, refuse_error
from realcoze.faces.room import Room
from realcoze.gateway.access import Access
from realcoze.gateway.chat import Gateway
from realcoze.tasks import aside

PATH = "/v1/images/generations"

MOST, WHOLE_BYTES = 10, 40 << 20
"""Pictures of one answer that is to hold them, and all of these together."""

SHARE_BYTES = 2 * WHOLE_BYTES
"""Of one caller's answers that hold pictures, together."""

URL_CHARACTERS = 200
"""How much of an address an error shows."""

_QUERY = re.compile("[?#]")
_BY_URL = "With `response_format` url the answer says where the pictures stand."


class ImagesFace:
    """`room` is for pictures that are held; their reader is cut off when it reads nothing for `stall_s`."""

    def __init__(self, gateway: Gateway, access: Access, *, room: Room, stall_s: float) -> None:
        self._gateway = gateway
        self._access = access
        self._room = room
        # As many as there are keys, and so never cleared.
        self._shares = defaultdict[CallerId, Room](partial(Room, SHARE_BYTES, what="pictures for one caller"))
        self._stall_s = stall_s

    def routes(self) -> list[Route]:
        return [Route(PATH, self._post, methods=["POST"])]

    async def _post(self, request: HttpRequest) -> ASGIApp:
        request_id = new_request_id()
        try:
            caller = self._access.authenticate(presented_keys(fields_of(request.scope)))
            asked = await aside(partial(decode_request, caller=caller), await read_body(request))
            if asked.wants_bytes:
                return self._with_pictures(asked, request_id)
            reply = await unless_left(request.receive, self._gateway.ask(asked.request, request_id=request_id))
            body = encode_reply(pictures_of(reply), reply.usage, created=int(time.time()))
        except ClientDisconnect:
            return nobody()
        except RealcozeError as error:
            return refuse_error(request_id, error)
        return Response(body, headers=_headers(asked, request_id))

    def _with_pictures(self, asked: Asked, request_id: RequestId) -> "_WithPictures":
        """Raises `BadRequest` where nothing is fetched, before Coze is asked."""
        if self._gateway.fetches is None:
            raise BadRequest(
                "`response_format` is b64_json, and this server does not fetch what bots draw.",
                hint=f"Set `fetch_urls` in [server]. {_BY_URL}",
            )
        return _WithPictures(
            gateway=self._gateway,
            fetches=self._gateway.fetches,
            asked=asked,
            request_id=request_id,
            rooms=(self._shares[caller], self._room) if (caller := asked.request.caller) else (self._room,),
            stall_s=self._stall_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _WithPictures:
    """The answer that has its pictures within it: an application of ASGI.  They have their place in all of `rooms`."""

    gateway: Gateway
    fetches: Fetches
    asked: Asked
    request_id: RequestId
    rooms: Sequence[Room]
    stall_s: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as places:
            async with while_connected(receive):
                try:
                    reply = await self.gateway.ask(self.asked.request, request_id=self.request_id)
                    pictures = await self._fetch_all(pictures_of(reply), places)
                except RealcozeError as error:
                    await refuse_error(self.request_id, error)(scope, receive, send)
                    return
                await self._write(encode_pictures(pictures, reply.usage, created=int(time.time())), send)

    async def _fetch_all(self, urls: Sequence[str], places: ExitStack) -> list[bytes]:
        """The pictures themselves, got one after another.  Raises `TooLarge`, and what `_fetch` raises."""
        if len(urls) > MOST:
            raise TooLarge(f"The bot drew {len(urls)} pictures; {MOST} are the most that are fetched.", hint=_BY_URL)
        pictures: list[bytes] = []
        for url in urls:
            pictures.append(await self._fetch(url, places))
            if sum(map(len, pictures)) > WHOLE_BYTES:
                raise TooLarge(f"The pictures have more than {size_in_words(WHOLE_BYTES)} together.", hint=_BY_URL)
        return pictures

    async def _fetch(self, url: str, places: ExitStack) -> bytes:
        """The bytes of a picture.

        Raises `Overloaded`, and `UpstreamFailed` for what is none: that it stands there was the bot's word.
        """
        try:
            async with self.fetches.fetched(url, caller=self.asked.request.caller) as found:
                if media_of(found.data).is_picture:
                    for room in self.rooms:
                        places.enter_context(room.place(len(found.data)))
                    return found.data
        except CallerFault as error:
            said = f"The bot drew {_shown(url)}, which cannot be had: {error.message}"
            raise UpstreamFailed(said, code=error.code, hint=_BY_URL) from error
        raise UpstreamFailed(f"What the bot drew, {_shown(url)}, is no picture.", code="url_not_fetched", hint=_BY_URL)

    async def _write(self, pieces: Iterable[bytes], send: Send) -> None:
        """Leaves the body without its end where its reader stalls: then the server closes the connection."""
        headers = Headers(_headers(self.asked, self.request_id)).raw
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in pieces:
            with anyio.move_on_after(self.stall_s) as waiting:
                await anyio.lowlevel.checkpoint()
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            if waiting.cancelled_caught:
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _headers(asked: Asked, request_id: RequestId) -> dict[str, str]:
    return {"x-request-id": request_id, **ignoring(asked.ignored), "content-type": JSON}


def _shown(url: str) -> str:
    """Where a picture stands, without the query: whoever has that, a signature, may have the picture."""
    return _QUERY.split(url, maxsplit=1)[0][:URL_CHARACTERS]
