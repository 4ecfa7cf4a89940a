import fcntl
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from realcoze.dialects.coze_open.oauth import TOKEN_PATH, Grant
from realcoze.emulator.open_api.oauth import CLIENT_ID
from realcoze.errors import Misconfigured, UpstreamDenied, UpstreamFailed, UpstreamTimeout
from realcoze.transports.http import open_http
from realcoze.upstreams.coze_open import login
from realcoze.upstreams.coze_open.login import Login, LoginFile, LoginRenewal
from realcoze.upstreams.coze_open.oauth import TokenOffice
from realcoze.upstreams.coze_open.settings import LoginCredentials
from servers import PATIENCE_S, Coze, reached_openly

leaves_nothing = pytest.mark.usefixtures("nothing_left")

BASE = "https://api.coze.com"


def grant(name: str = "canary", life_s: float = 900) -> Grant:
    return Grant(access_token=name, expires_at=time.time() + life_s, life_s=life_s, refresh_token=f"refresh-{name}")


def logged_in(coze: Coze, path: Path, *, life_s: float = 900) -> LoginFile:
    """A file with a login whose refresh token the emulator knows."""
    issued, dies_at = coze.open_api.state.issued, time.time() + life_s
    given = Grant(
        access_token=issued.access_token("czu_", dies_at),
        expires_at=dies_at,
        life_s=life_s,
        refresh_token=issued.refresh_token(CLIENT_ID),
    )
    file = LoginFile(path)
    file.keep(coze.base, CLIENT_ID, given)
    return file


@asynccontextmanager
async def renewing(coze: Coze, path: Path) -> AsyncIterator[LoginRenewal]:
    async with open_http(connect_s=2, tls_s=2) as http:
        yield LoginRenewal(LoginCredentials(file=path), TokenOffice(coze.base, http))


def test_what_is_kept_is_found_again_by_base_and_app(tmp_path: Path) -> None:
    file = LoginFile(tmp_path / "state" / "login.json")
    assert file.find(BASE) is None
    file.keep(BASE + "/", "1", grant("a"))
    file.keep(BASE, "2", grant("b"))
    file.keep("https://api.coze.cn", "1", grant("c"))
    file.keep(BASE, "1", grant("d"))
    newest, second = file.find(BASE), file.find(BASE + "/", "2")
    assert newest is not None
    assert second is not None
    assert (newest.access_token, second.access_token) == ("d", "b")
    assert file.find(BASE, "3") is None
    assert file.drop(BASE, "1") == 1
    assert file.drop(BASE) == 1
    assert file.drop(BASE) == 0
    assert file.find("https://api.coze.cn") is not None


def test_only_its_owner_can_read_it_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    path.write_text('{"logins":[]}')
    path.chmod(0o666)
    LoginFile(path).keep(BASE, "1", grant())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["login.json"]
    assert "canary" not in repr(LoginFile(path).find(BASE))


@pytest.mark.parametrize("text", ["", "canary", '{"logins":[{"base":"canary"}]}', '{"logins":"canary"}'])
def test_a_file_that_cannot_be_read_is_told_without_its_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "login.json"
    path.write_text(text)
    with pytest.raises(Misconfigured, match="cannot be read") as caught:
        LoginFile(path).find(BASE)
    assert "canary" not in f"{caught.value.message}{caught.value.hint}"


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be written"):
        LoginFile(tmp_path / f"{'x' * 250}.json").keep(BASE, "1", grant())


@leaves_nothing
async def test_two_programs_take_turns_with_the_file(tmp_path: Path) -> None:
    file, order = LoginFile(tmp_path / "login.json"), []

    async def second() -> None:
        async with LoginFile(tmp_path / "login.json").locked():
            order.append("second")

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks, file.locked():
            tasks.start_soon(second)
            await anyio.wait_all_tasks_blocked()
            order.append("first")
    assert order == ["first", "second"]


@leaves_nothing
async def test_who_never_gets_the_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "LOCK_S", 0.1)
    file = LoginFile(tmp_path / "login.json")
    with (tmp_path / "login.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UpstreamTimeout, match="Another program"):
            async with file.locked():
                pytest.fail("it is not ours")
    async with file.locked():
        pass


@leaves_nothing
async def test_the_kept_token_is_used_first_and_then_renewed_on_the_disk(coze: Coze, tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    file = logged_in(coze, path)
    kept = file.find(coze.base)
    assert kept is not None
    async with renewing(coze, path) as renewal:
        first = await renewal.renew()
        assert first.token.reveal() == kept.access_token
        assert coze.open_api.seen.count(TOKEN_PATH) == 0
        second = await renewal.renew()
    now = file.find(coze.base)
    assert now is not None
    assert now.access_token == second.token.reveal() != kept.access_token
    assert now.refresh_token != kept.refresh_token
    assert second.life_s > 60


@leaves_nothing
async def test_what_another_program_has_renewed_is_taken(coze: Coze, tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    logged_in(coze, path)
    async with renewing(coze, path) as one, renewing(coze, path) as other:
        assert (await one.renew()).token.reveal() == (await other.renew()).token.reveal()
        leases = [await one.renew(), await other.renew()]
    assert leases[0].token.reveal() == leases[1].token.reveal()
    assert coze.open_api.seen.count(TOKEN_PATH) == 1


@leaves_nothing
async def test_a_kept_token_that_is_dead_is_renewed_at_once_through_the_whole_upstream(
    coze: Coze, tmp_path: Path
) -> None:
    path = tmp_path / "login.json"
    logged_in(coze, path, life_s=5)
    async with reached_openly(coze.base, token=LoginCredentials(file=path, client_id=CLIENT_ID)) as upstream:
        assert (await upstream.calls.me()).user_name
        coze.open_api.state.issued.end_all()
        assert (await upstream.calls.me()).user_name
    assert coze.open_api.seen.count(TOKEN_PATH) == 2


@leaves_nothing
async def test_a_login_that_is_over_says_how_to_begin_anew(coze: Coze, tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    async with renewing(coze, path) as renewal:
        with pytest.raises(UpstreamDenied, match="Nobody is logged in") as caught:
            await renewal.renew()
        assert "realcoze login" in str(caught.value.hint)
        LoginFile(path).keep(coze.base, CLIENT_ID, grant(life_s=1))
        with pytest.raises(UpstreamDenied, match="The login is over") as caught:
            await renewal.renew()
    assert "realcoze login" in str(caught.value.hint)
    assert "canary" not in f"{caught.value.message}{caught.value.__cause__}"


@leaves_nothing
async def test_while_the_endpoint_is_down_nothing_of_the_file_is_lost(coze: Coze, tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    file = logged_in(coze, path, life_s=1)
    before: Login | None = file.find(coze.base)
    coze.open_api.oauth.troubles.append("down")
    async with renewing(coze, path) as renewal:
        with pytest.raises(UpstreamFailed):
            await renewal.renew()
        assert file.find(coze.base) == before
        await renewal.renew()
    assert file.find(coze.base) != before


@leaves_nothing
async def test_a_renewal_that_is_cancelled_still_writes_down_what_it_got(coze: Coze, tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    file = logged_in(coze, path, life_s=1)
    before = file.find(coze.base)
    coze.open_api.oauth.troubles.append("slow")
    async with renewing(coze, path) as renewal, anyio.create_task_group() as tasks:
        tasks.start_soon(renewal.renew)
        await coze.wire.until_count("call", 1)
        tasks.cancel_scope.cancel()
        coze.open_api.oauth.go_on()
    after = file.find(coze.base)
    assert after is not None
    assert before is not None
    assert after.refresh_token != before.refresh_token
