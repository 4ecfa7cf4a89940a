"""The page at `GET /`: a few files as they stand in `web/`, under a strict policy.

No script but ours, no style but ours, nothing from another host but pictures that somebody clicks on.
Its users read docs/page.md.
"""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

FOLDER = Path(__file__).parent / "web"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob: https: http:; media-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types dompurify"
)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
FILES = (
    "index.html",
    "style.css",
    "icon.svg",
    "app.js",
    "banner.js",
    "composer.js",
    "dom.js",
    "export.js",
    "follow.js",
    "kept.js",
    "markdown.js",
    "messages.js",
    "server.js",
    "sound.js",
    "wanted.js",
    "words.js",
    "vendor/markdown-it.min.js",
    "vendor/purify.min.js",
)


def page_routes() -> list[BaseRoute]:
    """The routes of the page; its files are read once."""
    routes: list[BaseRoute] = [Route(f"/{name}", _file(name), methods=["GET"]) for name in FILES]
    return [Route("/", _file("index.html"), methods=["GET"]), *routes]


def _file(name: str) -> Callable[[HttpRequest], Awaitable[Response]]:
    content = (FOLDER / name).read_bytes()
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {
        "etag": tag,
        "cache-control": "no-cache",
        "content-security-policy": POLICY,
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        # Chromium looks up the hosts of links beforehand on plain HTTP, and a name can carry what was said.
        "x-dns-prefetch-control": "off",
    }
    kind = _TYPES[Path(name).suffix]

    async def serve(request: HttpRequest) -> Response:
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=kind)

    return serve
