"""What stands under /v1: the APIs of others, and how each wants to be told that there is nothing."""

from collections.abc import Iterable
from typing import Protocol

from starlette.datastructures import Headers
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

from realcoze.domain.ids import RequestId
from realcoze.errors import RealcozeError
from realcoze.faces import anthropic, native
from realcoze.faces.anthropic import AnthropicFace
from realcoze.faces.http import Refused, new_request_id
from realcoze.faces.openai import refusal as openai
from realcoze.faces.openai.models import ModelsFace
from realcoze.faces.paths import VERSIONED


def without_key(routes: Iterable[Route]) -> list[Route]:
    """For each path what programs ask before they have a key: HEAD and OPTIONS, answered with nothing."""
    return [Route(path, _nothing, methods=["HEAD", "OPTIONS"]) for path in dict.fromkeys(each.path for each in routes)]


class Refusals(Protocol):
    """How an API says that there is no answer."""

    def refuse_at_door(self, refused: Refused) -> Response: ...
    def refuse_error(self, request_id: RequestId, error: RealcozeError) -> Response: ...


def refuse_at_door(scope: Scope, refused: Refused) -> Response:
    """A refusal of HTTP itself, in the shape of the API that was called."""
    return _refusals(scope).refuse_at_door(refused)


def refuse_error(scope: Scope, error: RealcozeError) -> Response:
    """An error that no face has answered, in the same shape."""
    return _refusals(scope).refuse_error(new_request_id(), error)


def models_routes(of_openai: ModelsFace, of_anthropic: AnthropicFace) -> list[Route]:
    """The paths that both APIs have."""

    async def get_all(request: HttpRequest) -> ASGIApp:
        return await (of_anthropic if speaks_anthropic(request.headers) else of_openai).get_all(request)

    async def get_one(request: HttpRequest) -> ASGIApp:
        return await (of_anthropic if speaks_anthropic(request.headers) else of_openai).get_one(request)

    return [
        Route("/v1/models", get_all, methods=["GET"]),
        Route("/v1/models/{name:path}", get_one, methods=["GET"]),
    ]


def speaks_anthropic(headers: Headers) -> bool:
    """Anthropic's clients say which version of its API they speak, on the paths that both APIs have."""
    return "anthropic-version" in headers


def _refusals(scope: Scope) -> Refusals:
    path = f"{scope['path']}/"
    if not path.startswith(VERSIONED):
        return native
    if path.startswith(f"{VERSIONED}messages/") or speaks_anthropic(Headers(scope=scope)):
        return anthropic
    return openai


async def _nothing(_request: HttpRequest) -> Response:
    return Response(status_code=204)
