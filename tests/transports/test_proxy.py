"""What a proxy setting means; what goes through proxies is tested with the playground upstream."""

from pathlib import Path

import aiohttp
import pytest
from aiohttp_socks import ProxyConnector, ProxyType

from certificates import self_signed
from proxies import ProxyKind, proxying
from realcoze.errors import Misconfigured, UpstreamFailed, UpstreamTimeout
from realcoze.transports.http import open_http
from realcoze.transports.proxy import check_proxy, connector
from realcoze.transports.websocket import open_websocket
from servers import raw_server

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.mark.parametrize("proxy", [None, ""])
async def test_no_proxy_is_a_direct_connection(proxy: str | None) -> None:
    check_proxy(proxy)
    made = connector(proxy)
    assert type(made) is aiohttp.TCPConnector
    assert made.limit == 0
    await made.close()


@pytest.mark.parametrize(
    ("proxy", "kind", "rdns"),
    [
        ("http://127.0.0.1:8080", ProxyType.HTTP, True),
        ("SOCKS5://127.0.0.1:8080", ProxyType.SOCKS5, False),
        ("socks://127.0.0.1:8080", ProxyType.SOCKS5, True),
        ("socks5h://127.0.0.1:8080", ProxyType.SOCKS5, True),
        ("socks4://127.0.0.1:8080", ProxyType.SOCKS4, False),
        ("socks4a://127.0.0.1:8080/", ProxyType.SOCKS4, True),
    ],
)
async def test_the_scheme_says_which_protocol_and_who_looks_names_up(
    proxy: str, kind: ProxyType, *, rdns: bool
) -> None:
    made = connector(proxy)
    assert isinstance(made, ProxyConnector)
    assert (made._proxy_type, made._rdns, made._proxy_port) == (kind, rdns, 8080)
    assert made.limit == 0
    await made.close()


async def test_credentials_are_unquoted() -> None:
    made = connector("socks5://b%40b:p%3Ass%20w%C3%B6rd@127.0.0.1:1080")
    assert isinstance(made, ProxyConnector)
    assert (made._proxy_username, made._proxy_password) == ("b@b", "p:ss wörd")
    await made.close()


@pytest.mark.parametrize(
    "proxy",
    [
        "127.0.0.1:8080",
        "https://127.0.0.1:8080",
        "socks6://127.0.0.1:8080",
        "socks5://127.0.0.1",
        "socks5://127.0.0.1:0",
        "socks5://127.0.0.1:65536",
        "socks5://127.0.0.1:http",
        "socks5://:1080",
        "socks5://[::1",
        "http://us%3Aer:password@h:1",
        "http://user:%E4%B8%AD@h:1",
        "socks5://user:" + "p" * 256 + "@h:1",
        "socks5://" + "%C3%B6" * 128 + ":p@h:1",
        "socks4://%C3%B6@h:1",
        "socks4://a%00b@h:1",
    ],
)
async def test_what_cannot_be_used_is_refused_by_both(proxy: str) -> None:
    for refuse in (connector, check_proxy):
        with pytest.raises(Misconfigured) as caught:
            refuse(proxy)
        assert "SCHEME://" in (caught.value.hint or "")
        assert "password" not in str(caught.value).replace("user name or password", "")


@pytest.mark.parametrize("kind", ["socks5", "socks4", "http"])
async def test_a_certificate_is_refused_behind_a_proxy_too(tmp_path: Path, kind: ProxyKind) -> None:
    async with raw_server(OK, ssl=self_signed(tmp_path)) as server, proxying(kind) as proxy:
        async with open_http(proxy=proxy.url(kind), connect_s=2, tls_s=2) as http:
            with pytest.raises(UpstreamFailed) as caught:
                await http.call("GET", f"https://127.0.0.1:{server.port}/", headers={}, reply_s=5)
        assert caught.value.code == "upstream_tls"
        with pytest.raises(UpstreamFailed) as caught:
            async with open_websocket(f"wss://127.0.0.1:{server.port}/", proxy=proxy.url(kind), connect_s=2, tls_s=2):
                pytest.fail("it opened")
        assert caught.value.code == "upstream_tls"
        assert not any(server.received)


@pytest.mark.parametrize("kind", ["socks5", "http"])
async def test_a_proxy_that_never_answers_has_a_deadline(kind: ProxyKind) -> None:
    async with raw_server(stays=True, after=b"never") as server:
        proxy = f"{kind}://127.0.0.1:{server.port}"
        async with open_http(proxy=proxy, connect_s=0.05, tls_s=0.05) as http:
            with pytest.raises(UpstreamTimeout, match="proxy") as caught:
                await http.call("GET", "http://127.0.0.1:1/", headers={}, reply_s=5)
        assert "`proxy`" in (caught.value.hint or "")


@pytest.mark.parametrize("kind", ["socks5", "socks4", "http"])
async def test_a_proxy_that_hangs_up_is_an_error_of_ours(kind: ProxyKind) -> None:
    """python-socks 3.2 lets an EOFError through."""
    async with raw_server(after=b"\0" if kind == "socks4" else b"\r\n\r\n" if kind == "http" else b"\x05") as server:
        proxy = f"{kind}://127.0.0.1:{server.port}"
        async with open_http(proxy=proxy, connect_s=2, tls_s=2) as http:
            with pytest.raises(UpstreamFailed) as caught:
                await http.call("GET", "http://127.0.0.1:1/", headers={}, reply_s=5)
        assert caught.value.code in ("upstream_unreachable", "upstream_protocol")


async def test_a_place_that_the_proxy_cannot_reach_is_said_so() -> None:
    async with proxying("socks5") as proxy, open_http(proxy=proxy.url("socks5h"), connect_s=2, tls_s=2) as http:
        with pytest.raises(UpstreamFailed, match=r"hung up when asked for far\.invalid") as caught:
            await http.call("GET", "http://far.invalid:1/", headers={}, reply_s=5)
        assert caught.value.code == "upstream_unreachable"
