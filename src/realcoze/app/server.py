"""The HTTP server: uvicorn with limits of our own, and a connection lent to streamed answers.

uvicorn (0.54) bounds neither the bytes, the number nor the time of request headers; the protocol
class below does.  It also lends each response its connection as the ASGI extension
`realcoze.outlet`, so that a token is written where it arrives instead of waiting for a task.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from realcoze.app.signals import until_stopped
from realcoze.errors import Misconfigured
from realcoze.faces.http import LOOPBACK_HOSTS, OUTLET

HEADER_BYTES = 64 << 10
HEADER_COUNT = 100
HEADER_S = 20.0
BODY_S = 60.0
KEEP_ALIVE_S = 75
NOTSENT_LOWAT = 64 << 10
"""How much the kernel takes ahead of the client; by default it swallows 3.9 MiB (2026-11-22)."""

_NAMES = {408: "Request Timeout", 414: "URI Too Long", 431: "Request Header Fields Too Large"}


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
        finally:
            self.ended.set()

    def hurry(self) -> None:
        """Stop waiting for answers in flight; they end without their last chunk."""
        self.force_exit = True
        for task in list(self.server_state.tasks):
            task.cancel()


@asynccontextmanager
async def listening(app: ASGIApp, *, host: str, port: int, grace_s: float = 30.0) -> AsyncIterator[int]:
    """A server for as long as the block lasts; gives its port (port 0 takes a free one).

    Leaving the block closes the listener, lets answers in flight finish for `grace_s` seconds and
    cuts the rest; Ctrl-C or SIGTERM meanwhile cuts them at once.  Raises `Misconfigured` when the
    address cannot be listened on.
    """
    sockets = _bind(host, port)
    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(grace_s)),
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
    return host in LOOPBACK_HOSTS or host.startswith("127.")


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds on what comes before the application sees anything."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._head_bytes = 0
        self._refusal = 400
        self._outlet: ConnectionOutlet | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._set_limit(HEADER_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_limit()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._set_limit(HEADER_S)

    def on_url(self, url: bytes) -> None:
        self._count(len(url), 414)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value), 431)
        if len(self.headers) >= HEADER_COUNT:
            self._refuse(431)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._set_limit(BODY_S)
        if self.cycle is not None and self.cycle.scope is self.scope:
            self._outlet = ConnectionOutlet(self.transport, self.cycle)
            self.scope["extensions"] = {OUTLET: self._outlet}  # type: ignore[dict-item]

    def on_message_complete(self) -> None:
        self._clear_limit()
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._outlet is not None:
            self._outlet.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._outlet is not None:
            self._outlet.resume()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        status = self._refusal
        reason = _NAMES.get(status, "Bad Request")
        body = b'{"error":{"code":"bad_http","message":"%s"}}' % reason.encode()
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
            % (status, reason.encode(), len(body), body)
        )
        self.transport.close()

    def _count(self, size: int, status: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEADER_BYTES:
            self._refuse(status)

    def _refuse(self, status: int) -> None:
        """Ends the parser, which makes uvicorn call `send_400_response`."""
        self._refusal = status
        raise ValueError(_NAMES[status])

    def _set_limit(self, seconds: float) -> None:
        self._clear_limit()
        self._limit = self.loop.call_later(seconds, self._too_slow)

    def _clear_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _too_slow(self) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self._refusal = 408
            self.send_400_response("")
        else:
            self.transport.close()


class ConnectionOutlet:
    """The connection of one response that has begun; see `Outlet` in faces/http.py."""

    def __init__(self, transport: asyncio.Transport, cycle: RequestResponseCycle) -> None:
        self._transport = transport
        self._cycle = cycle
        self._on_pause: Callable[[], None] | None = None
        self._on_resume: Callable[[], None] | None = None

    def write(self, data: bytes) -> None:
        if not self._cycle.disconnected and not self._cycle.response_complete:
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def unsent(self) -> int:
        return self._transport.get_write_buffer_size()

    def watch(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._on_pause, self._on_resume = pause, resume

    def abort(self) -> None:
        self._transport.abort()

    def pause(self) -> None:
        """The connection's buffer is full."""
        if self._on_pause is not None and not self._cycle.response_complete:
            self._on_pause()

    def resume(self) -> None:
        """The connection's buffer has drained."""
        if self._on_resume is not None and not self._cycle.response_complete:
            self._on_resume()


def _bind(host: str, port: int) -> list[socket.socket]:
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
    except OSError as error:
        raise Misconfigured(
            f"Cannot listen on {host}, port {port}: {error.strerror}.",
            hint="Choose another with --port (0 takes a free one), or end the program that has it.",
        ) from error
    return [listener]
