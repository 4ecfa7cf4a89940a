"""A file of a page, served as it stands under a policy; a browser that has it is told so."""

from collections.abc import Awaitable, Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

FOLDER = Path(__file__).parent / "web"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


def asset(name: str, *, policy: str) -> Callable[[HttpRequest], Awaitable[Response]]:
    """The endpoint for the file `name` of the folder, which is read when it is first asked for."""

    @cache
    def read() -> tuple[bytes, str]:
        content = (FOLDER / name).read_bytes()
        return content, f'"{sha256(content).hexdigest()[:32]}"'

    async def serve(request: HttpRequest) -> Response:
        content, tag = read()
        headers = {
            "etag": tag,
            "cache-control": "no-cache",
            "content-security-policy": policy,
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            # Chromium looks up the hosts of links beforehand on plain HTTP, and a name can carry what was said.
            "x-dns-prefetch-control": "off",
        }
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=_TYPES[Path(name).suffix])

    return serve
