"""Paths as clients really write them: with and without /v1, with two of them, with a slash at the end.

People give a program a base URL with or without `/v1`, and the program appends its own idea of the rest.
"""

from collections.abc import Iterable
from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

VERSION = "v1"
VERSIONED = f"/{VERSION}/"
"""What the paths of OpenAI's and Anthropic's APIs begin with."""


def canonical(path: str, beginnings: frozenset[str]) -> str:
    """The path that is meant: `/v1/…` where it begins with /v1 or with one of `beginnings`, else itself.

    What comes behind that may be a name with slashes of its own, and is left as it is.
    """
    words = path.rstrip("/").split("/")
    begin = next((place for place, word in enumerate(words) if word not in ("", VERSION)), None)
    if begin is None or (VERSION not in words[:begin] and words[begin] not in beginnings):
        return path
    return VERSIONED + "/".join(words[begin:])


class TolerantPaths:
    """The application with every HTTP path made canonical; `paths` are those that it has under /v1."""

    def __init__(self, app: ASGIApp, *, paths: Iterable[str]) -> None:
        self._app = app
        self._paths = frozenset(paths)
        self._beginnings = frozenset(path.removeprefix(VERSIONED).partition("/")[0] for path in self._paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in self._paths:
            path = canonical(scope["path"], self._beginnings)
            if path != scope["path"]:
                scope = {**scope, "path": path, "raw_path": quote(path).encode()}
        await self._app(scope, receive, send)
