import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest
from aiohttp import web

from houses import served
from native_server import Answer, Bot, connected, exchange, parsed, request, saying, serving, settings
from pictures import PDF, png
from realcoze.app import wiring
from realcoze.app.server import listening
from realcoze.app.wiring import House, build_app
from realcoze.domain.ids import BotName
from realcoze.domain.ports import Fetches
from realcoze.faces.openai import images
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Routes
from servers import PATIENCE_S, Coze
from sites import NAME, Site, site

pytestmark = pytest.mark.usefixtures("nothing_left")

KEY = "a-key-of-32-characters-and-more-"
A, B = f"https://{NAME}/a", f"https://{NAME}/b"
PICTURES = {"/a": png(31, 17), "/b": png(3, 2), "/large": png(31, 17) + bytes(8 << 20)}
"""The last one does not fit the buffers between a server and a client that does not read."""
TWO = f"![one]({A})\n\n![two]({B})"


async def draw(port: int, *, key: str | None = None, path: str = images.PATH, **members: Any) -> Answer:
    body = json.dumps({"model": "bot", "prompt": "A cat", **members}).encode()
    return parsed(await exchange(port, request(body, path=path, x_api_key=key)))


def held(answer: Answer) -> list[bytes]:
    """The pictures within an answer, which came in pieces and is whole."""
    assert (answer.status, answer.headers["content-type"], answer.has_last_chunk) == (200, "application/json", True)
    data = json.loads(answer.text)["data"]
    assert all(each.keys() == {"b64_json"} for each in data)
    return [base64.b64decode(each["b64_json"]) for each in data]


@asynccontextmanager
async def fetching(bot: Bot, fetches: Fetches, **server: Any) -> AsyncIterator[int]:
    """Where a bot's pictures can be fetched; `server` are settings of `[server]`."""
    gateway = Gateway(Routes({BotName("bot"): bot}), fetches=fetches)
    app = build_app(House(gateway, dict), settings(**server))
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
        answer = await draw(port, response_format="b64_json", size="1024x1024")
        assert held(answer) == [PICTURES["/a"], PICTURES["/b"]]
        assert answer.headers["x-realcoze-ignored"] == "size"
        assert answer.headers["x-request-id"].startswith("req_")
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
    monkeypatch.setattr(images, "WHOLE_BYTES", len(PICTURES["/a"] + PICTURES["/b"]) - 1)
    async with here.fetching() as fetcher, fetching(saying(TWO), fetcher) as port:
        assert (await draw(port, response_format="b64_json")).status == 413
    monkeypatch.setattr(images, "WHOLE_BYTES", len(PICTURES["/a"] + PICTURES["/b"]))
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
        assert len(held(await draw(port, response_format="b64_json"))) == images.MOST


WITH_PICTURES = request(
    b'{"model":"bot","prompt":"A cat","response_format":"b64_json"}', path=images.PATH, authorization=f"Bearer {KEY}"
)


async def refusal(port: int) -> str:
    """What is said to who may ask again soon."""
    answer = parsed(await exchange(port, WITH_PICTURES))
    assert (answer.status, answer.json["error"]["code"], answer.headers["retry-after"]) == (503, "overloaded", "1")
    said: str = answer.json["error"]["message"]
    return said


@pytest.mark.parametrize(
    ("where", "bound", "said"),
    [
        (wiring, "PICTURES_BYTES", "Too many pictures are"),
        (images, "SHARE_BYTES", "Too many pictures for one caller are"),
    ],
)
async def test_pictures_are_held_in_a_room_until_their_reader_has_them(
    here: Site, monkeypatch: pytest.MonkeyPatch, where: ModuleType, bound: str, said: str
) -> None:
    monkeypatch.setattr(where, bound, len(PICTURES["/large"]))
    async with here.fetching() as fetcher, fetching(saying(f"https://{NAME}/large"), fetcher, key=KEY) as port:
        async with connected(port) as slow:
            await slow.send(WITH_PICTURES)
            await slow.until(b"b64_json")
            assert (await refusal(port)).startswith(said)
            assert held(parsed(await slow.rest())) == [PICTURES["/large"]]
        assert held(parsed(await exchange(port, WITH_PICTURES))) == [PICTURES["/large"]]


async def until_there_is_room(port: int) -> None:
    with anyio.fail_after(PATIENCE_S):
        while (status := parsed(await exchange(port, WITH_PICTURES)).status) != 200:
            assert status == 503


async def test_who_does_not_read_is_cut_off_and_gives_its_room_back(
    here: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "PICTURES_BYTES", len(PICTURES["/large"]))
    bot = saying(f"https://{NAME}/large")
    async with here.fetching() as fetcher, fetching(bot, fetcher, stall_s=0.1) as port, connected(port) as deaf:
        await deaf.send(WITH_PICTURES)
        await deaf.until(b"b64_json")
        await until_there_is_room(port)
        assert not parsed(await deaf.rest()).has_last_chunk


async def test_who_leaves_gives_its_room_back(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "PICTURES_BYTES", len(PICTURES["/large"]))
    async with here.fetching() as fetcher, fetching(saying(f"https://{NAME}/large"), fetcher) as port:
        async with connected(port) as leaver:
            await leaver.send(WITH_PICTURES)
            await leaver.until(b"b64_json")
        await until_there_is_room(port)


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


@pytest.mark.parametrize("asked", [WITH_PICTURES, request(b'{"prompt":"A cat"}', path=images.PATH)])
async def test_a_client_that_leaves_stops_the_bot(here: Site, asked: bytes) -> None:
    async def never(turn: Any) -> None:
        turn.start()
        await turn.go.wait()

    bot = Bot(never)
    async with here.fetching() as fetcher, fetching(bot, fetcher) as port, connected(port) as leaver:
        await leaver.send(asked)
        turn = await bot.turn()
        leaver.leave()
        await turn.until(lambda: turn.is_over)
        assert turn.is_cancelled
