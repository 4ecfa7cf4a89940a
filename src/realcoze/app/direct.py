"""The way of a request for an answer to its face: one look-up.

Starlette asks one route after another, which with what it wraps around each took a fifth of a short answer
(2026-11-22).  Everything else, a method that a path does not know included, is Starlette's.
"""

from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

Endpoint = Callable[[HttpRequest], Awaitable[ASGIApp]]


class Direct:
    """The application with those of its `routes` that take a POST called directly.

    `defect` is the answer where one of them raises, which then goes on to the server and its log.
    """

    def __init__(
        self, app: ASGIApp, *, routes: Iterable[BaseRoute], defect: Callable[[HttpRequest, Exception], Response]
    ) -> None:
        self._app = app
        self._defect = defect
        self._endpoints: dict[str, Endpoint] = {
            route.path: route.endpoint
            for route in routes
            if isinstance(route, Route) and "POST" in (route.methods or ()) and not route.param_convertors
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_post = scope["type"] == "http" and scope["method"] == "POST"
        endpoint = self._endpoints.get(scope["path"]) if is_post else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        try:
            # Nothing here holds the request while its answer is streamed.
            response = await endpoint(HttpRequest(scope, receive, send))
        except Exception as error:
            await self._defect(HttpRequest(scope), error)(scope, receive, send)
            raise
        await response(scope, receive, send)
