"""The HTTP server: uvicorn with limits of our own, and a connection lent to streamed answers.

uvicorn (0.54) bounds neither the bytes, the number nor the time of request headers, and waits for
ever for a client that does not read; the protocol class below does not.  It also lends each response
its connection as the ASGI extension `realcoze.outlet`, so that a token is written where it arrives
instead of waiting for a task.
"""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import anyio
import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from realcoze.app.signals import until_stopped
from realcoze.app.websocket import LimitedWebSocket
from realcoze.errors import Misconfigured
from realcoze.faces.streamed import OUTLET

NOTSENT_LOWAT = 64 << 10
"""How much the kernel takes ahead of the client; by default it swallows 3.9 MiB (2026-11-22)."""

CLEANUP_S = 2.0
"""How long answers that were cut at the end may take to give back what they hold."""

_NAMES = {400: "Bad Request", 408: "Request Timeout", 414: "URI Too Long", 431: "Request Header Fields Too Large"}

_UPGRADE = (b"upgrade", b"http2-settings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a connection may cost before the application sees anything, and after it has answered.

    `stall_s`: how long a client may take nothing of an answer; a streamed one may set its own.
    """

    header_bytes: int = 64 << 10
    header_count: int = 100
    header_s: float = 20.0
    body_s: float = 60.0
    keep_alive_s: float = 75.0
    stall_s: float = 30.0


DEFAULT_LIMITS = Limits()


class Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: who runs it decides when it ends."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = anyio.Event()
        self.ended = anyio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().shutdown(sockets)
            await self._clear_away()
        finally:
            self.ended.set()

    def hurry(self) -> None:
        """Stop waiting for answers in flight; they end without their last chunk."""
        self.force_exit = True
        for task in list(self.server_state.tasks):
            task.cancel()

    async def _clear_away(self) -> None:
        """What was cut may give back what it holds; clients that do not read even now are dropped."""
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=CLEANUP_S)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def listening(
    app: ASGIApp, *, host: str, port: int, grace_s: float = 30.0, limits: Limits = DEFAULT_LIMITS
) -> AsyncIterator[int]:
    """A server for as long as the block lasts; gives its port (port 0 takes a free one).

    Leaving the block closes the listener, lets answers in flight finish for `grace_s` seconds and
    cuts the rest; Ctrl-C or SIGTERM meanwhile cuts them at once.  Raises `Misconfigured` when the
    address cannot be listened on.
    """
    sockets = _bind(host, port)
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", partial(LimitedProtocol, limits=limits)),
        ws=LimitedWebSocket,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=cast("int", limits.keep_alive_s),
        timeout_graceful_shutdown=cast("int", grace_s),
    )
    server = Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, sockets)
        await server.ready.wait()
        try:
            yield sockets[0].getsockname()[1]
        finally:
            server.should_exit = True
            with anyio.CancelScope(shield=True):
                tasks.start_soon(_hurry_when_told, server)
                await server.ended.wait()
            tasks.cancel_scope.cancel()


async def _hurry_when_told(server: Server) -> None:
    """A signal while answers in flight are waited for means: at once."""
    await until_stopped()
    server.hurry()


def is_loopback(host: str) -> bool:
    """Nobody outside this machine can reach a server that is bound to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds on what comes before the application sees anything, and on how
    long a client may leave an answer unread.
    """

    def __init__(self, *args: Any, limits: Limits = DEFAULT_LIMITS, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limits = limits
        self._is_in_head = True
        self._head_bytes = 0
        self._unparsed_bytes = 0
        self._refusal = 400
        self._limit: asyncio.TimerHandle | None = None
        self._outlet: ConnectionOutlet | None = None
        self._stall_s = limits.stall_s
        self._sending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._set_limit(self._limits.header_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_limit()
        if self._sending is not None:
            self._sending.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn's, but bounded between two callbacks of the parser, and deaf to other upgrades."""
        self._unset_keepalive_if_required()
        self._unparsed_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            else:
                self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.logger.info("%s: no HTTP that can be read", self.client)
            self.send_400_response("")
        else:
            if self._unparsed_bytes > self._limits.header_bytes:
                self._refusal = 431
                self.send_400_response("")
            elif self._limit is None and self.cycle.response_complete:
                # Line ends between two requests begin no message, and have stopped uvicorn's keep-alive timer.
                self._set_limit(self._limits.header_s)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0
        self._set_limit(self._limits.header_s)

    def on_url(self, url: bytes) -> None:
        self._count(len(url), 414)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value), 431)
        if len(self.headers) >= self._limits.header_count:
            self._refuse(431)
        if self._is_in_head:  # else it is a trailer, which must not pass for a header (RFC 9110, 6.5.1)
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unparsed_bytes = 0
        if self.parser.should_upgrade():
            if self._is_answering() or self.parser.get_method() == b"CONNECT":
                self._refuse(400)
            if self._should_upgrade():
                super().on_headers_complete()  # which notes the method and no more
            return
        self._is_in_head = False
        super().on_headers_complete()
        self._set_limit(self._limits.body_s)
        self.scope["extensions"] = {OUTLET: ConnectionOutlet(self, self.cycle)}  # type: ignore[dict-item]

    def on_body(self, body: bytes) -> None:
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed_bytes = 0
        self._is_in_head = True
        self._clear_limit()
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._stall_s = self._limits.stall_s
        self.watch_sending()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._outlet is not None:
            self._outlet.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._outlet is not None:
            self._outlet.resume()

    def lend(self, outlet: "ConnectionOutlet", stall_s: float) -> None:
        """The response of `outlet` is the one that goes out now."""
        self._outlet = outlet
        self._stall_s = stall_s

    def watch_sending(self) -> None:
        """After something was written: drop the client when it takes nothing of it for `stall_s`."""
        if self._sending is None and self.transport.get_write_buffer_size():
            self._sending = self.loop.call_later(self._stall_s, self._look_at_sending, self._taken_bytes())

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        if self._can_refuse():
            status, reason = self._refusal, _NAMES[self._refusal].encode()
            body = b'{"error":{"code":"bad_http","message":"%b"}}' % reason
            self.transport.write(
                b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                % (status, reason, len(body), body)
            )
        self.transport.close()

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Read the head again without its Upgrade, which a server may ignore (RFC 9110, 7.8).

        httptools (0.9) ends every message with an Upgrade at its head, so that the body of a POST with
        `Upgrade: h2c`, which Java's client sends by itself, would be lost.
        """
        head = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                kept = [token for token in value.split(b",") if token.strip().lower() not in _UPGRADE]
                head.append(b"connection: %b" % b",".join(kept))
            elif name not in _UPGRADE:
                head.append(b"%b: %b" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"\r\n".join([*head, b"", rest]))

    def _count(self, size: int, status: int) -> None:
        self._unparsed_bytes = 0
        self._head_bytes += size
        if self._head_bytes > self._limits.header_bytes:
            self._refuse(status)

    def _refuse(self, status: int) -> None:
        """Ends the parser, which ends in `send_400_response`."""
        self._refusal = status
        raise ValueError(_NAMES[status])

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _can_refuse(self) -> bool:
        """A refusal would be taken for the answer to what is being read, and not for a part of another."""
        if self._is_answering():
            return not self.cycle.response_started and not self.pipeline
        return self._is_in_head

    def _set_limit(self, seconds: float) -> None:
        self._clear_limit()
        self._limit = self.loop.call_later(seconds, self._too_slow, seconds)

    def _clear_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _too_slow(self, seconds: float) -> None:
        if self.flow.read_paused:  # then it is not the client that is slow
            self._set_limit(seconds)
        elif not self.transport.is_closing():
            self._refusal = 408
            self.send_400_response("")

    def _taken_bytes(self) -> int:
        """Grows whenever the client takes something; only differences mean anything."""
        written = self._outlet.written if self._outlet is not None else 0
        return written - self.transport.get_write_buffer_size()

    def _look_at_sending(self, taken_before: int) -> None:
        self._sending = None
        if self.transport.get_write_buffer_size() and self._taken_bytes() == taken_before:
            self.transport.abort()
        else:
            self.watch_sending()


class ConnectionOutlet:
    """The connection for one response; see `Outlet` in faces/streamed.py."""

    def __init__(self, connection: LimitedProtocol, cycle: RequestResponseCycle) -> None:
        self._connection = connection
        self._cycle = cycle
        self._transport = cycle.transport
        self._is_chunked = True
        self.written = 0

    def watch(self, pause: Callable[[], None], resume: Callable[[], None], *, stall_s: float) -> None:
        self._on_pause, self._on_resume = pause, resume
        if self._cycle.scope["http_version"] == "1.0":  # whose clients need not know chunks (RFC 9112, 6.1)
            self._is_chunked = self._cycle.chunked_encoding = False
        self._connection.lend(self, stall_s)
        if self._cycle.flow.write_paused:
            pause()

    def write(self, data: bytes) -> None:
        if not self._cycle.disconnected and not self._cycle.response_complete:
            piece = b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data
            self.written += len(piece)
            self._transport.write(piece)
            self._connection.watch_sending()

    def unsent(self) -> int:
        return self._transport.get_write_buffer_size()

    def pause(self) -> None:
        """The connection's buffer is full."""
        if not self._cycle.response_complete:
            self._on_pause()

    def resume(self) -> None:
        """The connection's buffer has drained."""
        if not self._cycle.response_complete:
            self._on_resume()


def _bind(host: str, port: int) -> list[socket.socket]:
    listener: socket.socket | None = None
    try:
        found: list[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError, AttributeError):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_LOWAT)
        listener.bind(address)
        listener.listen(2048)
        listener.setblocking(False)
    except (OSError, OverflowError, UnicodeError) as error:
        if listener is not None:
            listener.close()
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise Misconfigured(
            f"Cannot listen on {host}, port {port}: {reason}.",
            hint="Choose another with --port (0 takes a free one), or end the program that has it.",
        ) from error
    return [listener]
