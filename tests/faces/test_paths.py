from typing import Any

import pytest

from realcoze.faces.paths import TolerantPaths, canonical

BEGINNINGS = frozenset({"chat", "models"})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("//v1//chat/completions", "/v1/chat/completions"),
        ("/models/workflow/7", "/v1/models/workflow/7"),
        ("/models/a//b", "/v1/models/a//b"),
        ("/v1/v1/models/a//v1/", "/v1/models/a//v1"),
        ("/v1/nothing", "/v1/nothing"),
        ("/v1/nothing/", "/v1/nothing"),
        ("/v1", "/v1"),
        ("/v1/v1/", "/v1/v1/"),
        ("/", "/"),
        ("", ""),
        ("/upload", "/upload"),
        ("/upload/", "/upload/"),
        ("/chatter", "/chatter"),
    ],
)
def test_a_path_is_known_however_a_base_url_was_written(written: str, meant: str) -> None:
    """CLIENTS §4.2 rule 9."""
    assert canonical(written, BEGINNINGS) == meant


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ({"type": "http", "path": "/models/"}, "/v1/models"),
        ({"type": "http", "path": "/"}, "/"),
        ({"type": "websocket", "path": "/models"}, "/models"),
    ],
)
async def test_the_application_sees_the_path_that_is_meant(scope: dict[str, Any], path: str) -> None:
    """CLIENTS §4.2 rule 9."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    async def nothing(*message: Any) -> Any:
        raise AssertionError

    await TolerantPaths(app, paths=["/v1/chat/completions", "/v1/models/{name:path}"])(scope, nothing, nothing)
    assert [each["path"] for each in seen] == [path]


async def test_the_raw_path_is_encoded_as_on_the_wire() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["raw_path"])

    async def nothing(*message: Any) -> Any:
        raise AssertionError

    scope = {"type": "http", "path": "/models/a b/\u00e9?%", "raw_path": b""}
    await TolerantPaths(app, paths=["/v1/models"])(scope, nothing, nothing)
    assert seen == [b"/v1/models/a%20b/%C3%A9%3F%25"]
