"""`POST /v1/images/generations`: what a bot draws, in one call to it."""

import re
import time
from collections.abc import Sequence

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from realcoze.dialects.openai_images import Asked, Picture, at, decode_request, encode_reply, holding, pictures_of
from realcoze.domain.ids import CallerId, RequestId
from realcoze.domain.media import media_of, size_in_words
from realcoze.domain.ports import Fetches
from realcoze.errors import BadRequest, CallerFault, RealcozeError, TooLarge, UpstreamFailed
from realcoze.faces.http import ignoring, new_request_id, nobody, presented_keys, read_body, unless_left
from realcoze.faces.openai.refusal import JSON, refuse_error
from realcoze.gateway.access import Access
from realcoze.gateway.chat import Gateway
from realcoze.tasks import aside

PATH = "/v1/images/generations"

MOST, WHOLE_BYTES = 10, 40 << 20
"""Pictures of one answer that is to hold them, and all of these together."""

URL_CHARACTERS = 200
"""How much of an address an error shows."""

_QUERY = re.compile("[?#]")
_BY_URL = "With `response_format` url the answer says where the pictures stand."


class ImagesFace:
    def __init__(self, gateway: Gateway, access: Access) -> None:
        self._gateway = gateway
        self._access = access

    def routes(self) -> list[Route]:
        return [Route(PATH, self._post, methods=["POST"])]

    async def _post(self, request: HttpRequest) -> Response:
        request_id = new_request_id()
        try:
            caller = self._access.authenticate(presented_keys(request.headers))
            asked = decode_request(await read_body(request), caller=caller)
            drawing = self._draw(asked, self._fetches_for(asked), request_id)
            body = await unless_left(request.receive, drawing)
        except ClientDisconnect:
            return nobody()
        except RealcozeError as error:
            return refuse_error(request_id, error)
        return Response(body, headers={"x-request-id": request_id, **ignoring(asked.ignored)}, media_type=JSON)

    def _fetches_for(self, asked: Asked) -> Fetches | None:
        """What gets the bytes that are asked for; None where none are.  Raises `BadRequest` before Coze is asked."""
        if asked.wants_bytes and self._gateway.fetches is None:
            raise BadRequest(
                "`response_format` is b64_json, and this server does not fetch what bots draw.",
                hint=f"Set `fetch_urls` in [server]. {_BY_URL}",
            )
        return self._gateway.fetches if asked.wants_bytes else None

    async def _draw(self, asked: Asked, fetches: Fetches | None, request_id: RequestId) -> bytes:
        reply = await self._gateway.ask(asked.request, request_id=request_id)
        urls = pictures_of(reply)
        pictures = map(at, urls) if fetches is None else await _held(urls, fetches, asked.request.caller)
        return encode_reply(pictures, reply.usage, created=int(time.time()))


async def _held(urls: Sequence[str], fetches: Fetches, caller: CallerId) -> list[Picture]:
    """The pictures themselves, got one after another.  Raises `TooLarge`, and what `_fetch` raises."""
    if len(urls) > MOST:
        raise TooLarge(f"The bot drew {len(urls)} pictures; {MOST} are the most that are fetched.", hint=_BY_URL)
    pictures: list[Picture] = []
    left = WHOLE_BYTES
    for url in urls:
        data = await _fetch(url, fetches, caller)
        left -= len(data)
        if left < 0:
            raise TooLarge(f"The pictures have more than {size_in_words(WHOLE_BYTES)} together.", hint=_BY_URL)
        pictures.append(await aside(holding, data))
    return pictures


async def _fetch(url: str, fetches: Fetches, caller: CallerId) -> bytes:
    """The bytes of a picture.  Raises `UpstreamFailed`: that it stands there was the bot's word."""
    try:
        async with fetches.fetched(url, caller=caller) as found:
            if media_of(found.data).is_picture:
                return found.data
    except CallerFault as error:
        said = f"The bot drew {_shown(url)}, which cannot be had: {error.message}"
        raise UpstreamFailed(said, code=error.code, hint=_BY_URL) from error
    raise UpstreamFailed(f"What the bot drew, {_shown(url)}, is no picture.", code="url_not_fetched", hint=_BY_URL)


def _shown(url: str) -> str:
    """Where a picture stands, without the query: whoever has that, a signature, may have the picture."""
    return _QUERY.split(url, maxsplit=1)[0][:URL_CHARACTERS]
