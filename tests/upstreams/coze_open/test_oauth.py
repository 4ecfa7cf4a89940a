import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from realcoze.dialects.coze_open.oauth import Grant, authorize_target, challenge_of
from realcoze.emulator.open_api.oauth import CLIENT_ID
from realcoze.emulator.open_api.settings import OpenSettings
from realcoze.errors import UpstreamDenied, UpstreamFailed, UpstreamTimeout
from realcoze.transports.http import HttpClient, open_http
from realcoze.upstreams.coze_open.oauth import TokenOffice
from servers import Coze, emulated, raw_server

pytestmark = pytest.mark.usefixtures("nothing_left")

REDIRECT = "http://127.0.0.1:8085/callback"


@asynccontextmanager
async def opened(coze: Coze) -> AsyncIterator[tuple[TokenOffice, HttpClient]]:
    async with open_http(connect_s=2, tls_s=2) as http:
        yield TokenOffice(coze.base + "/", http), http


async def code_for(http: HttpClient, coze: Coze, verifier: str) -> str:
    """The code of a redirect that somebody agreed to."""
    target = authorize_target(client_id=CLIENT_ID, redirect_uri=REDIRECT, state="s", challenge=challenge_of(verifier))
    answer = await http.call("GET", coze.base + target, headers={}, reply_s=5)
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert (answer.status, query["state"]) == (302, ["s"])
    return query["code"][0]


async def test_a_device_waits_and_gets_its_token() -> None:
    async with emulated(OpenSettings(pace=0, device_interval_s=0)) as coze, opened(coze) as (office, _):
        code = await office.device(CLIENT_ID)
        assert await office.poll(CLIENT_ID, code.device_code) == "authorization_pending"
        assert coze.open_api.oauth.decide(code.user_code.lower(), "approved")
        grant = await office.poll(CLIENT_ID, code.device_code)
        assert isinstance(grant, Grant)
        assert grant.refresh_token
        assert await office.poll(CLIENT_ID, code.device_code) == "expired_token"


async def test_a_redirect_is_redeemed_once_and_by_its_verifier_only() -> None:
    async with emulated() as coze, opened(coze) as (office, http):
        code = await code_for(http, coze, "v" * 43)
        with pytest.raises(UpstreamDenied, match="verifier"):
            await office.redeem(CLIENT_ID, code, redirect_uri=REDIRECT, verifier="w" * 43)
        code = await code_for(http, coze, "v" * 43)
        assert (await office.redeem(CLIENT_ID, code, redirect_uri=REDIRECT, verifier="v" * 43)).refresh_token
        with pytest.raises(UpstreamDenied):
            await office.redeem(CLIENT_ID, code, redirect_uri=REDIRECT, verifier="v" * 43)


async def test_a_refresh_token_is_good_for_one_use() -> None:
    async with emulated() as coze, opened(coze) as (office, http):
        code = await code_for(http, coze, "v" * 43)
        first = await office.redeem(CLIENT_ID, code, redirect_uri=REDIRECT, verifier="v" * 43)
        second = await office.refresh(CLIENT_ID, first.refresh_token)
        assert second.refresh_token != first.refresh_token
        with pytest.raises(UpstreamDenied, match="used before"):
            await office.refresh(CLIENT_ID, first.refresh_token)


async def test_what_time_it_is_at_coze_is_learned_from_any_answer(caplog: pytest.LogCaptureFixture) -> None:
    async with emulated() as coze, open_http(connect_s=2, tls_s=2) as http:
        office = TokenOffice(coze.base, http, now=lambda: time.time() - 7200)
        assert abs(office.time() - time.time()) > 7000
        await office.device(CLIENT_ID)
        assert abs(office.time() - time.time()) < 5
        right = TokenOffice(coze.base, http)
        await right.device(CLIENT_ID)
        assert right.ahead_s == 0
    assert "clock is 7" in caplog.text
    assert "behind" in caplog.text


async def test_an_endpoint_that_is_down_or_silent_is_told_apart(coze: Coze) -> None:
    async with opened(coze) as (office, _):
        coze.open_api.oauth.troubles.append("down")
        with pytest.raises(UpstreamFailed, match="500"):
            await office.refresh(CLIENT_ID, "r")
    async with raw_server(stays=True) as silent, open_http(connect_s=2, tls_s=2) as http:
        office = TokenOffice(f"http://127.0.0.1:{silent.port}", http, reply_s=0.05)
        with pytest.raises(UpstreamTimeout):
            await office.refresh(CLIENT_ID, "canary")
