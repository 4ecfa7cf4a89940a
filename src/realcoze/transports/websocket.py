"""A client's websocket: messages are pushed, not fetched.

Redirects are not followed: the address carries the access key.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiohttp

from realcoze.framing.limits import SOCKET_MESSAGE_BYTES
from realcoze.leaving import finishing
from realcoze.transports.failure import host_of, translated
from realcoze.transports.proxy import connector


@dataclass(eq=False)
class HandshakeRefused(Exception):
    """The server answered the handshake with something else than 101; header names in lower case."""

    status: int
    headers: Mapping[str, str]


class WebSocket:
    """An open socket.  Made by `open_websocket`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self._socket = socket

    async def read(self, on_message: Callable[[bytes | str], None], on_sign: Callable[[], None]) -> str:
        """Hand on every message until the socket is closed; returns why it was, in words.

        `on_sign` is called for pings and pongs, which show that the other side is there.
        """
        while True:
            message = await self._socket.receive()
            match message.type:
                case aiohttp.WSMsgType.BINARY | aiohttp.WSMsgType.TEXT:
                    on_message(message.data)
                case aiohttp.WSMsgType.PING:
                    on_sign()
                    with suppress(ConnectionError):  # a socket that is gone is told by what comes next
                        await self._socket.pong(message.data)
                case aiohttp.WSMsgType.PONG:
                    on_sign()
                case aiohttp.WSMsgType.ERROR:
                    return f"broken off ({type(message.data).__name__})"
                case _:
                    return f"closed with {self._socket.close_code}"

    async def send(self, text: str) -> None:
        """Send one text message.  Raises `UpstreamFailed` when the socket is gone."""
        with translated("the websocket"):
            await self._socket.send_str(text)


@asynccontextmanager
async def open_websocket(
    url: str, *, proxy: str | None = None, connect_s: float, tls_s: float, close_s: float = 1.0
) -> AsyncIterator[WebSocket]:
    """An open socket for as long as the block lasts.

    Raises `HandshakeRefused`, `UpstreamFailed` or `UpstreamTimeout`.  Leaving the block closes it
    and waits `close_s` at most for the other side to agree.
    """
    session = aiohttp.ClientSession(
        connector=connector(proxy),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=connect_s + tls_s, sock_connect=connect_s),
        trace_configs=[_no_redirects()],
    )
    async with session:
        with translated(host_of(url)):
            try:
                socket = await session.ws_connect(
                    url,
                    autoping=False,
                    max_msg_size=SOCKET_MESSAGE_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=close_s),
                )
            except aiohttp.WSServerHandshakeError as error:
                raise HandshakeRefused(error.status, _lower(error.headers or {})) from error
        try:
            yield WebSocket(socket)
        finally:
            with finishing(close_s):
                await socket.close()


def _no_redirects() -> aiohttp.TraceConfig:
    """A redirected handshake is a refused one.  `ws_connect` (aiohttp 3.14) follows it, and cannot be told not to."""

    async def refuse(_session: object, _context: object, redirect: aiohttp.TraceRequestRedirectParams) -> None:
        redirect.response.close()
        raise HandshakeRefused(redirect.response.status, _lower(redirect.response.headers))

    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(refuse)
    return config


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
