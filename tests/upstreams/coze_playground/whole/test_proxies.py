"""API calls and the websocket by way of a proxy, as the proxy's own log has it (issue, item 6)."""

import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from proxies import Asked, Proxy, ProxyKind, proxying
from realcoze.errors import Misconfigured, Overloaded, RealcozeError, UpstreamFailed
from realcoze.upstreams.coze_playground.settings import Heart
from servers import QUICK, Coze, ask, asking, emulated, outcome, reached, soon

PASSWORD = "s3cret-pa%20ss"
PLAIN_PASSWORD = "s3cret-pa ss"

ALL = [("socks5", "socks5"), ("socks5h", "socks5"), ("socks", "socks5"), ("http", "http"), ("socks4", "socks4")]
SCHEMES = pytest.mark.parametrize(("scheme", "kind"), [*ALL, ("socks4a", "socks4")])

pytestmark = pytest.mark.usefixtures("nothing_left")


async def _talk(coze: Coze, folder: Path, **settings: str | None) -> None:
    async with reached(coze, folder, **settings) as playground:
        assert (await ask(playground, asking("hello"))).text == "hello"


def _is_api_and_socket(proxy: Proxy, coze: Coze) -> bool:
    """One CONNECT for the API calls, which share a connection, and one for the websocket."""
    return [(asked.port, asked.granted) for asked in proxy.log] == [(coze.port, True)] * 2


@SCHEMES
async def test_weakness_25_api_calls_and_the_websocket_go_through_the_proxy(
    tmp_path: Path, scheme: str, kind: ProxyKind
) -> None:
    """It was ignored for the websocket, and an HTTP proxy was refused."""
    async with emulated() as coze, proxying(kind) as proxy:
        await _talk(coze, tmp_path, proxy=proxy.url(scheme))
        assert _is_api_and_socket(proxy, coze)
        assert {asked.host for asked in proxy.log} == {"127.0.0.1"}


@SCHEMES
async def test_weakness_25_with_credentials(tmp_path: Path, scheme: str, kind: ProxyKind) -> None:
    async with emulated() as coze, proxying(kind, user="bob", password=PLAIN_PASSWORD) as proxy:
        await _talk(coze, tmp_path, proxy=proxy.url(scheme, "bob", PASSWORD))
        assert _is_api_and_socket(proxy, coze)
        expected = ("bob", "" if kind == "socks4" else PLAIN_PASSWORD)  # SOCKS4 knows names only
        assert {(asked.user, asked.password) for asked in proxy.log} == {expected}


@pytest.mark.parametrize(
    ("scheme", "kind", "by_name"),
    [
        ("socks5", "socks5", False),
        ("socks4", "socks4", False),
        ("socks5h", "socks5", True),
        ("socks", "socks5", True),
        ("socks4a", "socks4", True),
        ("http", "http", True),
    ],
)
async def test_names_are_looked_up_here_or_there(
    tmp_path: Path, scheme: str, kind: ProxyKind, *, by_name: bool
) -> None:
    async with emulated() as coze, proxying(kind) as proxy:
        coze.base = coze.base.replace("127.0.0.1", "localhost")
        coze.server.socket_base = coze.server.socket_base.replace("127.0.0.1", "localhost")
        await _talk(coze, tmp_path, proxy=proxy.url(scheme))
        host = "localhost" if by_name else "127.0.0.1"
        assert [(asked.host, asked.by_name) for asked in proxy.log] == [(host, by_name)] * 2


@pytest.mark.parametrize(("scheme", "kind"), [("socks5h", "socks5"), ("socks4a", "socks4"), ("http", "http")])
async def test_a_name_that_only_the_proxy_knows(tmp_path: Path, scheme: str, kind: ProxyKind) -> None:
    async with emulated() as coze, proxying(kind, names={"coze.invalid": "127.0.0.1"}) as proxy:
        coze.base = coze.base.replace("127.0.0.1", "coze.invalid")
        coze.server.socket_base = coze.server.socket_base.replace("127.0.0.1", "coze.invalid")
        await _talk(coze, tmp_path, proxy=proxy.url(scheme))
        assert {asked.host for asked in proxy.log} == {"coze.invalid"}


@pytest.mark.parametrize("scheme", ["socks5", "socks4"])
async def test_a_name_that_nobody_here_knows_is_said_so(tmp_path: Path, scheme: ProxyKind) -> None:
    async with proxying(scheme) as proxy, emulated() as coze:
        coze.base = coze.base.replace("127.0.0.1", "coze.invalid")
        async with reached(coze, tmp_path, proxy=proxy.url(scheme)) as playground:
            with pytest.raises(UpstreamFailed, match=r"coze\.invalid cannot be reached") as caught:
                await ask(playground, asking("hello"))
        assert caught.value.code == "upstream_unreachable"


@pytest.mark.parametrize(("scheme", "kind"), ALL[:4])
@pytest.mark.parametrize("password", ["wr0ng-pass", ""])
async def test_a_wrong_password_is_said_so_with_a_hint_and_never_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, scheme: str, kind: ProxyKind, password: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with emulated() as coze, proxying(kind, user="bob", password="right-pass") as proxy:
            async with reached(coze, tmp_path, proxy=proxy.url(scheme, "bob", password)) as playground:
                error = await outcome(playground, asking("hello"))
            assert not proxy.granted
            assert coze.server.seen.launches == 0
    assert isinstance(error, UpstreamFailed)
    assert error.code == "upstream_unreachable"
    assert "password" in (error.hint or "")
    _shows_no_secret(error, caplog.text)


async def test_a_user_that_socks4_does_not_know_is_said_so(tmp_path: Path) -> None:
    async with (
        emulated() as coze,
        proxying("socks4", user="bob") as proxy,
        reached(coze, tmp_path, proxy=proxy.url("socks4", "eve")) as playground,
    ):
        with pytest.raises(UpstreamFailed, match="proxy gave no connection"):
            await ask(playground, asking("hello"))


@SCHEMES
async def test_a_proxy_that_is_down_is_said_so_with_a_hint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, scheme: str, kind: ProxyKind
) -> None:
    async with proxying(kind) as proxy:
        url = proxy.url(scheme, "bob", "wr0ng-pass")
    with caplog.at_level(logging.DEBUG):
        async with emulated() as coze, reached(coze, tmp_path, proxy=url) as playground:
            error = await outcome(playground, asking("hello"))
            again = await outcome(playground, asking("hello"))
    assert isinstance(error, UpstreamFailed)
    assert error.code == "upstream_unreachable"
    assert "`proxy`" in (error.hint or "")
    assert isinstance(again, UpstreamFailed)
    assert again.hint == error.hint
    _shows_no_secret(error, caplog.text)


def _shows_no_secret(error: RealcozeError, logged: str) -> None:
    link: BaseException | None = error
    while link is not None:
        assert "pass" not in f"{link!r} {link}".replace("password", "")
        link = link.__cause__
    assert "wr0ng-pass" not in logged
    assert "right-pass" not in logged


async def test_a_proxy_that_goes_down_later_is_named_to_new_turns(tmp_path: Path) -> None:
    heart = Heart(backoff=0.01, backoff_max=0.01, retries=10**6)
    deadlines = replace(QUICK, socket=0.1)
    async with emulated() as coze, AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(proxying("socks5"))
        url = proxy.url("socks5")
        async with reached(coze, tmp_path, proxy=url, heart=heart, deadlines=deadlines) as playground:
            assert (await ask(playground, asking("hello"))).text == "hello"
            await stack.aclose()
            await soon(lambda: playground.socket.state != "open")
            error = await outcome(playground, asking("hello"))
    assert isinstance(error, Overloaded)
    assert error.code == "socket_unavailable"
    assert "proxy gave no connection" in error.message
    assert "`proxy`" in (error.hint or "")


async def test_ws_proxy_is_the_websockets_own(tmp_path: Path) -> None:
    async with emulated() as coze, proxying("socks5") as api, proxying("http") as socket:
        await _talk(coze, tmp_path, proxy=api.url("socks5"), ws_proxy=socket.url("http"))
        for proxy in (api, socket):
            assert [(asked.port, asked.granted) for asked in proxy.log] == [(coze.port, True)]
        assert api.log == [Asked("127.0.0.1", coze.port, by_name=False)]


async def test_ws_proxy_alone_leaves_the_api_direct(tmp_path: Path) -> None:
    async with emulated() as coze, proxying("http") as socket:
        await _talk(coze, tmp_path, ws_proxy=socket.url("http"))
        assert len(socket.log) == 1


async def test_an_empty_ws_proxy_means_direct(tmp_path: Path) -> None:
    async with emulated() as coze, proxying("socks5") as proxy:
        await _talk(coze, tmp_path, proxy=proxy.url("socks5"), ws_proxy="")
        assert len(proxy.log) == 1


async def test_ws_proxy_that_is_not_set_is_the_proxy(tmp_path: Path) -> None:
    async with emulated() as coze, proxying("socks5") as proxy:
        await _talk(coze, tmp_path, proxy=proxy.url("socks5"), ws_proxy=None)
        assert len(proxy.log) == 2


async def test_no_proxy_setting_means_direct_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with emulated() as coze, proxying("http") as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "ws_proxy"):
            monkeypatch.setenv(name, proxy.url("http"))
        await _talk(coze, tmp_path)
        assert proxy.log == []


async def test_a_websocket_that_is_cut_comes_back_through_the_proxy(tmp_path: Path) -> None:
    async with emulated(pace=15) as coze, proxying("socks5") as proxy:
        async with reached(coze, tmp_path, proxy=proxy.url("socks5")) as playground:
            reply = await ask(playground, asking("one two three four five six seven [[fault cut after=2]]"))
            assert reply.text == "one two three four five six seven"
        assert len(proxy.log) == 3
        await proxy.until(lambda: proxy.open_tunnels == 0)


@pytest.mark.parametrize(
    "setting",
    [
        "s3cret-pass@host:1",
        "ftp://bob:s3cret-pass@host:1",
        "socks5://bob:s3cret-pass@host",
        "socks5://bob:s3cret-pass@:1080",
        "socks5://bob:s3cret-pass@host:port",
        "socks5://bob:s3cret-pass@host:99999",
        "socks5://bob:s3cret-pass@[::1",
        "http://b%3Aob:s3cret-pass@host:1",
    ],
)
@pytest.mark.parametrize("field", ["proxy", "ws_proxy"])
async def test_a_setting_that_is_no_proxy_is_refused_without_its_password(
    tmp_path: Path, setting: str, field: str
) -> None:
    async with emulated() as coze:
        with pytest.raises(Misconfigured) as caught:
            async with reached(coze, tmp_path, **{field: setting}):
                pytest.fail("it opened")
    assert "socks5h" in (caught.value.hint or "")
    assert "s3cret" not in f"{caught.value!r} {caught.value} {caught.value.hint} {caught.value.__context__!r}"
