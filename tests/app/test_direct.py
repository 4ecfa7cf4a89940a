from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from realcoze.app.direct import Direct


async def answer(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {request.url.path} {(await request.body()).decode()}")


async def fail(_request: Request) -> Response:
    raise ZeroDivisionError


ROUTES = [
    Route("/", answer, methods=["POST"]),
    Route("/page", answer, methods=["GET"]),
    Route("/fail", fail, methods=["POST"]),
    Route("/of/{name}", answer, methods=["POST"]),
]


async def called(method: str, path: str) -> tuple[int, bytes, bool]:
    """The status, the body and whether the rest of the application was asked."""
    starlette, asked, sent = Starlette(routes=ROUTES), [], []

    async def rest(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await starlette(scope, receive, send)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"said", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": [(b"host", b"h")]}
    app = Direct(rest, routes=ROUTES, defect=lambda _request, error: PlainTextResponse(type(error).__name__, 500))
    try:
        await app(scope, receive, send)
    except ZeroDivisionError:
        sent.append({"body": b" raised"})
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent), bool(asked)


async def test_a_post_to_a_known_path_is_answered_without_the_rest() -> None:
    assert await called("POST", "/") == (200, b"POST / said", False)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/page", 200), ("POST", "/page", 405), ("GET", "/", 405), ("POST", "/none", 404), ("POST", "/of/x", 200)],
)
async def test_everything_else_is_for_the_rest(method: str, path: str, status: int) -> None:
    assert (await called(method, path))[::2] == (status, True)


async def test_a_defect_is_answered_and_goes_on_to_the_log_of_the_server() -> None:
    assert await called("POST", "/fail") == (500, b"ZeroDivisionError raised", False)
