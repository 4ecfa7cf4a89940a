from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from certificates import self_signed
from realcoze.errors import Misconfigured, Truncated, UpstreamFailed, UpstreamTimeout
from realcoze.transports.http import Answer, HttpClient, open_http
from realcoze.transports.pushed import Valve
from servers import PATIENCE_S, Watched, raw_server, soon, web_server

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

pytestmark = pytest.mark.usefixtures("nothing_left")


async def _call(port: int, *, scheme: str = "http", **more: Any) -> Answer:
    async with open_http(connect_s=2, tls_s=2) as http:
        url = f"{scheme}://127.0.0.1:{port}/path"
        return await http.call("POST", url, **{"headers": {}, "body": b"x", "reply_s": 5, **more})


class Listener(Watched):
    """What a streamed answer called back with."""

    def __init__(self) -> None:
        super().__init__()
        self.head: tuple[int, dict[str, str]] | None = None
        self.chunks: list[bytes] = []
        self.valve = Valve()

    def on_head(self, status: int, headers: Any) -> None:
        self.head = (status, dict(headers))

    def on_bytes(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        self.changed()

    async def stream(self, http: HttpClient, url: str, *, idle_s: float = 5) -> None:
        await http.stream(
            "POST",
            url,
            headers={"x-a": "b"},
            body=b"question",
            idle_s=idle_s,
            on_head=self.on_head,
            on_bytes=self.on_bytes,
            valve=self.valve,
        )


async def _stream(port: int, listener: Listener, *, idle_s: float = 5) -> None:
    async with open_http(connect_s=2, tls_s=2) as http:
        await listener.stream(http, f"http://127.0.0.1:{port}/", idle_s=idle_s)


async def test_a_call_gives_status_headers_and_body() -> None:
    async with raw_server(b"HTTP/1.1 418 Teapot\r\nX-Name: Value\r\nContent-Length: 5\r\n\r\nhello") as server:
        answer = await _call(server.port, headers={"cookie": "a=b"})
    assert answer == Answer(418, {"x-name": "Value", "content-length": "5"}, b"hello")
    request = bytes(server.received[0])
    assert request.startswith(b"POST /path HTTP/1.1\r\n")
    assert b"cookie: a=b\r\n" in request
    assert b"Accept-Encoding: identity\r\n" in request


async def test_redirects_are_not_followed() -> None:
    async with raw_server(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n") as server:
        answer = await _call(server.port, headers={"cookie": "secret"})
        assert (answer.status, answer.headers["location"]) == (302, "/elsewhere")
        assert len(server.received) == 1


async def test_cookies_that_come_are_not_kept() -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie", ""))
        return web.Response(headers={"Set-Cookie": "a=b"})

    async with web_server(web.post("/", answer)) as address, open_http(connect_s=2, tls_s=2) as http:
        for _ in range(2):
            await http.call("POST", f"http://{address}/", headers={}, reply_s=5)
    assert seen == ["", ""]


async def test_compressed_bodies_are_left_as_they_are() -> None:
    body = b"\x1f\x8b not really"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with raw_server(head + body) as server:
        assert (await _call(server.port)).body == body


@pytest.mark.parametrize("size", [99, 100, 101])
async def test_a_body_is_bounded(size: int) -> None:
    async with raw_server(HEAD + b"Content-Length: %d\r\n\r\n" % size + b"x" * size) as server:
        if size <= 100:
            assert len((await _call(server.port, max_bytes=100)).body) == size
        else:
            with pytest.raises(UpstreamFailed, match="larger than 100 bytes") as caught:
                await _call(server.port, max_bytes=100)
            assert caught.value.code == "upstream_protocol"


async def test_a_body_without_end_is_refused_as_it_comes() -> None:
    async with raw_server(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65536, stays=True) as s:
        with pytest.raises(UpstreamFailed, match="larger than 1000 bytes"):
            await _call(s.port, max_bytes=1000)


async def test_headers_are_bounded() -> None:
    async with raw_server(HEAD + b"X-Long: " + b"x" * 70_000 + b"\r\n\r\n") as server:
        with pytest.raises(UpstreamFailed) as caught:
            await _call(server.port)
        assert caught.value.code == "upstream_protocol"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        HEAD,
        HEAD + b"Content-Length: 10\r\n\r\nhalf",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
async def test_an_answer_that_is_none_or_breaks_off_is_an_error(said: bytes) -> None:
    async with raw_server(said) as server:
        with pytest.raises(UpstreamFailed) as caught:
            await _call(server.port)
        assert caught.value.code == "upstream_protocol"


async def test_a_call_has_a_deadline_for_all_of_it() -> None:
    async with raw_server(HEAD + b"Content-Length: 10\r\n\r\nhalf", stays=True) as server:
        with pytest.raises(UpstreamTimeout, match=r"127\.0\.0\.1 did not answer in time"):
            await _call(server.port, reply_s=0.05)
        await server.until(lambda: server.gone == 1)


async def test_nobody_there_is_unreachable() -> None:
    async with raw_server() as server:
        port = server.port
    with pytest.raises(UpstreamFailed, match="cannot be reached") as caught:
        await _call(port)
    assert caught.value.code == "upstream_unreachable"
    assert caught.value.retryable


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://127.0.0.1/", "http://[bad/", "http://" + "a" * 70 + "/"])
async def test_an_impossible_address_is_unreachable(url: str) -> None:
    async with open_http(connect_s=2, tls_s=2) as http:
        with pytest.raises(UpstreamFailed) as caught:
            await http.call("GET", url, headers={}, reply_s=5)
    assert caught.value.code == "upstream_unreachable"


async def test_a_certificate_that_nobody_signed_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    async with raw_server(HEAD, ssl=self_signed(tmp_path)) as server:
        with pytest.raises(UpstreamFailed, match=r"No secure connection to 127\.0\.0\.1\.") as caught:
            await _call(server.port, scheme="https", headers={"cookie": "secret"})
        assert caught.value.code == "upstream_tls"
        assert "certificate" in (caught.value.hint or "")
        assert not any(server.received)


async def test_a_server_without_tls_is_no_secure_connection() -> None:
    async with raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n", after=b"") as server:
        with pytest.raises(UpstreamFailed) as caught:
            await _call(server.port, scheme="https")
        assert caught.value.code in ("upstream_tls", "upstream_unreachable")


async def test_a_tls_handshake_has_a_deadline() -> None:
    async with raw_server(stays=True) as server, open_http(connect_s=0.05, tls_s=0.05) as http:
        with pytest.raises(UpstreamTimeout):
            await http.call("GET", f"https://127.0.0.1:{server.port}/", headers={}, reply_s=5)


async def test_a_proxy_that_cannot_be_is_refused_at_once() -> None:
    with pytest.raises(Misconfigured):
        async with open_http(proxy="nonsense", connect_s=2, tls_s=2):
            pytest.fail("it opened")


async def test_a_call_that_is_cancelled_closes_its_connection() -> None:
    async with raw_server(stays=True) as server, open_http(connect_s=2, tls_s=2) as http:
        url = f"http://127.0.0.1:{server.port}/"

        async def call() -> None:
            await http.call("GET", url, headers={}, reply_s=60)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await server.until(lambda: bool(server.received) and server.received[0].endswith(b"\r\n\r\n"))
            tasks.cancel_scope.cancel()
        await server.until(lambda: server.gone == 1)


async def test_connections_are_kept_for_the_next_call() -> None:
    ports: list[object] = []

    async def answer(request: web.Request) -> web.Response:
        ports.append(request.transport.get_extra_info("peername") if request.transport else None)
        return web.Response(text="x")

    async with web_server(web.post("/", answer)) as address, open_http(connect_s=2, tls_s=2) as http:
        for _ in range(3):
            await http.call("POST", f"http://{address}/", headers={}, reply_s=5)
    assert len(set(ports)) == 1


async def test_a_stream_is_pushed_on_as_it_comes() -> None:
    gate = anyio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        assert await request.read() == b"question"
        response = web.StreamResponse(headers={"X-Name": "Value"})
        await response.prepare(request)
        await response.write(b"one")
        await gate.wait()
        await response.write(b"two")
        await response.write_eof()
        return response

    listener = Listener()
    async with (
        web_server(web.post("/", answer)) as address,
        open_http(connect_s=2, tls_s=2) as http,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.stream, http, f"http://{address}/")
        await listener.until(lambda: listener.chunks == [b"one"])
        assert listener.head is not None
        assert listener.head[0] == 200
        assert listener.head[1]["x-name"] == "Value"
        gate.set()
    assert b"".join(listener.chunks) == b"onetwo"


@pytest.mark.parametrize(
    "said",
    [
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntw",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n",
        HEAD + b"Content-Length: 10\r\n\r\none",
    ],
)
async def test_a_stream_that_just_stops_raises_after_what_came(said: bytes) -> None:
    async with raw_server(said) as server:
        listener = Listener()
        with pytest.raises(Truncated):
            await _stream(server.port, listener)
    assert b"".join(listener.chunks).startswith(b"one")


async def test_a_stream_that_pauses_too_long_raises() -> None:
    async with raw_server(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n", stays=True) as server:
        listener = Listener()
        with pytest.raises(UpstreamTimeout):
            await _stream(server.port, listener, idle_s=0.05)
    assert listener.chunks == [b"one"]


async def test_what_a_callback_raises_ends_the_call_and_goes_through() -> None:
    async with raw_server(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n", stays=True) as server:
        listener = Listener()

        def break_down() -> None:
            raise ZeroDivisionError

        listener.changed = break_down  # type: ignore[method-assign]
        with pytest.raises(ZeroDivisionError):
            await _stream(server.port, listener)
        await server.until(lambda: server.gone == 1)


async def test_while_the_valve_is_closed_nothing_more_is_read() -> None:
    """And so a server that goes on is held back: what the kernels take has an end."""
    written = [0]

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b"x" * 65536)
            written[0] += 65536
        await response.write_eof()
        return response

    listener = Listener()
    listener.valve.pause()
    listener.valve.pause()
    async with (
        web_server(web.post("/", answer)) as address,
        open_http(connect_s=2, tls_s=2) as http,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.stream, http, f"http://{address}/")
        await listener.until(lambda: len(listener.chunks) == 1)
        before = -1
        while before != written[0]:
            before = written[0]
            with anyio.move_on_after(0.05):  # nothing tells that nothing happens
                await anyio.sleep_forever()
        assert written[0] < 60_000_000
        assert len(listener.chunks) == 1
        listener.valve.resume()
        listener.valve.resume()
    assert sum(map(len, listener.chunks)) == 65_536_000


async def test_leaving_the_block_closes_the_connections() -> None:
    async with raw_server(HEAD + b"Content-Length: 0\r\n\r\n", stays=True) as server:
        async with open_http(connect_s=2, tls_s=2) as http:
            await http.call("GET", f"http://127.0.0.1:{server.port}/", headers={}, reply_s=5)
            assert server.gone == 0
        with anyio.fail_after(PATIENCE_S):
            await soon(lambda: server.gone == 1)


async def test_a_connection_that_serves_many_answers_keeps_nothing_of_them() -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=b"ok")

    async with web_server(web.post("/", answer)) as address, open_http(connect_s=2, tls_s=2) as http:
        for _ in range(20):
            listener = Listener()
            await listener.stream(http, f"http://{address}/")
            assert listener.chunks == [b"ok"]
        connector: Any = http._session.connector
        [[(protocol, _)]] = [list(pool) for pool in connector._conns.values()]
        assert len(protocol.closed._callbacks or ()) <= 1
