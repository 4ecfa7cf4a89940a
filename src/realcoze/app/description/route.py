"""`GET /openapi.json`: the document of the routes that there are, written when it is first asked for.

It needs no key, as it tells nothing that this program's documentation does not.
"""

from collections.abc import Sequence
from functools import cache

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from realcoze.app.description.call import JSON
from realcoze.app.description.document import described, encode_document

PATH = "/openapi.json"


def describing(routes: Sequence[BaseRoute], *, is_open: bool) -> Route:
    """The route that tells of `routes`, and of itself; `is_open` where the server has no key."""

    @cache
    def document() -> bytes:
        return encode_document(described([*routes, route]), is_open=is_open)

    async def get(_request: HttpRequest) -> Response:
        return Response(document(), media_type=JSON, headers={"cache-control": "no-cache"})

    route = Route(PATH, get, methods=["GET"])
    return route
