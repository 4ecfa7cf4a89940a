"""The page at `GET /docs`: what `/openapi.json` says, to read and to try.

Swagger UI draws it, unchanged.  Its policy is the page's own (`page.py`) but for trusted types, which Swagger UI
does not know, and for pictures, which are those of its sheet alone.  Its users read docs/openai-api.md.
"""

from starlette.routing import Route

from realcoze.faces.asset import asset

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FILES = (
    "docs/manual.css",
    "docs/manual.js",
    "vendor/swagger-ui-bundle.js",
    "vendor/swagger-ui.css",
)


def manual_routes() -> list[Route]:
    """The routes of the page."""
    routes = [Route(f"/{name}", asset(name, policy=POLICY), methods=["GET"]) for name in FILES]
    return [Route("/docs", asset("docs/manual.html", policy=POLICY), methods=["GET"]), *routes]
