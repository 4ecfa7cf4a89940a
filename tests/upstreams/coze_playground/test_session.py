import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from realcoze.dialects.coze_playground import execute, launch
from realcoze.dialects.coze_playground.launch import Launch, encode_launch
from realcoze.errors import UpstreamFailed, UpstreamTimeout
from realcoze.transports.http import open_http
from realcoze.upstreams.coze_playground.session import Session
from realcoze.upstreams.coze_playground.settings import Deadlines
from realcoze.upstreams.credentials import Secret
from servers import files, raw_server, to_reach, web_server

LAUNCH = Launch(app_key="0123", app_id="513695", product_id="1234", domain="ws://127.0.0.1:1", message_service_id="2")

pytestmark = pytest.mark.usefixtures("nothing_left")


@asynccontextmanager
async def _session(base: str, folder: Path, **overrides: Any) -> AsyncIterator[Session]:
    async with open_http(connect_s=2, tls_s=2) as http:
        yield Session(to_reach(base, folder, **overrides), http)


@asynccontextmanager
async def _answering(path: str, body: bytes, seen: list[web.Request], **rest: Any) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        seen.append(request)
        return web.Response(body=body, **rest)

    async with web_server(web.post(path, answer)) as address:
        yield f"http://{address}"


async def test_a_call_carries_the_cookie_and_our_own_name(tmp_path: Path) -> None:
    seen: list[web.Request] = []
    async with _answering(launch.PATH, encode_launch(LAUNCH), seen) as base, _session(base + "/", tmp_path) as session:
        assert await session.launch() == LAUNCH
    assert seen[0].headers["Cookie"] == "sessionid=emulated-session-0123456789"
    assert seen[0].headers["User-Agent"] == "realcoze"
    assert seen[0].headers["Content-Type"] == "application/json"
    assert await seen[0].read() == b"{}"


async def test_launch_data_is_kept_for_the_next_time(tmp_path: Path) -> None:
    async with _answering(launch.PATH, encode_launch(LAUNCH), []) as base:
        async with _session(base, tmp_path) as session:
            assert session.cached_launch() is None
            await session.launch()
            assert session.cached_launch() == LAUNCH
        async with _session(base, tmp_path) as session:
            assert session.cached_launch() == LAUNCH
            session.drop_launch()
            assert session.cached_launch() is None


async def test_launch_data_is_not_kept_where_that_is_not_wanted(tmp_path: Path) -> None:
    async with (
        _answering(launch.PATH, encode_launch(LAUNCH), []) as base,
        _session(base, tmp_path, cache_launch_s=0) as session,
    ):
        await session.launch()
        assert session.cached_launch() is None
    assert files(tmp_path) == []


async def test_the_account_is_the_session_at_its_address(tmp_path: Path) -> None:
    """And the file's name tells neither."""
    async with _answering(launch.PATH, encode_launch(LAUNCH), []) as base:
        for session_id in ("one", "two"):
            async with _session(base, tmp_path, session_id=Secret(session_id)) as session:
                await session.launch()
        async with _session(base + ":other", tmp_path, session_id=Secret("one")) as session:
            assert session.cached_launch() is None
    names = {file.name for file in files(tmp_path)}
    digests = [hashlib.sha256(f"{base}\n{session_id}".encode()).hexdigest() for session_id in ("one", "two")]
    assert names == {f"launch-{digest[:32]}.json" for digest in digests}


async def test_an_accepted_call_returns(tmp_path: Path) -> None:
    seen: list[web.Request] = []
    async with _answering(execute.PATH, execute.encode_accepted(), seen) as base, _session(base, tmp_path) as session:
        await session.execute(b'{"bot_id":"1"}')
    assert await seen[0].read() == b'{"bot_id":"1"}'


async def test_a_redirect_is_not_followed_and_the_cookie_stays_here(tmp_path: Path) -> None:
    """Coze sends those who are not logged in to a page; the session must not travel there."""
    elsewhere: list[web.Request] = []
    async with _answering("/login", b"", elsewhere) as far:
        head = {"Location": f"{far}/login"}
        async with (
            _answering(execute.PATH, b"", [], status=302, headers=head) as base,
            _session(base, tmp_path) as session,
        ):
            with pytest.raises(UpstreamFailed) as caught:
                await session.execute(b"{}")
    assert caught.value.code == "upstream_protocol"
    assert elsewhere == []


async def test_a_server_that_says_nothing_has_a_deadline(tmp_path: Path) -> None:
    async with raw_server(stays=True) as server:
        base = f"http://127.0.0.1:{server.port}"
        async with _session(base, tmp_path, deadlines=Deadlines(reply=0.05)) as session:
            with pytest.raises(UpstreamTimeout, match=r"127\.0\.0\.1 did not answer in time"):
                await session.launch()


async def test_a_launch_without_data_is_an_error(tmp_path: Path) -> None:
    async with _answering(launch.PATH, b'{"code":0,"msg":"success"}', []) as base, _session(base, tmp_path) as session:
        with pytest.raises(UpstreamFailed):
            await session.launch()
    assert files(tmp_path) == []
