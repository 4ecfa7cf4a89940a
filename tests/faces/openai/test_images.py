import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from houses import served
from native_server import Answer, Bot, connected, exchange, parsed, request, saying, serving, settings
from pictures import PDF, png
from realcoze.app.server import listening
from realcoze.app.wiring import House, build_app
from realcoze.domain.ids import BotName
from realcoze.domain.ports import Fetches
from realcoze.faces.openai import images
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Routes
from servers import Coze
from sites import NAME, Site, site

pytestmark = pytest.mark.usefixtures("nothing_left")

KEY = "a-key-of-32-characters-and-more-"
A, B = f"https://{NAME}/a", f"https://{NAME}/b"
PICTURES = {"/a": png(31, 17), "/b": png(3, 2)}
TWO = f"![one]({A})\n\n![two]({B})"


async def draw(port: int, *, key: str | None = None, path: str = images.PATH, **members: Any) -> Answer:
    body = json.dumps({"model": "bot", "prompt": "A cat", **members}).encode()
    return parsed(await exchange(port, request(body, path=path, x_api_key=key)))


@asynccontextmanager
async def fetching(bot: Bot, fetches: Fetches) -> AsyncIterator[int]:
    """Where a bot's pictures can be fetched."""
    gateway = Gateway(Routes({BotName("bot"): bot}), fetches=fetches)
    app = build_app(House(gateway, dict), settings())
    async with listening(app, host="127.0.0.1", port=0, grace_s=1) as port:
        yield port


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async def picture(asked: web.Request) -> web.Response:
        return web.Response(body=PICTURES[asked.path])

    async def file(_asked: web.Request) -> web.Response:
        return web.Response(body=PDF, content_type="image/png")

    routes = [*(web.get(path, picture) for path in PICTURES), web.get("/c.png", file)]
    async with site(tmp_path, *routes) as running:
        yield running


async def test_the_pictures_of_one_answer_are_given_by_their_addresses() -> None:
    bot = saying(TWO)
    async with serving(bot) as running:
        answer = await draw(running.port, size="1024x1024", n=1)
    assert (answer.status, answer.headers["x-realcoze-ignored"]) == (200, "size")
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.json.keys() == {"created", "data"}
    assert answer.json["data"] == [{"url": A}, {"url": B}]
    assert [turn.request.messages[0].text for turn in bot.turns] == ["A cat"]


async def test_a_bot_of_the_emulated_coze_draws(coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path) as url:
        answer = await draw(
            int(url.rpartition(":")[2]), model="pictures", prompt="Draw a cat", path="/images/generations"
        )
    assert answer.json["data"] == [{"url": f"{coze.base}/drawn/a%20cat.png"}]


async def test_bytes_are_fetched_where_that_is_allowed(here: Site) -> None:
    async with here.fetching() as fetcher, fetching(saying(TWO), fetcher) as port:
        answer = await draw(port, response_format="b64_json")
        assert [base64.b64decode(each["b64_json"]) for each in answer.json["data"]] == list(PICTURES.values())
        assert all(each.keys() == {"b64_json"} for each in answer.json["data"])
        before = len(here.seen)
        assert (await draw(port)).json["data"] == [{"url": A}, {"url": B}]
        assert len(here.seen) == before, "an address is only told"


async def test_bytes_are_refused_before_coze_is_asked_where_nothing_is_fetched() -> None:
    bot = saying(TWO)
    async with serving(bot) as running:
        answer = await draw(running.port, response_format="b64_json")
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")
    assert "`fetch_urls` in [server]" in answer.json["error"]["message"]
    assert bot.turns == []


@pytest.mark.parametrize(
    ("said", "status", "code", "why"),
    [
        ("https://127.0.0.1/a.png", 502, "url_refused", "names no host by a full name"),
        (f"https://{NAME}/nowhere.png", 502, "url_not_fetched", "answered with 404"),
        (f"https://{NAME}/c.png", 502, "url_not_fetched", "is no picture"),
    ],
)
async def test_a_picture_that_cannot_be_had_is_the_bots_fault(
    here: Site, said: str, status: int, code: str, why: str
) -> None:
    async with here.fetching() as fetcher, fetching(saying(said), fetcher) as port:
        answer = await draw(port, response_format="b64_json")
    error = answer.json["error"]
    assert (answer.status, error["code"], answer.headers["x-should-retry"]) == (status, code, "false")
    assert why in error["message"]
    assert said in error["message"]


@pytest.mark.parametrize("path", ["/nowhere.png", "/c.png"])
@pytest.mark.parametrize("secret", ["?x-expires=1&x-signature=secret", "#secret"])
async def test_an_error_shows_no_signature(here: Site, path: str, secret: str) -> None:
    said = f"https://{NAME}{path}"
    async with here.fetching() as fetcher, fetching(saying(said + secret), fetcher) as port:
        answer = await draw(port, response_format="b64_json")
    assert f"{said}, " in answer.json["error"]["message"]
    assert b"secret" not in answer.body


async def test_pictures_that_are_too_large_together_are_left(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "WHOLE_BYTES", sum(map(len, PICTURES.values())) - 1)
    async with here.fetching() as fetcher, fetching(saying(TWO), fetcher) as port:
        assert (await draw(port, response_format="b64_json")).status == 413
    monkeypatch.setattr(images, "WHOLE_BYTES", sum(map(len, PICTURES.values())))
    async with here.fetching() as fetcher, fetching(saying(TWO), fetcher) as port:
        assert (await draw(port, response_format="b64_json")).status == 200


async def test_very_many_pictures_are_not_fetched(here: Site) -> None:
    said = "\n".join(f"![]({A}?{number})" for number in range(images.MOST + 1))
    async with here.fetching() as fetcher, fetching(saying(said), fetcher) as port:
        assert (await draw(port, response_format="b64_json")).status == 413
        assert here.looked_up == []
        assert len((await draw(port)).json["data"]) == images.MOST + 1
    said = said.partition("\n")[2]
    async with here.fetching() as fetcher, fetching(saying(said), fetcher) as port:
        assert len((await draw(port, response_format="b64_json")).json["data"]) == images.MOST


async def test_an_answer_without_a_picture_is_told() -> None:
    async with serving(saying("I only talk.")) as running:
        answer = await draw(running.port)
    error = answer.json["error"]
    assert (answer.status, error["code"], answer.headers["x-should-retry"]) == (400, "no_picture", "false")
    assert "It said: I only talk." in error["message"]


@pytest.mark.parametrize("members", [{"n": 2}, {"stream": True}, {"response_format": "svg"}, {"prompt": 7}])
async def test_what_cannot_be_is_refused_before_coze_is_asked(members: dict[str, Any]) -> None:
    bot = saying(TWO)
    async with serving(bot) as running:
        answer = await draw(running.port, **members)
    assert (answer.status, answer.json["error"]["code"]) == (400, "bad_request")
    assert bot.turns == []


async def test_without_the_key_nobody_draws() -> None:
    bot = saying(TWO)
    async with serving(bot, key=KEY) as running:
        assert (await draw(running.port)).status == 401
        assert bot.turns == []
        assert (await draw(running.port, key=KEY)).status == 200
        assert (await draw(running.port, key=KEY, model="nobody")).json["error"]["code"] == "model_not_found"


async def test_a_client_that_leaves_stops_the_bot() -> None:
    async def never(turn: Any) -> None:
        turn.start()
        await turn.go.wait()

    bot = Bot(never)
    async with serving(bot) as running, connected(running.port) as leaver:
        await leaver.send(request(b'{"prompt":"A cat"}', path=images.PATH))
        turn = await bot.turn()
        leaver.leave()
        await turn.until(lambda: turn.is_over)
        assert turn.is_cancelled
