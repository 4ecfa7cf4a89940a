import json
from typing import Any

import pytest

from native_server import Answer, exchange, parsed, request, saying, serving, settings
from realcoze.app.server import listening
from realcoze.app.wiring import House, build_app
from realcoze.domain.ids import BotName
from realcoze.domain.ports import Chats
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Routes

pytestmark = pytest.mark.anyio

KEY = "a-key-of-32-characters-and-more-"
BOTS = {"echo": saying("Hello"), "workflow/7": saying("Hello")}


async def get(port: int, path: str, **headers: str) -> Answer:
    return parsed(await exchange(port, request(b"", method="GET", path=path, **headers)))


def ids(answer: Answer) -> list[Any]:
    return [model["id"] for model in json.loads(answer.body)["data"]]


async def test_the_bots_are_the_models() -> None:
    """CLIENTS §4.2 rule 9."""
    async with serving(BOTS) as served:
        answer = await get(served.port, "/v1/models")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert answer.headers["x-request-id"].startswith("req_")
        assert ids(answer) == ["echo", "workflow/7"]
        for path in ("/models", "/v1/models/", "/v1/v1/models", "/v1/models?limit=1000"):
            assert ids(await get(served.port, path)) == ["echo", "workflow/7"]


async def test_other_names_of_bots_are_models_too() -> None:
    bots: dict[BotName, Chats] = {BotName("echo"): saying("Hello")}
    gateway = Gateway(Routes(bots, aliases={BotName("gpt-4o"): BotName("echo")}))
    app = build_app(House(gateway, dict), settings())
    async with listening(app, host="127.0.0.1", port=0, grace_s=5.0) as port:
        assert ids(await get(port, "/v1/models")) == ["echo", "gpt-4o"]
        assert json.loads((await get(port, "/v1/models/gpt-4o")).body)["id"] == "gpt-4o"


async def test_one_model_by_its_name_which_may_hold_a_slash() -> None:
    async with serving(BOTS) as served:
        for path in ("/v1/models/workflow/7", "/v1/models/workflow%2F7"):
            assert json.loads((await get(served.port, path)).body)["id"] == "workflow/7"
        answer = await get(served.port, "/v1/models/nobody")
        assert answer.status == 404
        error = json.loads(answer.body)["error"]
        assert (error["code"], error["type"]) == ("model_not_found", "invalid_request_error")
        assert "echo, workflow/7" in error["message"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/echo"])
async def test_who_has_no_key_learns_nothing(path: str) -> None:
    async with serving(BOTS, key=KEY) as served:
        answer = await get(served.port, path)
        assert (answer.status, json.loads(answer.body)["error"]["type"]) == (401, "authentication_error")
        assert (await get(served.port, path, x_api_key=KEY)).status == 200
