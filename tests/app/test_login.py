import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from realcoze.app.config import Settings, load_settings, require_bots
from realcoze.app.login import Wish, log_in_by_browser, log_in_by_device, log_out, wish_of
from realcoze.app.wiring import open_house
from realcoze.domain.ids import BotName
from realcoze.emulator.account import BOTS
from realcoze.emulator.open_api.oauth import CLIENT_ID, Verdict
from realcoze.emulator.open_api.settings import OpenSettings
from realcoze.errors import Misconfigured, UpstreamDenied, UpstreamTimeout
from realcoze.transports.http import open_http
from realcoze.upstreams.coze_open.login import LoginFile
from servers import PATIENCE_S, Coze, asking, emulated, raw_server

pytestmark = pytest.mark.usefixtures("nothing_left")

AT_ONCE = OpenSettings(pace=0, device_interval_s=0)


def loaded(folder: Path, base: str, **more: str) -> Settings:
    """Settings of somebody who has no token."""
    given = {"COZE_API_BASE": base, "COZE_BOT_ID": BOTS[4].bot_id, "temp_path": "state", **more}
    return load_settings(folder=folder, environment=given)


def wish(folder: Path, base: str) -> Wish:
    return wish_of(loaded(folder, base), CLIENT_ID)


def deciding(
    coze: Coze, capsys: pytest.CaptureFixture[str], verdict: Verdict, *, at: int = 1
) -> tuple[list[float], Callable[[float], Awaitable[None]]]:
    """A person who decides after so many questions; what was waited in between."""
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == at + 1:
            shown = re.search(r"user_code=(\w+)", capsys.readouterr().out)
            assert shown is not None
            assert coze.open_api.oauth.decide(shown[1], verdict)

    return waits, wait


async def follow(coze: Coze, capsys: pytest.CaptureFixture[str], **instead: str) -> int:
    """What a browser does with the address that is shown; the status of the page that it lands on."""
    with anyio.fail_after(PATIENCE_S):
        while not (shown := re.search(r"allow it:\n  (http\S+)\n", told := capsys.readouterr().out)):
            await anyio.lowlevel.checkpoint()
    assert "redirect address:\n  http://127.0.0.1:" in told
    async with open_http(connect_s=2, tls_s=2) as http:
        address = (await http.call("GET", shown[1], headers={}, reply_s=5)).headers["location"]
        for name, value in instead.items():
            wrong = re.sub(rf"{name}=[^&]*", value, address)
            assert (await http.call("GET", wrong, headers={}, reply_s=5)).status == 400
        return (await http.call("GET", address, headers={}, reply_s=5)).status


async def test_a_person_allows_a_device_and_later_runs_need_no_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with emulated(AT_ONCE) as coze:
        with pytest.raises(Misconfigured, match="no token"):
            require_bots(loaded(tmp_path, coze.base))
        waits, wait = deciding(coze, capsys, "approved", at=2)
        assert await log_in_by_device(wish(tmp_path, coze.base), wait=wait) == 0
        assert waits == [1, 1, 1]
        told = capsys.readouterr().out
        assert f"Logged in at {coze.base}" in told
        assert "temp_path" in told
        assert "czu_" not in told
        settings = loaded(tmp_path, coze.base)
        async with open_house(settings) as house:
            assert (await house.gateway.ask(asking("hello", ""))).text == "hello"
        assert (tmp_path / "state" / "login.json").stat().st_mode & 0o777 == 0o600


async def test_a_device_that_is_told_to_slow_down_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with emulated(AT_ONCE) as coze:
        coze.open_api.oauth.troubles.append("slow_down")
        waits, wait = deciding(coze, capsys, "approved")
        await log_in_by_device(wish(tmp_path, coze.base), wait=wait)
    assert waits == [1, 6]


async def test_a_person_who_refuses_is_heard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with emulated(AT_ONCE) as coze:
        _, wait = deciding(coze, capsys, "denied")
        with pytest.raises(UpstreamDenied, match="refused on the page"):
            await log_in_by_device(wish(tmp_path, coze.base), wait=wait)
    assert not (tmp_path / "state" / "login.json").exists()


async def test_a_code_that_nobody_used_expires(tmp_path: Path) -> None:
    async with emulated(AT_ONCE) as coze:

        async def wait(_: float) -> None:
            coze.open_api.oauth._devices.clear()

        with pytest.raises(UpstreamTimeout, match="expired"):
            await log_in_by_device(wish(tmp_path, coze.base), wait=wait)


@pytest.mark.parametrize("instead", [{}, {"state": "state=other"}, {"state": "nothing=1"}], ids=str)
async def test_a_browser_comes_back_to_this_machine_and_only_with_our_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], instead: dict[str, str]
) -> None:
    status: list[int] = []
    async with emulated() as coze, anyio.create_task_group() as tasks:

        async def browse() -> None:
            status.append(await follow(coze, capsys, **instead))

        tasks.start_soon(browse)
        assert await log_in_by_browser(wish(tmp_path, coze.base), port=0) == 0
        found = LoginFile(tmp_path / "state" / "login.json").find(coze.base)
    assert found is not None
    assert found.client_id == CLIENT_ID
    assert status == [200]


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    async with raw_server(stays=True) as server:
        with pytest.raises(Misconfigured, match=f"port {server.port}"):
            await log_in_by_browser(wish(tmp_path, "http://127.0.0.1:1"), port=server.port)


async def test_who_logs_out_is_forgotten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with emulated(AT_ONCE) as coze:
        _, wait = deciding(coze, capsys, "approved")
        await log_in_by_device(wish(tmp_path, coze.base), wait=wait)
        assert loaded(tmp_path, coze.base).upstreams["coze"].secret == ""
        await log_out(loaded(tmp_path, coze.base), client_id="")
        assert f"Forgot 1 login at {coze.base}." in capsys.readouterr().out
        await log_out(loaded(tmp_path, coze.base), client_id="")
        assert capsys.readouterr().out == f"Nobody was logged in at {coze.base}.\n"
        with pytest.raises(Misconfigured, match="no token"):
            require_bots(loaded(tmp_path, coze.base))


async def test_an_app_must_be_named_somewhere(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="--client-id"):
        wish_of(loaded(tmp_path, "http://127.0.0.1:1"), "")
    named: dict[str, Any] = {"COZE_JWT_OAUTH_CLIENT_ID": "42"}
    assert wish_of(loaded(tmp_path, "http://127.0.0.1:1", **named), "").client_id == "42"
    with pytest.raises(Misconfigured, match="no account"):
        wish_of(load_settings(folder=tmp_path, environment={}), "1")
    assert BotName("coze") in loaded(tmp_path, "http://127.0.0.1:1").bots
