"""Servers that break before or between answers, on raw sockets: rows U1, U2, U4, U28 and U29 of the fault matrix.

What breaks within an answer of the open API is a mark in the message (emulator/open_api/fault.py); a server that
says a few bytes and closes, or stays silent, is `servers.raw_server`.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from servers import RawServer, Watched

OK = b'{"code":0,"msg":"","data":{}}'


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port that refuses every connection (U1): it is bound, so nobody else gets it, and nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextmanager
def black_hole() -> Iterator[int]:
    """A port whose connections are never made (U2): its queue is full, and nobody takes from it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                with suppress(BlockingIOError):
                    one.connect(address)
            yield address[1]
        finally:
            for one in waiting:
                one.close()


def answer_of(body: bytes = OK, *, headers: int = 0, size_bytes: int = 0) -> bytes:
    """A whole HTTP answer for `raw_server`, with so many more headers, or one more of so many bytes (U29)."""
    more = b"".join(b"X-%d: x\r\n" % number for number in range(headers))
    if size_bytes:
        more += b"X-Large: %b\r\n" % (b"x" * size_bytes)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n%b" % (
        len(body),
        more,
        body,
    )


class Forgetful(Watched):
    """`answers` counts answers, `requests` the connections' requests begun, `port` is where it listens."""

    def __init__(self) -> None:
        super().__init__()
        self.port = 0
        self.answers = 0
        self.requests = 0


@asynccontextmanager
async def forgetful_server(say_bytes: bytes, *, on_next: bool) -> AsyncIterator[Forgetful]:
    """It keeps a connection alive and then forgets it (U28).

    It closes right after its answer, or, `on_next`, when the next request has begun: then the caller cannot know
    whether it was read.
    """
    seen = Forgetful()
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await _request(reader)
            seen.requests += 1
            writer.write(say_bytes)
            await writer.drain()
            seen.answers += 1
            seen.changed()
            if on_next and await reader.read(1):
                seen.requests += 1
                seen.changed()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def resetting_server() -> AsyncIterator[RawServer]:
    """It resets each connection at its first byte, as in the middle of a TLS handshake (U4)."""
    seen = RawServer()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.received.append(bytearray(await reader.read(1)))
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        seen.gone += 1
        seen.changed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        await server.wait_closed()


async def _request(reader: asyncio.StreamReader) -> None:
    """Read one request and its body of a known length."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
