from pathlib import Path

import pytest

from commands import run
from realcoze.app.bots import list_bots
from realcoze.app.config import load_settings
from realcoze.emulator.account import API_TOKEN, BOTS
from realcoze.emulator.open_api.settings import OpenSettings
from realcoze.errors import Misconfigured
from servers import Coze, emulated, raw_server

pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_what_it_prints_are_settings(coze: Coze, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"COZE_API_TOKEN": API_TOKEN, "COZE_API_BASE": coze.base}
    settings = load_settings(folder=tmp_path, environment=environment)
    assert await list_bots(settings, workspace_id="") == 0
    assert [call.path for call in coze.open_api.seen.calls] == ["/v1/workspaces", "/v1/bots"]
    (tmp_path / "realcoze.toml").write_text(capsys.readouterr().out)
    made = load_settings(folder=tmp_path, environment=environment)
    assert {name: bot.bot_id for name, bot in made.bots.items()} == {bot.name: bot.bot_id for bot in BOTS}


async def test_one_workspace_costs_one_call(coze: Coze, tmp_path: Path) -> None:
    environment = {"COZE_API_TOKEN": API_TOKEN, "COZE_API_BASE": coze.base}
    await list_bots(load_settings(folder=tmp_path, environment=environment), workspace_id="7300000000000000000")
    assert [call.path for call in coze.open_api.seen.calls] == ["/v1/bots"]


async def test_a_server_that_has_no_such_list_says_so(tmp_path: Path) -> None:
    async with emulated(OpenSettings(personality="studio")) as coze:
        ended = await run("bots", cwd=tmp_path, COZE_API_TOKEN=API_TOKEN, COZE_API_BASE=coze.base)
    assert ended.code != 0
    assert "has no list of bots; Coze Studio has none." in ended.err
    assert "COZE_BOT_ID" in ended.err


async def test_without_a_token_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no account of the open API"):
        await list_bots(load_settings(folder=tmp_path, environment={}), workspace_id="")


async def test_a_name_of_cozes_is_no_setting_and_no_command_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed is meant to be put into realcoze.toml."""
    names = b'[{"id":"1","name":"mine\\n[server]\\nhost = \\"0.0.0.0\\"\\u001b[2J"}]'
    body = b'{"code":0,"data":{"total_count":1,"workspaces":%b}}' % names
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
    async with raw_server(answer % (len(body), body)) as server:
        base = f"http://127.0.0.1:{server.port}"
        settings = load_settings(folder=tmp_path, environment={"COZE_API_TOKEN": API_TOKEN, "COZE_API_BASE": base})
        assert await list_bots(settings, workspace_id="") == 0
    told = capsys.readouterr().out
    assert told == f'# mine [server] host = "0.0.0.0"[2J: 0 published bot(s) on {base}\n'
