"""The websocket side of the server: uvicorn's protocol with limits of our own.

uvicorn (0.54) gathers any number of fragments, however small; answers pings of a client that reads
nothing; breaks on bad text with a close after it; and waits for ever for a client that takes nothing
of what was written before the end.  The handshake is HTTP and has its limits in connection.py; what
a message means is the face's business.
"""

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

FRAGMENTS = 4096
"""Pieces of one message.  Its bytes are bounded too, but a piece of one byte costs fifty."""

LINGER_S = 5.0
"""How long what was written may wait for the client after the end."""


class LimitedWebSocket(WebSocketsSansIOProtocol):
    """One connection after its upgrade."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lingering: asyncio.TimerHandle | None = None
        self._pong = b""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
        super().connection_lost(exc)

    def handle_cont(self, event: Frame) -> None:
        """As uvicorn's, up to a number of fragments."""
        if len(self.frames) < FRAGMENTS:
            super().handle_cont(event)
        else:
            self._fail(CloseCode.MESSAGE_TOO_BIG)

    def send_receive_event_to_app(self) -> None:
        """As uvicorn's, which complains in the log about a client's bad text, and breaks when a close came with it."""
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self._fail(CloseCode.INVALID_DATA)
        else:
            super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        """As uvicorn's, but while the client does not read, the newest pong stands for all (RFC 6455, 5.5.3)."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self._pong = b"".join(self.conn.data_to_send()) or self._pong

    def resume_writing(self) -> None:
        super().resume_writing()
        pong, self._pong = self._pong, b""
        if pong and not self.transport.is_closing():
            self.transport.write(pong)

    async def send(self, message: Any) -> None:
        """As uvicorn's, which takes a handshake that was refused with an answer for one without an answer."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = not message.get("more_body", False)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._linger()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        self._linger()

    def _fail(self, code: CloseCode) -> None:
        """Close the connection, once; what else had come already is passed over."""
        self.frames = []
        if not self.close_sent:
            self.conn.fail(code)
            self.handle_parser_exception()

    def _linger(self) -> None:
        """The connection is being closed: drop it when that takes too long."""
        if self._lingering is None and not self.disconnected:
            self._lingering = self.loop.call_later(LINGER_S, self.transport.abort)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
