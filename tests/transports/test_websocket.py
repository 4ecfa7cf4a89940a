from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from aiohttp import WSMsgType, web

from certificates import self_signed
from realcoze.errors import Misconfigured, UpstreamFailed, UpstreamTimeout
from realcoze.framing.limits import SOCKET_MESSAGE_BYTES
from realcoze.transports.websocket import HandshakeRefused, WebSocket, open_websocket
from servers import PATIENCE_S, Watched, raw_server, web_server

pytestmark = pytest.mark.usefixtures("nothing_left")

Says = Callable[[web.WebSocketResponse], Awaitable[None]]


@dataclass
class Server(Watched):
    url: str = ""
    heard: list[object] = field(default_factory=list)
    closes: list[int | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()


async def _nothing(_ws: web.WebSocketResponse) -> None: ...


@asynccontextmanager
async def _server(says: Says = _nothing) -> AsyncIterator[Server]:
    """A websocket server that says something, then listens until the client leaves."""
    server = Server()

    async def serve(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        await says(ws)
        async for message in ws:
            server.heard.append((message.type, message.data))
            server.changed()
        server.closes.append(ws.close_code)
        server.changed()
        return ws

    async with web_server(web.get("/", serve)) as address:
        server.url = f"ws://{address}/"
        yield server


class Reader:
    """What was read, and how often the other side gave a sign."""

    def __init__(self) -> None:
        self.messages: list[bytes | str] = []
        self.signs = 0

    def on_sign(self) -> None:
        self.signs += 1

    async def read(self, socket: WebSocket) -> str:
        with anyio.fail_after(PATIENCE_S):
            return await socket.read(self.messages.append, self.on_sign)


async def _read(server: Server) -> tuple[Reader, str]:
    reader = Reader()
    async with open_websocket(server.url, connect_s=2, tls_s=2) as socket:
        why = await reader.read(socket)
    return reader, why


async def test_messages_are_pushed_in_order_until_the_close() -> None:
    async def says(ws: web.WebSocketResponse) -> None:
        await ws.send_bytes(b"one")
        await ws.send_str("zwei")
        await ws.send_bytes(b"")
        await ws.send_bytes(b"x" * 1_000_000)
        await ws.close(code=1001)

    async with _server(says) as server:
        reader, why = await _read(server)
    assert reader.messages == [b"one", "zwei", b"", b"x" * 1_000_000]
    assert why == "closed with 1001"


async def test_pings_and_pongs_are_signs_and_pings_are_answered() -> None:
    async def says(ws: web.WebSocketResponse) -> None:
        await ws.ping(b"are you there?")
        await ws.pong(b"I am")
        message = await ws.receive()
        assert (message.type, message.data) == (WSMsgType.PONG, b"are you there?")
        await ws.close()

    async with _server(says) as server:
        reader, why = await _read(server)
    assert (reader.signs, reader.messages, why) == (2, [], "closed with 1000")


async def test_what_is_sent_arrives() -> None:
    async with _server() as server:
        async with open_websocket(server.url, connect_s=2, tls_s=2) as socket:
            await socket.send("hi")
            await server.until(lambda: bool(server.heard))
        await server.until(lambda: bool(server.closes))
    assert server.heard == [(WSMsgType.TEXT, "hi")]
    assert server.closes == [1000]


async def test_sending_into_a_socket_that_is_gone_is_an_error_of_ours() -> None:
    async def says(ws: web.WebSocketResponse) -> None:
        await ws.close()

    async with _server(says) as server, open_websocket(server.url, connect_s=2, tls_s=2) as socket:
        await Reader().read(socket)
        with pytest.raises(UpstreamFailed) as caught:
            await socket.send("hi")
        assert caught.value.code == "upstream_protocol"


async def test_a_connection_that_is_cut_is_told_as_such() -> None:
    async def says(ws: web.WebSocketResponse) -> None:
        await ws.send_bytes(b"half")
        transport = ws._req.transport if ws._req else None
        assert transport is not None
        transport.close()

    async with _server(says) as server:
        reader, why = await _read(server)
    assert reader.messages == [b"half"]
    assert why == "closed with 1006"


@pytest.mark.parametrize(
    ("size", "is_too_large"), [(SOCKET_MESSAGE_BYTES - 1, False), (SOCKET_MESSAGE_BYTES + 1, True)]
)
async def test_a_message_is_bounded(size: int, *, is_too_large: bool) -> None:
    async def send(ws: web.WebSocketResponse) -> None:
        with suppress(ConnectionError):
            await ws.send_bytes(bytes(size))

    async def says(ws: web.WebSocketResponse) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, ws)
            if is_too_large:
                # The refusal comes while it is still being sent.
                assert (await ws.receive()).type is WSMsgType.CLOSE
        await ws.close()

    async with _server(says) as server:
        reader, why = await _read(server)
        assert len(reader.messages) == (0 if is_too_large else 1)
        assert why == ("broken off (WebSocketError)" if is_too_large else "closed with 1000")
        if is_too_large:
            await server.until(lambda: bool(server.closes))
            assert server.closes == [1009]


async def test_bytes_that_are_no_websocket_break_it_off() -> None:
    async def says(ws: web.WebSocketResponse) -> None:
        transport = ws._req.transport if ws._req else None
        assert transport is not None
        transport.write(b"\xff" * 64)

    async with _server(says) as server:
        reader, why = await _read(server)
        await server.until(lambda: bool(server.closes))
    assert (reader.messages, why) == ([], "broken off (WebSocketError)")
    assert server.closes == [1002]


@pytest.mark.parametrize("status", [200, 403, 500, 514])
async def test_a_refused_handshake_carries_status_and_headers(status: int) -> None:
    head = b"HTTP/1.1 %d X\r\nHandshake-Status: %d\r\nHandshake-Msg: forbidden\r\nContent-Length: 0\r\n\r\n"
    async with raw_server(head % (status, status)) as server:
        with pytest.raises(HandshakeRefused) as caught:
            async with open_websocket(f"ws://127.0.0.1:{server.port}/", connect_s=2, tls_s=2):
                pytest.fail("it opened")
    assert caught.value.status == status
    assert caught.value.headers["handshake-status"] == str(status)
    assert caught.value.headers["handshake-msg"] == "forbidden"


async def test_a_redirected_handshake_is_refused_and_not_followed() -> None:
    """The socket's address carries the access key."""
    async with raw_server(b"") as elsewhere:
        location = b"Location: http://127.0.0.1:%d/\r\n" % elsewhere.port
        async with raw_server(b"HTTP/1.1 302 Found\r\n" + location + b"Content-Length: 0\r\n\r\n") as server:
            with pytest.raises(HandshakeRefused) as caught:
                async with open_websocket(f"ws://127.0.0.1:{server.port}/?access_key=x", connect_s=2, tls_s=2):
                    pytest.fail("it opened")
        assert caught.value.status == 302
        assert elsewhere.received == []


async def test_a_handshake_that_is_no_http_is_an_error_of_ours() -> None:
    async with raw_server(b"nonsense\r\n\r\n") as server:
        with pytest.raises(UpstreamFailed) as caught:
            async with open_websocket(f"ws://127.0.0.1:{server.port}/", connect_s=2, tls_s=2):
                pytest.fail("it opened")
    assert caught.value.code == "upstream_protocol"


async def test_a_handshake_has_a_deadline() -> None:
    async with raw_server(stays=True) as server:
        with pytest.raises(UpstreamTimeout):
            async with open_websocket(f"ws://127.0.0.1:{server.port}/", connect_s=0.05, tls_s=0.05):
                pytest.fail("it opened")


async def test_nobody_there_is_unreachable() -> None:
    async with raw_server() as server:
        port = server.port
    with pytest.raises(UpstreamFailed) as caught:
        async with open_websocket(f"ws://127.0.0.1:{port}/", connect_s=2, tls_s=2):
            pytest.fail("it opened")
    assert caught.value.code == "upstream_unreachable"


async def test_a_certificate_that_nobody_signed_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    async with raw_server(ssl=self_signed(tmp_path)) as server:
        with pytest.raises(UpstreamFailed) as caught:
            async with open_websocket(f"wss://127.0.0.1:{server.port}/?access_key=x", connect_s=2, tls_s=2):
                pytest.fail("it opened")
        assert caught.value.code == "upstream_tls"
        assert not any(server.received)


async def test_a_proxy_that_cannot_be_is_refused() -> None:
    with pytest.raises(Misconfigured):
        async with open_websocket("ws://127.0.0.1:1/", proxy="nonsense", connect_s=2, tls_s=2):
            pytest.fail("it opened")


async def test_a_reader_that_is_cancelled_says_goodbye_at_once() -> None:
    async with _server() as server:
        async with anyio.create_task_group() as tasks:

            async def follow() -> None:
                async with open_websocket(server.url, connect_s=2, tls_s=2, close_s=1000) as socket:
                    tasks.cancel_scope.cancel()
                    await Reader().read(socket)

            tasks.start_soon(follow)
        await server.until(lambda: bool(server.closes))
        assert server.closes == [1000]


async def test_a_server_that_never_agrees_to_the_close_is_not_waited_for_long() -> None:
    gate = anyio.Event()

    async def says(_ws: web.WebSocketResponse) -> None:
        await gate.wait()

    async with _server(says) as server:
        with anyio.fail_after(PATIENCE_S):
            async with open_websocket(server.url, connect_s=2, tls_s=2, close_s=0.05):
                pass
        gate.set()


async def test_what_is_raised_in_the_block_comes_out_as_it_is() -> None:
    async with _server() as server:
        with pytest.raises(ZeroDivisionError):
            async with open_websocket(server.url, connect_s=2, tls_s=2):
                raise ZeroDivisionError
