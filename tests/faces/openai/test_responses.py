"""What is the same for all calls of OpenAI's API stands in test_answering.py."""

import json
from typing import Any

import pytest

from native_server import Bot, Turn, exchange, parsed, request, saying, serving
from realcoze.errors import Truncated
from realcoze.faces.openai.responses import RESPONSES

pytestmark = pytest.mark.anyio


def body(**members: Any) -> bytes:
    return json.dumps({"model": "bot", "input": "Hello", **members}).encode()


def names(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith("event: ")]
    return [line.removeprefix("event: response.") for line in lines]


@pytest.mark.parametrize("path", [RESPONSES.path, "/responses", "/v1/v1/responses/"])
async def test_a_whole_response(path: str, nothing_left: None) -> None:
    bot = saying("Warm")
    async with serving(bot) as served:
        answer = parsed(await exchange(served.port, request(body(tools=[{}]), path=path)))
    assert (answer.status, answer.headers["x-realcoze-ignored"]) == (200, "tools")
    assert answer.json["id"] == f"resp_{answer.headers['x-request-id'].removeprefix('req_')}"
    assert answer.json["output"][0]["content"][0]["text"] == "Warm"
    assert bot.turns[0].request.messages[0].text == "Hello"


async def test_a_streamed_response(nothing_left: None) -> None:
    async with serving(saying("Warm")) as served:
        answer = parsed(await exchange(served.port, request(body(stream=True), path=RESPONSES.path)))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (names(answer.text)[-1], answer.has_last_chunk) == ("completed", True)


async def test_a_response_that_breaks_off_never_looks_complete(nothing_left: None) -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        turn.say("Hal")
        raise Truncated("The answer broke off.")

    async with serving(Bot(script)) as served:
        answer = parsed(await exchange(served.port, request(body(stream=True), path=RESPONSES.path)))
    assert (answer.status, answer.has_last_chunk) == (200, False)
    assert names(answer.text)[-2:] == ["output_text.delta", "failed"]


async def test_what_is_wrong_is_told_in_openai_s_shape(nothing_left: None) -> None:
    async with serving(saying("Warm")) as served:
        for wrong, status in ((body(background=True), 400), (body(model="nobody"), 404)):
            answer = parsed(await exchange(served.port, request(wrong, path=RESPONSES.path)))
            assert (answer.status, answer.json["error"]["type"]) == (status, "invalid_request_error")
