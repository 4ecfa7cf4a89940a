import signal
from pathlib import Path

import pytest

from commands import DEMO_NAMES, run, running, shell
from realcoze.app.accounts import OpenUpstream
from realcoze.app.config import load_settings
from realcoze.app.emulation import KEY_FILE, describe_faults, emulated_settings
from realcoze.app.wiring import open_house, open_settings
from realcoze.domain.message import say
from realcoze.domain.request import Request
from realcoze.emulator.account import BOTS, CHATFLOW, WORKFLOWS
from realcoze.emulator.fault import FAULTS
from realcoze.emulator.open_api.fault import CHAT_FAULTS
from realcoze.emulator.open_api.settings import PLANS
from realcoze.emulator.playground import PlaygroundSettings
from realcoze.emulator.server import emulating
from realcoze.errors import QuotaExhausted
from realcoze.upstreams.coze_open.upstream import open_coze
from servers import raw_server

pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_what_it_writes_works_as_printed(tmp_path: Path) -> None:
    options = ("--port", "0", "--write", "my folder", "--pace", "0", "--frames", "mixed", "--seed", "7")
    answers = set()
    for _ in ("new", "and written again"):
        async with running("emulate", *options, cwd=tmp_path) as emulator:
            said = await emulator.until_says("realcoze chat\n")
            line = said.splitlines()[-1].strip()
            assert line == "cd 'my folder' && realcoze chat"
            ended = await shell(line.replace("&& realcoze", "&& echo hi | realcoze"), tmp_path)
            emulator.tell(signal.SIGTERM)
            assert (await emulator.ended()).code == 0
        assert (ended.code, ended.err) == (0, "")
        assert "you said “hi”" in ended.out
        answers.add(ended.out)
    assert len(answers) == 1
    assert all(f"  {bot.name} " in said for bot in BOTS)
    assert all(flow.workflow_id in said for flow in (*WORKFLOWS, CHATFLOW))
    assert (tmp_path / "my folder" / ".env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("api", ["open", "studio"])
async def test_what_it_writes_may_speak_the_open_api(tmp_path: Path, api: str) -> None:
    async with running(
        "emulate", "--port", "0", "--pace", "0", "--api", api, "--write", "made", cwd=tmp_path
    ) as emulator:
        await emulator.until_says("realcoze chat\n")
        ended = await shell(
            "cd made && echo hi | realcoze chat && echo hi | realcoze chat --bot bot-7300000000000000005", tmp_path
        )
        assert (tmp_path / "made" / KEY_FILE).exists() == (api == "open")
        emulator.tell(signal.SIGTERM)
        await emulator.ended()
    assert (ended.code, ended.err) == (0, "")
    assert "you said “hi”" in ended.out
    assert ended.out.endswith("hi\n")
    assert (tmp_path / "made" / ".env").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "made").iterdir() if path.suffix == ".json"] == []


async def test_its_oauth_app_can_be_tried_as_printed(tmp_path: Path) -> None:
    options = ("--port", "0", "--pace", "0", "--api", "open", "--write", "made")
    env, key = tmp_path / "made" / ".env", tmp_path / "made" / KEY_FILE
    for _ in ("new", "and written again"):
        async with running("emulate", *options, cwd=tmp_path) as emulator:
            said = await emulator.until_says(f"./{KEY_FILE}\n")
            app = [line.strip() for line in said.splitlines() if "COZE_JWT_OAUTH" in line]
            assert len(app) == 3
            rest = [line for line in env.read_text().splitlines() if not line.startswith("COZE_API_TOKEN=")]
            env.write_text("\n".join([*rest, *app, ""]))
            examined = await shell("cd made && realcoze doctor --yes && echo hi | realcoze chat", tmp_path)
            emulator.tell(signal.SIGTERM)
            await emulator.ended()
        assert examined.code == 0, examined
        assert "who we are to Coze: an OAuth app with a key of its own" in examined.out
        assert "you said “hi”" in examined.out
        assert key.stat().st_mode & 0o777 == 0o600


async def test_it_writes_over_nobodys_settings(tmp_path: Path) -> None:
    for name in (".env", "echo.json"):
        folder = tmp_path / name / "mine"
        folder.mkdir(parents=True)
        (folder / name).write_text("session_id=my-own")
        ended = await run("emulate", "--port", "0", "--write", str(folder), cwd=tmp_path)
        assert ended.code == 78
        assert ended.err == (f"realcoze: {folder}/{name} is there already.\n  Name a folder that is new or empty.\n")
        assert [path.name for path in folder.iterdir()] == [name]
        assert (folder / name).read_text() == "session_id=my-own"
    (tmp_path / "file").touch()
    ended = await run("emulate", "--port", "0", "--write", "file/sub", cwd=tmp_path)
    assert (ended.code, ended.err) == (78, "realcoze: file/sub cannot be written: Not a directory.\n")


async def test_ctrl_c_ends_it_and_a_port_may_be_taken(tmp_path: Path) -> None:
    async with running("emulate", "--port", "0", cwd=tmp_path) as emulator:
        await emulator.until_says("Add --write FOLDER")
        emulator.tell(signal.SIGINT)
        ended = await emulator.ended()
    assert (ended.code, ended.err) == (0, "")
    async with raw_server() as taken:
        ended = await run("emulate", "--port", str(taken.port), cwd=tmp_path)
    assert ended.code == 78
    assert ended.err.startswith(f"realcoze: Cannot listen on 127.0.0.1, port {taken.port}: ")
    assert "Choose another with --port" in ended.err
    assert "Traceback" not in ended.err


async def test_every_fault_is_listed(tmp_path: Path) -> None:
    ended = await run("emulate", "--faults", cwd=tmp_path)
    assert (ended.code, ended.out) == (0, describe_faults() + "\n")
    for name, about in [*FAULTS.items(), *CHAT_FAULTS.items()]:
        assert f"\n  {name} " in ended.out
        assert about in ended.out


async def test_settings_reach_every_bot_and_leave_nothing(tmp_path: Path) -> None:
    async with (
        emulating(PlaygroundSettings(session_id="emulated-session-0123456789", pace=0)) as emulator,
        emulated_settings(emulator) as settings,
        open_house(settings) as house,
    ):
        folder = settings.state_dir.parent
        assert house.gateway.bots == tuple(DEMO_NAMES)
        for bot in house.gateway.bots:
            reply = await house.gateway.ask(Request(messages=(say("user", "hi"),), bot=bot))
            assert reply.text
        assert folder.is_dir()
    assert not folder.exists()
    assert load_settings(folder=tmp_path, environment={}).bots == {}


async def test_the_free_plan_has_500_calls_in_all(tmp_path: Path) -> None:
    options = ("--port", "0", "--api", "open", "--plan", "free", "--write", "made")
    async with running("emulate", *options, cwd=tmp_path) as emulator:
        await emulator.until_says("realcoze chat\n")
        account = load_settings(folder=tmp_path / "made", environment={}).upstreams["coze"]
        assert isinstance(account, OpenUpstream)
        async with open_coze(open_settings(account, {})) as coze:
            for _ in range(PLANS["free"]["calls_in_all"]):
                await coze.calls.me()
            with pytest.raises(QuotaExhausted, match="4028"):
                await coze.calls.me()
        emulator.tell(signal.SIGTERM)
        await emulator.ended()
