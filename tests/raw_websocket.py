"""A websocket client that sends what no library would, frame by frame (RFC 6455), and reads only when told."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio

from servers import PATIENCE_S

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True, length: int | None = None
) -> bytes:
    """One frame; `length` is what its head says of the payload, if not the truth."""
    size = len(payload) if length is None else length
    first, mask_bit = (0x80 if fin else 0) | rsv << 4 | opcode, 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, mask_bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, mask_bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


@dataclass(frozen=True, slots=True)
class Frame:
    """One that the server sent."""

    opcode: int
    payload: bytes

    @property
    def close_code(self) -> int:
        assert self.opcode == CLOSE, self
        return int.from_bytes(self.payload[:2], "big")


class RawSocket:
    """One connection, after its handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Give it to the system; waits where the server does not read."""
        self._writer.write(data)
        await self._writer.drain()

    async def ask(self, text: str) -> None:
        await self.send(frame(TEXT, text.encode()))

    async def next(self) -> Frame:
        """The next frame.  Raises `IncompleteReadError` or `ConnectionError` at the end."""
        with anyio.fail_after(PATIENCE_S):
            first, second = await self._reader.readexactly(2)
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
            return Frame(first & 0x0F, await self._reader.readexactly(size))

    async def frames(self) -> list[Frame]:
        """All frames until the server ends the connection."""
        found = []
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                found.append(await self.next())
        return found

    async def until_closed(self) -> int:
        """The code with which the server closes; then it must end the connection."""
        return (await self.frames())[-1].close_code

    def abort(self) -> None:
        """Gone without a word."""
        self._writer.transport.abort()

    def end(self) -> None:
        """Nothing more will be sent; what comes is still read."""
        self._writer.write_eof()


@asynccontextmanager
async def raw_socket(port: int, *, buffer_bytes: int = 0) -> AsyncIterator[RawSocket]:
    """Connect to `/ws`; with a small buffer the system takes no more than that for us."""
    client = socket.socket()
    if buffer_bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=client, limit=1 << 12)
    try:
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        with anyio.fail_after(PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        yield RawSocket(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()
