"""A picture at a URL, from a site with a name and TLS to what a bot of the playground sees of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from houses import settings_for
from pictures import PDF, png
from realcoze.app.wiring import open_house
from realcoze.domain.content import File, Image, Text
from realcoze.domain.ids import BotName
from realcoze.domain.message import Message
from realcoze.domain.request import Request
from realcoze.errors import BadRequest
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Routes
from servers import Coze, reached, reached_openly
from sites import NAME, Site, site

pytestmark = pytest.mark.usefixtures("nothing_left")

PICTURES = BotName("pictures")
PICTURE = png(31, 17)
AT = f"https://{NAME}"


async def _picture(_request: web.Request) -> web.Response:
    return web.Response(body=PICTURE, content_type="text/html")


async def _file(_request: web.Request) -> web.Response:
    return web.Response(body=PDF)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, web.get("/a", _picture), web.get("/b.pdf", _file)) as running:
        yield running


def _question(*parts: Image | File) -> Request:
    return Request(messages=(Message(role="user", parts=(*parts, Text(text="What is this?"))),), bot=PICTURES)


async def test_a_bot_of_the_playground_sees_what_stands_at_a_url(coze: Coze, here: Site, tmp_path: Path) -> None:
    async with reached(coze, tmp_path) as playground, here.fetching() as fetcher:
        gateway = Gateway(Routes({PICTURES: playground}), fetches=fetcher)
        said = (await gateway.ask(_question(Image(url=f"{AT}/a"), File(url=f"{AT}/b.pdf")))).text
    assert f"`image/png`, 31 × 17 pixels, {len(PICTURE)} bytes" in said, "whatever the server calls it"
    assert "application/pdf" in said


async def test_what_is_no_picture_costs_no_call(coze: Coze, here: Site, tmp_path: Path) -> None:
    async with reached(coze, tmp_path) as playground, here.fetching() as fetcher:
        gateway = Gateway(Routes({PICTURES: playground}), fetches=fetcher)
        with pytest.raises(BadRequest, match="no picture"):
            await gateway.ask(_question(Image(url=f"{AT}/b.pdf")))
    assert coze.wire.count("upload") == coze.wire.count("execute") == 0


async def test_the_open_api_gets_the_url_itself(coze: Coze, here: Site) -> None:
    async with reached_openly(coze.base) as upstream, here.fetching() as fetcher:
        await Gateway(Routes({PICTURES: upstream}), fetches=fetcher).ask(_question(Image(url=f"{AT}/a")))
    assert here.looked_up == []
    (chat,) = coze.open_api.seen.chats
    assert any(f"{AT}/a" in (message.content or "") for message in chat.additional_messages or ())


@pytest.mark.parametrize(
    ("server", "code", "said"),
    [
        ({}, "not_supported_by_upstream", "`fetch_urls` in [server]"),
        ({"fetch_urls": True}, "url_refused", "such as https://example.com/picture.png"),
    ],
)
async def test_the_setting_decides_whether_it_is_tried(
    coze: Coze, tmp_path: Path, server: dict[str, bool], code: str, said: str
) -> None:
    async with open_house(settings_for(coze, tmp_path, **server)) as house:
        with pytest.raises(BadRequest) as refusal:
            await house.gateway.ask(_question(Image(url=f"https://127.0.0.1:{coze.port}/a.png")))
    assert refusal.value.code == code
    assert said in (refusal.value.hint or "")
    assert coze.wire.notes == []
