"""The userscript in Chromium, on a page that saves a bot as Coze's page does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from judged import Chromium
from realcoze.dialects.coze_playground.execute import decode_config
from realcoze.emulator.account import BOTS, bot_config
from servers import web_server

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).parents[2] / "userscripts" / "download-bot-config.user.js"
CONFIG = msgspec.json.encode(
    {**bot_config(BOTS[0]), "name": "猫 & “cat”", "base_commit_version": 9007199254740993, "ratio": 1.0}
).decode()
"""With what reading and writing it anew would change: a number too large for a float, spacing, escapes."""

PAGE = """<!doctype html><title>A bot</title><body><h1>A bot</h1><script>
const config = %s + " ";
window.save = async (way, path = "/api/draftbot/update") => {
    const headers = {"Content-Type": "application/json"};
    const options = {method: "POST", headers, body: config};
    switch (way) {
        case "fetch": return (await fetch(path, options)).json();
        case "request": return (await fetch(new Request(path, options))).json();
        case "blob": return (await fetch(new URL(path, location), {...options, body: new Blob([config])})).json();
        case "xhr": return new Promise((done) => {
            const call = new XMLHttpRequest();
            call.open("POST", path);
            call.setRequestHeader("Content-Type", "application/json");
            call.onload = () => done(JSON.parse(call.responseText));
            call.send(config);
        });
    }
};
window.useTwice = async () => {
    const request = new Request("/api/draftbot/update", {method: "POST", body: config});
    await request.text();
    let call;
    try { call = fetch(request); } catch { return "thrown at once"; }
    return call.then(() => "sent", (error) => error.name);
};
</script>"""


@dataclass(frozen=True)
class Saved:
    """A call of the page, as it arrived."""

    path: str
    content_type: str
    body: str


@asynccontextmanager
async def bot_page() -> AsyncIterator[tuple[str, list[Saved]]]:
    """The page's address, and the calls it makes."""
    calls: list[Saved] = []

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=PAGE % msgspec.json.encode(CONFIG).decode(), content_type="text/html")

    async def update(request: web.Request) -> web.Response:
        calls.append(Saved(request.path, request.content_type, await request.text()))
        return web.json_response({"code": 0, "msg": "success"})

    bot_id = BOTS[0].bot_id
    async with web_server(
        web.get(f"/space/1/bot/{bot_id}", page),
        web.post("/api/draftbot/update", update),
        web.post("/api/other", update),
        web.get("/favicon.ico", page),
    ) as host:
        yield f"http://{host}/space/1/bot/{bot_id}", calls


@pytest.mark.parametrize("scenario", ["pasted", "injected"])
async def test_it_saves_exactly_what_the_page_sent_and_changes_nothing(
    chromium: Chromium, tmp_path: Path, scenario: str
) -> None:
    (tmp_path / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    async with bot_page() as (url, calls):
        told = await chromium.drive(scenario, url, tmp_path)
    assert (told["waiting"], told["ready"]) == ("Download (waiting for a save)", "Download config.json")
    assert [dialog.partition(".")[0] for dialog in told["dialogs"]] == ["The bot's configuration was not seen yet"]
    assert (told["foreign"], told["complaints"], told["buttons"]) == ([], [], 1)

    assert told["used"] == "TypeError", "as without the script: the promise is rejected"
    sent = CONFIG + " "
    assert [call.path for call in calls] == [*["/api/draftbot/update"] * 4, "/api/other"]
    assert {(call.body, call.content_type) for call in calls} == {(sent, "application/json")}
    assert set(told["downloads"]) == {"fetch", "request", "blob", "xhr"}
    for download in told["downloads"].values():
        assert (download["name"], download["text"]) == ("config.json", sent)
        assert download["answer"] == {"code": 0, "msg": "success"}
        assert decode_config(download["text"].encode())


async def test_a_save_of_something_else_is_said_to_be_one(chromium: Chromium, tmp_path: Path) -> None:
    (tmp_path / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    async with bot_page() as (url, _calls):
        told = await chromium.drive("lacking", url, tmp_path)
    assert (told["lacking"], told["ready"]) == ("Download (a save came without work_info)", "Download config.json")
    assert [dialog.partition(",")[0] for dialog in told["dialogs"]] == ["The page saved something"]


async def test_it_speaks_chinese_to_a_chinese_browser(chromium: Chromium, tmp_path: Path) -> None:
    (tmp_path / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    async with bot_page() as (url, _calls):
        told = await chromium.drive("pasted", url, tmp_path, locale="zh-CN")
    assert (told["waiting"], told["ready"]) == ("下载（等待页面保存）", "下载 config.json")
    assert "请修改一下机器人" in told["dialogs"][0]
