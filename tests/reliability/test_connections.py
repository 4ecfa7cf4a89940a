"""Faults of the connection to Coze, made with sockets: U1 to U4, U26 to U29."""

import asyncio
import gzip
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from certificates import self_signed, trusting
from reliability.conftest import Invariants
from reliability.page import Page
from reliability.rows import QUIET_S, Row
from reliability.rows_by_hand import CONNECTION_ROWS
from reliability.stage import housed, spoken
from servers import RawServer, held, raw_server, soon

_CHAT = '{"id":"1","conversation_id":"2","status":"%s"}'
_EVENTS = (
    ("conversation.chat.created", _CHAT % "created"),
    ("conversation.message.completed", '{"id":"3","type":"answer","content":"Hello.","content_type":"text"}'),
    ("conversation.chat.completed", _CHAT % "completed"),
    ("done", '"[DONE]"'),
)
_BODY = "".join(f"event:{name}\ndata:{data}\n\n" for name, data in _EVENTS).encode()
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
WHOLE = b"%bContent-Length: %d\r\n\r\n%b" % (_OK, len(_BODY), _BODY)
"""One chat, whole."""

LATER = b"%bConnection: close\r\n%%b\r\n\r\n%b" % (_OK, _BODY)
"""The same with room for more headers."""

_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass
class Place:
    """Where a house finds its Coze, what became of the connections, and how short the deadlines are."""

    base: str
    server: RawServer | None = None
    stranger: RawServer | None = None
    """Who must never hear from us."""

    connect_s: float = 2.0
    tls_s: float = 2.0


Opening = AbstractAsyncContextManager[Place]
Opener = Callable[[Path, pytest.MonkeyPatch], Opening]


@asynccontextmanager
async def _closed_port(_folder: Path, _patch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    with socket.socket() as bound:  # it does not listen, and nobody else gets its port
        bound.bind(("127.0.0.1", 0))
        yield Place(f"http://127.0.0.1:{bound.getsockname()[1]}")


@asynccontextmanager
async def _full_backlog(_folder: Path, _patch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """Linux drops what comes to a full backlog, and the caller hears nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(listener.getsockname())
            yield Place(f"http://127.0.0.1:{listener.getsockname()[1]}", connect_s=QUIET_S)
        finally:
            for each in waiting:
                each.close()


class _NotFound(aiohttp.abc.AbstractResolver):
    """Knows no name."""

    def __init__(self, **_options: Any) -> None:
        pass

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[Any]:
        raise OSError(None, "no such name")

    async def close(self) -> None:
        pass


class _FoundTooLate(_NotFound):
    """Gives up when nobody waits any more; a resolver of the system, in its thread, does the same."""

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[Any]:
        await anyio.sleep(1.1 * QUIET_S)
        raise OSError(None, "no answer")


def _resolver(kind: type[_NotFound]) -> Opener:
    @asynccontextmanager
    async def place(_folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
        patch.setattr(aiohttp.connector, "DefaultResolver", kind)
        yield Place("http://coze.invalid", connect_s=QUIET_S / 2, tls_s=QUIET_S / 2)

    return place


def _certificate(*, name: str = "127.0.0.1", days: tuple[int, int] = (-1, 1), is_trusted: bool = True) -> Opener:
    @asynccontextmanager
    async def place(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
        context = self_signed(folder, name, days=days)
        if is_trusted:
            patch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting(folder))
        async with raw_server(LATER % b"", ssl=context) as server:
            yield Place(f"https://127.0.0.1:{server.port}", server)

    return place


def _says(data: bytes, *, scheme: str = "http", stays: bool = False, tls_s: float = 2.0) -> Opener:
    @asynccontextmanager
    async def place(_folder: Path, _patch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
        # A handshake has no empty line in it, so it is answered at its first byte.
        after = b"\r\n\r\n" if scheme == "http" else b"\x16"
        async with raw_server(data, stays=stays, after=after) as server:
            yield Place(f"{scheme}://127.0.0.1:{server.port}", server, tls_s=tls_s, connect_s=min(tls_s, 2.0))

    return place


def _compressed(body: bytes, *, content_type: bytes = b"text/event-stream", least: int = 0) -> bytes:
    """An answer in gzip, of its first `least` bytes only where that is said."""
    packed = gzip.compress(body)[: least or None]
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (content_type, len(packed)) + packed


@asynccontextmanager
async def _redirected(_folder: Path, _patch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    async with raw_server(WHOLE) as stranger:
        there = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://localhost:%d/v3/chat\r\nContent-Length: 0\r\n\r\n"
        async with raw_server(there % stranger.port) as server:
            yield Place(f"http://127.0.0.1:{server.port}", server, stranger)


@asynccontextmanager
async def _handshake_reset(_folder: Path, _patch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    try:
        yield Place(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    finally:
        server.close()
        await server.wait_closed()


SLOW_NAMES = "name server that does not answer"
"""aiohttp lets all who ask meanwhile wait for the same answer."""

PLACES: dict[str, Opener] = {
    "connection refused": _closed_port,
    "black hole": _full_backlog,
    "name not found": _resolver(_NotFound),
    SLOW_NAMES: _resolver(_FoundTooLate),
    "expired": _certificate(days=(-3, -1)),
    "wrong host": _certificate(name="127.0.0.2"),
    "self-signed": _certificate(is_trusted=False),
    "no TLS at all": _says(LATER % b"", scheme="https"),
    "handshake reset": _handshake_reset,
    "handshake stalled": _says(b"", scheme="https", stays=True, tls_s=QUIET_S / 2),
    "a stream in gzip": _says(_compressed(_BODY)),
    "a refusal in gzip": _says(_compressed(b'{"code":4000,"msg":"no"}', content_type=b"application/json")),
    "half of a gzip": _says(_compressed(_BODY, least=40)),
    "a bomb: 10 MiB in 10 KB": _says(_compressed(b"x" * (10 << 20), content_type=b"application/json")),
    "to another host; the token is not taken there": _redirected,
    "to itself, for ever": _says(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /v3/chat\r\nContent-Length: 0\r\n\r\n"),
    "a header of 100 KB": _says(LATER % (b"X-Large: " + b"x" * 100_000)),
    "1000 headers": _says(LATER % b"\r\n".join(b"X-%d: x" % number for number in range(1000))),
}
ROWS = [row for row in CONNECTION_ROWS if row.what in PLACES]


@pytest.fixture(params=ROWS, ids=[row.name for row in ROWS])
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    return found


@pytest.fixture
def place(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opening:
    """Where the house of this row will look for its Coze."""
    return PLACES[row.what](tmp_path, monkeypatch)


async def test_connections(
    row: Row, place: Opening, invariants: Invariants, page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        place as found,
        housed(found.base, connect=found.connect_s, tls=found.tls_s) as house,
    ):
        for form in row.forms:
            async with invariants.around(house, next_ends=row.ends, says_hello=False) as played:
                outcome = await house.ask(spoken(), form=form)
                played.outcomes.append(outcome)
                if row.what != SLOW_NAMES:
                    assert caplog.text.count("is asked for again") == row.attempts - 1
            page.observe(row, "test_connections", form, outcome.how)
        assert found.stranger is None or not found.stranger.received, "credentials travel nowhere"
        if row.id == "U27" and found.server is not None:
            assert len(found.server.received) == 2 * len(row.forms), "once for each question, and for the next one"
        if found.base.startswith("https:") and found.server is not None:
            sent = b"".join(map(bytes, found.server.received))
            assert b"POST" not in sent, "nothing is said to somebody who has not shown who he is"


async def test_a_certificate_that_is_in_order_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the others are refused for what is wrong with them."""
    async with _certificate()(tmp_path, monkeypatch) as found, housed(found.base) as house:
        assert (await house.ask(spoken())).text == "Hello."


@asynccontextmanager
async def _keeping_alive(*, requests: int, hangs_up: bool) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that answers so many requests on a connection; it `hangs_up` on the one after, or before it."""
    asked: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(0)
        place = len(asked) - 1
        try:
            while await _request(reader):
                asked[place] += 1
                if hangs_up and asked[place] > requests:
                    return
                writer.write(WHOLE)
                if not hangs_up and asked[place] == requests:
                    return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
        await server.wait_closed()


async def _request(reader: asyncio.StreamReader) -> bool:
    """Read one with its body; False at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return False
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return True


def _row(what: str) -> Row:
    return next(row for row in CONNECTION_ROWS if row.what == what)


@pytest.mark.parametrize("form", _row("closed between two requests").forms)
async def test_u28_a_connection_that_was_closed_meanwhile_is_not_used(
    form: str, invariants: Invariants, page: Page
) -> None:
    row = _row("closed between two requests")
    async with _keeping_alive(requests=1, hangs_up=False) as (base, asked), housed(base) as house:
        idle = held().sockets
        async with invariants.around(house) as played:
            await soon(lambda: held().sockets == idle)
            outcome = await house.ask(spoken(), form=form)
            played.outcomes.append(outcome)
            await soon(lambda: held().sockets == idle)
        page.observe(row, "test_connections", form, outcome.how)
        assert asked == [1, 1, 1]


@pytest.mark.parametrize("form", _row("closed on the second request").forms)
async def test_u28_a_request_that_may_have_been_read_is_not_sent_again(
    form: str, invariants: Invariants, page: Page
) -> None:
    row = _row("closed on the second request")
    async with _keeping_alive(requests=1, hangs_up=True) as (base, asked), housed(base) as house:
        async with invariants.around(house) as played:
            outcome = await house.ask(spoken(), form=form)
            played.outcomes.append(outcome)
        page.observe(row, "test_connections", form, outcome.how)
        assert asked == [2, 1]
