"""The page at `GET /`: a few files as they stand in `web/`, under a strict policy.

No script but ours, no style but ours, nothing from another host but pictures that somebody clicks on.
Its users read docs/page.md.
"""

from starlette.routing import BaseRoute, Route

from realcoze.faces.asset import asset

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob: https: http:; media-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types dompurify"
)
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
    """The routes of the page."""
    routes: list[BaseRoute] = [Route(f"/{name}", asset(name, policy=POLICY), methods=["GET"]) for name in FILES]
    return [Route("/", asset("index.html", policy=POLICY), methods=["GET"]), *routes]
