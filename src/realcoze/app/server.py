"""The HTTP server: uvicorn, listening for as long as a block lasts.  Its connections: `connection.py`."""

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, cast

import anyio
import uvicorn
from starlette.types import ASGIApp

from realcoze.app.connection import DEFAULT_LIMITS, LimitedProtocol, Limits
from realcoze.app.outbox import Outbox
from realcoze.app.signals import until_stopped
from realcoze.app.websocket import LimitedWebSocket
from realcoze.errors import Misconfigured
from realcoze.leaving import finishing

log = logging.getLogger(__name__)

PORT_HINT = "Choose another with --port (0 takes a free one), or end the program that has it."
NOTSENT_LOWAT = 64 << 10
"""How much the kernel takes ahead of the client; by default it swallows 3.9 MiB (2026-11-22)."""

CLEANUP_S = 2.0
"""How long answers that were cut at the end may take to give back what they hold."""


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
            if not self.force_exit:
                grace_s = self.config.timeout_graceful_shutdown
                log.warning("%d answer(s) were not over after %g s and are cut", len(self.server_state.tasks), grace_s)
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
        http=cast("type[asyncio.Protocol]", partial(LimitedProtocol, outbox=Outbox(), limits=limits)),
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
            with finishing():
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


def _bind(host: str, port: int) -> list[socket.socket]:
    listener: socket.socket | None = None
    try:
        if port not in range(1 << 16):  # of a larger one the system takes the last 16 bits
            raise OverflowError("a port is a number from 0 to 65535")
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
        is_host = isinstance(error, socket.gaierror | UnicodeError)
        raise Misconfigured(
            f"Cannot listen on {host}, port {port}: {reason}.",
            hint="Look at the host: it is a name or an address of this machine." if is_host else PORT_HINT,
        ) from error
    return [listener]
