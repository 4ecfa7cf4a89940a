"""What stands under /v1: the APIs of others, and how each wants to be told that there is nothing."""

from collections.abc import Iterable, Mapping
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

ABSENT: Mapping[str, str] = {
    "/v1/assistants": "assistants of that kind",
    "/v1/audio/translations": "translation of recordings",
    "/v1/batches": "batches",
    "/v1/chatkit": "ChatKit",
    "/v1/complete": "completions of that kind",
    "/v1/containers": "containers",
    "/v1/conversations": "conversations of that kind",
    "/v1/edits": "edits",
    "/v1/embeddings": "embeddings",
    "/v1/engines": "engines",
    "/v1/evals": "evaluations",
    "/v1/fine-tunes": "fine-tuning",
    "/v1/fine_tuning": "fine-tuning",
    "/v1/images/edits": "editing of pictures",
    "/v1/images/variations": "variations of pictures",
    "/v1/messages/batches": "batches",
    "/v1/moderations": "moderation",
    "/v1/organization": "administration",
    "/v1/organizations": "administration",
    "/v1/realtime": "speech in real time",
    "/v1/responses/compact": "compaction of responses",
    "/v1/responses/input_tokens": "counting of tokens beforehand",
    "/v1/skills": "skills",
    "/v1/threads": "threads of that kind",
    "/v1/uploads": "uploads in parts",
    "/v1/vector_stores": "vector stores",
    "/v1/videos": "videos",
}
"""What OpenAI's and Anthropic's APIs have and a bot on Coze cannot do, by where its paths begin."""


def absent(path: str) -> str | None:
    """What to say of a path that is known, and not here; None for one that nobody knows."""
    what = next((what for start, what in ABSENT.items() if f"{path}/".startswith(f"{start}/")), None)
    return None if what is None else f"There is no {path[:80]!r} here: Coze has no {what} that a client could be given."


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
