from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from commands import shell
from pty_terminal import in_terminal
from realcoze.app.config import Settings, load_settings
from realcoze.app.doctor import answers, examine
from realcoze.emulator.account import API_TOKEN, BOTS, CHATFLOW, SESSION_ID, WORKFLOWS
from realcoze.emulator.open_api.settings import OpenSettings
from servers import Coze, emulated, raw_server

pytestmark = pytest.mark.usefixtures("nothing_left")

YES = answers(yes=True, terminal=False)
NO = answers(yes=False, terminal=False)


def settings(folder: Path, base: str, **names: str) -> Callable[[], Settings]:
    given = {"COZE_API_TOKEN": API_TOKEN, "COZE_API_BASE": base, "COZE_BOT_ID": BOTS[0].bot_id, **names}
    return lambda: load_settings(folder=folder, environment={name: value for name, value in given.items() if value})


async def test_when_all_is_well_it_says_so(coze: Coze, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await examine(settings(tmp_path, coze.base), YES) == 0
    told = capsys.readouterr().out
    assert "FAIL" not in told
    assert f"{coze.base} answers" in told
    assert f"the bot 'coze' ({BOTS[0].bot_id}) is published to the API" in told
    assert "the clock is" in told
    assert API_TOKEN not in told


async def test_what_costs_is_named_beforehand_and_not_done_unasked(
    coze: Coze, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    async def refuse(question: str) -> bool:
        asked.append(question)
        return False

    assert await examine(settings(tmp_path, coze.base), refuse) == 0
    assert "5 calls" in asked[0]
    assert "500" in asked[0]
    assert coze.open_api.seen.calls == []
    assert "not checked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"COZE_API_TOKEN": ""}, "There is no token"),
        ({"COZE_BOT_ID": ""}, "COZE_BOT_ID"),
        ({"COZE_BOT_ID": "https://www.coze.com/space/1/bot/2"}, "number behind /bot/"),
        ({"COZE_API_TOKEN": "pat with spaces"}, "characters that no token has"),
    ],
    ids=str,
)
async def test_settings_that_cannot_work(
    coze: Coze, tmp_path: Path, capsys: pytest.CaptureFixture[str], names: dict[str, str], said: str
) -> None:
    assert await examine(settings(tmp_path, coze.base, **names), YES) == 1
    told = capsys.readouterr().out
    assert told.startswith("FAIL  settings: ")
    assert said in told
    assert coze.open_api.seen.calls == []


async def test_an_address_where_nobody_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await examine(settings(tmp_path, "http://127.0.0.1:1"), YES) == 1
    told = capsys.readouterr().out
    assert "cannot be reached" in told
    assert "https://api.coze.cn" in told


async def test_a_proxy_that_is_not_there_is_named(
    coze: Coze, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await examine(settings(tmp_path, coze.base, proxy="socks5://127.0.0.1:1"), YES) == 1
    assert "through the proxy" in capsys.readouterr().out


async def test_a_clock_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    answer = f"HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with raw_server(answer.encode()) as server:
        assert await examine(settings(tmp_path, f"http://127.0.0.1:{server.port}"), NO) == 1
    told = capsys.readouterr().out
    assert "behind Coze's" in told
    assert "Set this machine's clock" in told


async def test_a_token_that_is_refused(coze: Coze, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await examine(settings(tmp_path, coze.base, COZE_API_TOKEN="pat_other"), YES) == 1
    told = capsys.readouterr().out
    assert "FAIL  the token: Coze answered code 4100" in told
    assert "a token of coze.com does not work on coze.cn" in told
    assert len(coze.open_api.seen.calls) == 1
    assert "pat_other" not in told


async def test_a_permission_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with emulated(OpenSettings(forbidden=frozenset({"/v3/chat/cancel"}))) as coze:
        assert await examine(settings(tmp_path, coze.base), YES) == 1
        assert coze.open_api.seen.ends == []
    told = capsys.readouterr().out
    assert "ok    the token has the permission chat" in told
    assert "FAIL  the permission cancelChat (to stop an answer that nobody waits for): Coze answered code 4101" in told
    assert told.count("FAIL") == 1
    assert told.endswith("\n1 of these wants mending.\n")


async def test_a_bot_that_is_not_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with emulated(OpenSettings(unpublished=frozenset({BOTS[0].bot_id}))) as coze:
        assert await examine(settings(tmp_path, coze.base), YES) == 1
    told = capsys.readouterr().out
    assert "FAIL  the bot 'coze'" in told
    assert "tick the channel API" in told


async def test_a_studio_does_not_tell_whose_token_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with emulated(OpenSettings(personality="studio")) as coze:
        assert await examine(settings(tmp_path, coze.base), YES) == 0
        assert len(coze.open_api.seen.calls) == 2
    told = capsys.readouterr().out
    assert "Coze Studio" in told
    assert "permission" not in told


async def test_a_token_that_a_studio_refuses_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bots = "".join(f'[bots.b{number}]\nupstream = "coze"\nbot_id = "{BOTS[0].bot_id}"\n' for number in range(6))
    (tmp_path / "realcoze.toml").write_text(bots)
    async with emulated(OpenSettings(personality="studio")) as coze:
        assert await examine(settings(tmp_path, coze.base, COZE_API_TOKEN="pat_other"), YES) == 1
    told = capsys.readouterr().out
    assert "6 bot(s), b0, b1, b2, b3, b4, …\n" in told
    assert told.count("FAIL") == 1


async def test_a_playground_is_only_reached_for(coze: Coze, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text("{}")
    environment = {"session_id": SESSION_ID, "COZE_PLAYGROUND_BASE": coze.base}
    assert await examine(lambda: load_settings(folder=tmp_path, environment=environment), YES) == 0
    assert "answers" in capsys.readouterr().out
    assert coze.server.seen.launches == 0


async def test_nobody_agrees_where_nobody_can_be_asked() -> None:
    assert not await answers(yes=False, terminal=False)("Go on?")
    assert await answers(yes=True, terminal=True)("Go on?")


async def test_an_oauth_app_is_tried_and_named(coze: Coze, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = coze.open_api.oauth.app
    names = {
        "COZE_API_TOKEN": "",
        "COZE_JWT_OAUTH_CLIENT_ID": app.client_id,
        "COZE_JWT_OAUTH_PUBLIC_KEY_ID": app.key_id,
        "COZE_JWT_OAUTH_PRIVATE_KEY": app.private_key.replace("\n", "\\n"),
    }
    assert await examine(settings(tmp_path, coze.base, **names), YES) == 0
    told = capsys.readouterr().out
    assert "ok    who we are to Coze: an OAuth app with a key of its own (JWT)" in told
    assert "the token is Emulated's" in told
    assert "czs_" not in told
    wrong = {**names, "COZE_JWT_OAUTH_CLIENT_ID": "1"}
    assert await examine(settings(tmp_path, coze.base, **wrong), YES) == 1
    assert "FAIL  the token: Coze gives no token: invalid_client" in capsys.readouterr().out


async def test_an_account_whose_bots_are_looked_up_is_checked_without_any(
    coze: Coze, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "realcoze.toml").write_text('[upstreams.coze]\nkind = "coze_open"\ndiscover = true\n')
    assert await examine(settings(tmp_path, coze.base, COZE_BOT_ID=""), YES) == 0
    told = capsys.readouterr().out
    assert told.startswith("ok    settings: 0 bot(s)\n")
    assert "the token is Emulated's" in told


@pytest.mark.parametrize(
    ("kind", "which"), [("workflow", WORKFLOWS[0].workflow_id), ("chatflow", CHATFLOW.workflow_id)]
)
async def test_a_workflow_is_not_looked_for_among_the_bots(
    coze: Coze, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, which: str
) -> None:
    asked: list[str] = []

    async def agree(question: str) -> bool:
        asked.append(question)
        return True

    bot = f'[bots.it]\nupstream = "coze"\nbot_id = "{BOTS[0].bot_id}"\n{kind}_id = "{which}"\n'
    (tmp_path / "realcoze.toml").write_text(bot)
    assert await examine(settings(tmp_path, coze.base, COZE_BOT_ID=""), agree) == 0
    assert f"the {kind} 'it' ({which}): not checked" in capsys.readouterr().out
    assert "0 bot(s) makes up to 4 calls" in asked[0]
    assert len(coze.open_api.seen.calls) == 4


@pytest.mark.parametrize("date", ["Mon, 01 Jan 2024 00:00:00 +99999999999999", "soon", ""])
async def test_a_date_that_is_none_says_nothing_of_the_clock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], date: str
) -> None:
    answer = f"HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with raw_server(answer.encode()) as server:
        assert await examine(settings(tmp_path, f"http://127.0.0.1:{server.port}"), NO) == 0
    assert "clock" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "code", "calls"),
    [("y\r", 0, 5), ("Yes\r", 0, 5), ("\r", 0, 0), ("n\r", 0, 0), ("\x04", 0, 0), ("\x03", 130, 0)],
)
async def test_a_person_is_asked(coze: Coze, tmp_path: Path, typed: str, code: int, calls: int) -> None:
    names = f"COZE_API_TOKEN={API_TOKEN}\nCOZE_API_BASE={coze.base}\nCOZE_BOT_ID={BOTS[0].bot_id}\n"
    (tmp_path / ".env").write_text(names)
    async with in_terminal("doctor", cwd=tmp_path) as session:
        await session.terminal.until_shows("Go on? [y/N]")
        session.terminal.type(typed)
        assert await session.ended() == code
    assert len(coze.open_api.seen.calls) == calls


@pytest.mark.parametrize("lines", [1, 2, 4])
async def test_whoever_reads_its_lines_may_leave(coze: Coze, tmp_path: Path, lines: int) -> None:
    names = f"COZE_API_TOKEN={API_TOKEN}\nCOZE_API_BASE={coze.base}\nCOZE_BOT_ID={BOTS[0].bot_id}\n"
    (tmp_path / ".env").write_text(names)
    (tmp_path / ".env").chmod(0o600)
    reader = f'{{ for line in $(seq {lines}); do read -r line; echo "$line"; done; }}'
    ended = await shell(f"stdbuf -oL realcoze doctor --yes | {reader}", tmp_path)
    assert (len(ended.out.splitlines()), ended.err) == (lines, "")
