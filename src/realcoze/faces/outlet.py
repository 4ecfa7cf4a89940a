"""Where a streamed response goes out: the connection, or what stands for it.

Our own server lends the connection as the ASGI extension `realcoze.outlet` (app/connection.py); on any other
server pieces are handed to `send` by a task.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import anyio
from starlette.types import Message, Send

OUTLET = "realcoze.outlet"

PIECE_BYTES = 64 << 10
"""What a server that lends no outlet gets at once; if more than that waits, the upstream is held back."""


class Outlet(Protocol):
    """The connection that a streamed response goes out on."""

    written_at: float
    """In the loop's seconds, from `begin` on: when that was, or when something written later went on its way."""

    def watch(
        self, pause: Callable[[], None], resume: Callable[[], None], leave: Callable[[], None], *, stall_s: float
    ) -> None:
        """Called before the response begins: whom to tell when the client reads too slowly, when it has
        caught up and when it leaves.  One that takes nothing at all for `stall_s` is dropped, and so leaves.
        """

    def begin(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the status 200 and these headers.  This and all that follows never blocks and never raises.

        What follows something else in one turn of the loop goes out together at the end of it.
        """

    def write(self, data: bytes) -> None:
        """Send one piece of the body, which is not empty."""

    def end(self, *, is_whole: bool) -> None:
        """Send what was written at once, and the last chunk if the body is whole."""

    def unsent(self) -> int:
        """Bytes that were written and that the operating system has not taken yet."""


class AsgiOutlet:
    """An outlet for servers that lend none: the start and the pieces are handed to `send` by a task."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._last: Message | None = None
        self._unsent = bytearray()
        self._size = 0
        self._loop = asyncio.get_running_loop()
        self.written_at = 0.0
        self._is_full = False
        self._is_over = False
        self._something = anyio.Event()
        self.is_done = anyio.Event()
        """Everything was handed over."""

    def watch(
        self, pause: Callable[[], None], resume: Callable[[], None], leave: Callable[[], None], *, stall_s: float
    ) -> None:
        self._pause, self._resume, self._leave, self._stall_s = pause, resume, leave, stall_s

    def begin(self, headers: list[tuple[bytes, bytes]]) -> None:
        self.written_at = self._loop.time()
        self._start = {"type": "http.response.start", "status": 200, "headers": headers}
        self._something.set()

    def write(self, data: bytes) -> None:
        self.written_at = self._loop.time()
        self._unsent += data
        self._size += len(data)
        self._something.set()
        if self._size > PIECE_BYTES and not self._is_full:
            self._is_full = True
            self._pause()

    def end(self, *, is_whole: bool) -> None:
        self._is_over = True
        if is_whole:
            self._last = {"type": "http.response.body", "body": b"", "more_body": False}
        self._something.set()

    def unsent(self) -> int:
        return self._size

    async def pump(self) -> None:
        """Send what is written, to its end; when the client stalls, it is taken to have left.

        ASGI has no word for dropping a client; leaving the response incomplete closes the connection.
        """
        while (message := await self._next()) is not None:
            with anyio.move_on_after(self._stall_s) as waiting:
                await self._send(message)
            if waiting.cancelled_caught:
                self._leave()
                return
            self._sent(len(message.get("body", b"")))
        self.is_done.set()

    async def _next(self) -> Message | None:
        """The next message as soon as there is one; None after the last."""
        while not (self._start or self._unsent or self._is_over):
            self._something = anyio.Event()
            await self._something.wait()
        if self._start is not None:
            start, self._start = self._start, None
            return start
        if self._unsent:
            body = bytes(self._unsent[:PIECE_BYTES])
            del self._unsent[:PIECE_BYTES]
            return {"type": "http.response.body", "body": body, "more_body": True}
        last, self._last = self._last, None
        return last

    def _sent(self, size: int) -> None:
        self._size -= size
        if self._is_full and self._size <= PIECE_BYTES:
            self._is_full = False
            self._resume()
