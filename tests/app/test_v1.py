import json

import pytest
from starlette.datastructures import Headers

from native_server import exchange, parsed, request, saying, serving
from realcoze.app.description.document import CALLS
from realcoze.app.v1 import ABSENT, absent, refuse_at_door, refuse_error, speaks_anthropic
from realcoze.errors import Internal
from realcoze.faces.http import Refused

ANTHROPIC = [(b"anthropic-version", b"2023-06-01")]
NATIVE, OPENAI = {"code", "message", "request_id"}, {"message", "type", "param", "code"}
MESSAGES = {"type", "message", "details"}


@pytest.mark.parametrize(
    ("path", "headers", "members"),
    [
        ("/", [], NATIVE),
        ("/upload", ANTHROPIC, NATIVE),
        ("/v1/chat/completions", [], OPENAI),
        ("/v1/nothing", [], OPENAI),
        ("/v1/models", ANTHROPIC, MESSAGES),
        ("/v1/messages", [], MESSAGES),
        ("/v1/messages/count_tokens", [], MESSAGES),
        ("/v1/messagesx", [], OPENAI),
        ("/v1", [], OPENAI),
        ("/v1", ANTHROPIC, MESSAGES),
        ("/v1x", [], NATIVE),
    ],
)
def test_a_refusal_has_the_shape_of_the_api_that_was_called(
    path: str, headers: list[tuple[bytes, bytes]], members: set[str]
) -> None:
    """CLIENTS §4.2 rule 9."""
    response = refuse_at_door({"path": path, "headers": headers}, Refused(404, "no_such_path", "There is none."))
    assert response.status_code == 404
    error = json.loads(bytes(response.body))["error"]
    assert set(error) == members
    assert error["message"] == "There is none."
    defect = refuse_error({"path": path, "headers": headers}, Internal("Broken."))
    assert defect.status_code == 500
    assert json.loads(bytes(defect.body))["error"]["message"].startswith("Broken.")


def test_the_two_apis_are_told_apart_by_a_header() -> None:
    assert speaks_anthropic(Headers(raw=ANTHROPIC))
    assert not speaks_anthropic(Headers({"x-api-key": "k"}))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/embeddings", "Coze has no embeddings"),
        ("/v1/fine_tuning/jobs/1/events", "Coze has no fine-tuning"),
        ("/v1/messages/batches", "Coze has no batches"),
        ("/v1/responses/compact", "Coze has no compaction of responses"),
        ("/v1/responses/resp_1", None),
        ("/v1/embeddingsx", None),
        ("/embeddings", None),
        ("/v1/nothing", None),
    ],
)
def test_what_is_known_and_not_here_is_named(path: str, said: str | None) -> None:
    told = absent(path)
    assert told == (None if said is None else f"There is no {path!r} here: {said} that a client could be given.")


async def test_nothing_that_is_here_is_called_absent() -> None:
    async with serving(saying("Hi")) as served:
        for path in ABSENT:
            answer = parsed(await exchange(served.port, request(b"{}", method="POST", path=path)))
            assert (answer.status, b"Coze has no " in answer.body) == (404, True)
    assert all(absent(call) is None for _, call in CALLS)


async def test_models_come_in_the_shape_of_who_asks() -> None:
    async with serving(saying("Hi")) as served:
        for path in ("/v1/models", "/v1/models/bot"):
            asked = request(b"", method="GET", path=path)
            assert json.loads(parsed(await exchange(served.port, asked)).body)["object"] in ("list", "model")
            asked = request(b"", method="GET", path=path, anthropic_version="2023-06-01")
            assert "object" not in json.loads(parsed(await exchange(served.port, asked)).body)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/v1/models/bot", "/chat/completions/"])
async def test_head_and_options_are_answered_without_a_key(method: str, path: str) -> None:
    """CLIENTS §4.2 rule 9."""
    async with serving(saying("Hi"), key="a-key-of-32-characters-and-more-") as served:
        assert parsed(await exchange(served.port, request(b"", method=method, path=path))).status == 204
