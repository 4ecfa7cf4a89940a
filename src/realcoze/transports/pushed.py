"""Streamed answers, handed on where they arrive: HTTP/1.1 exchanges on connections of aiohttp's.

aiohttp connects (names, TLS, proxies) and keeps connections between calls; from the first answer that is streamed
on a connection, the protocol below stands in its place.  Nothing is awaited for a piece: a future and the turn of
a task cost more than all that is done with a token (2026-11-22).

Of aiohttp (3.14) it takes `BaseConnector.connect`, and of a `Connection` its protocol, its transport,
`release` and `close`; the rest is asyncio's `set_protocol` and `get_protocol`.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

import aiohttp
import httptools
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from realcoze.errors import RealcozeError, Truncated, UpstreamFailed
from realcoze.framing.chunks import only_chunk

HEADER_BYTES = 64 << 10
HEADER_COUNT = 128


class Valve:
    """Holds a stream back (a `Flow` of the domain): while it is closed nothing more is read from the connection,
    and what had been read goes on as one last piece.
    """

    __slots__ = ("_stream", "is_open")

    def __init__(self) -> None:
        self.is_open = True
        self._stream: PushedConnection | None = None

    def pause(self) -> None:
        self.is_open = False
        if self._stream is not None:
            self._stream.hold()

    def resume(self) -> None:
        self.is_open = True
        if self._stream is not None:
            self._stream.go_on()

    def control(self, stream: "PushedConnection | None") -> None:
        """What is held back from now on."""
        self._stream = stream


class PushedConnection(asyncio.Protocol):
    """Reads answers from a connection, one after another, and calls back.

    It stays when an answer was whole, as it costs the system four calls to change who reads; aiohttp is handed on
    what comes while no answer is awaited here.
    """

    __slots__ = (
        "_before", "_ends_with_connection", "_fields", "_has_head", "_head_bytes", "_headers", "_host", "_idle_s",
        "_is_between_chunks", "_is_head_told", "_is_head_too_large", "_is_held", "_is_kept", "_is_whole", "_last_at",
        "_lent", "_loop", "_no_answer", "_on_bytes", "_on_head", "_open_chunks", "_parser", "_pieces", "_status",
        "_timer", "_transport", "_unread_bytes", "_unsent_bytes", "_valve", "ended", "on_body", "on_chunk_complete",
        "on_chunk_header",
    )  # fmt: skip

    def __init__(self, transport: asyncio.Transport, before: ResponseHandler) -> None:
        self._transport = transport
        self._before = before
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append
        """Called by the parser; a method of our own would be a frame more for each token."""
        self._open_chunks = [True]
        """Holds something before the first chunk, and while the parser is within one."""
        self.on_chunk_header = partial(self._open_chunks.append, True)
        self.on_chunk_complete = self._open_chunks.clear
        self._fields: list[tuple[bytes, bytes]] = []
        self._parser = httptools.HttpResponseParser(self)
        self._lent: aiohttp.connector.Connection | None = None
        """From `ask` to `leave`."""
        self._timer: asyncio.TimerHandle | None = None
        self._no_answer: asyncio.Future[Exception | None] = self._loop.create_future()
        self._no_answer.cancel()
        self.ended = self._no_answer
        """What broke the answer that is awaited, or None when it is whole."""
        self._is_held = False
        self._let_go()

    @classmethod
    def on(cls, lent: aiohttp.connector.Connection) -> "PushedConnection":
        """The one that reads this connection, from now on if there was none."""
        transport = cast("asyncio.Transport", lent.transport)
        known = transport.get_protocol()
        if isinstance(known, cls):
            return known
        made = cls(transport, cast("ResponseHandler", lent.protocol))
        transport.set_protocol(made)
        return made

    def ask(
        self,
        request: bytes,
        *,
        lent: aiohttp.connector.Connection,
        host: str,
        idle_s: float | None,
        on_head: Callable[[int, Mapping[str, str]], None],
        on_bytes: Callable[[bytes], None],
        valve: Valve,
    ) -> "asyncio.Future[Exception | None]":
        """Send the request and hand its answer on; gives `ended`."""
        self._lent = lent
        self._host = host
        self._idle_s = idle_s
        self._on_head = on_head
        self._on_bytes = on_bytes
        self._valve: Valve | None = valve
        self._open_chunks[:] = [True]
        self._fields.clear()
        self._head_bytes = 0
        self._unread_bytes = 0
        self._is_head_too_large = False
        self._headers: dict[str, str] = {}
        self._status = 0
        self._has_head = False
        self._ends_with_connection = False
        """Nothing else says where the body ends (RFC 9112, 6.3)."""
        self._is_head_told = False
        self._is_whole = False
        self._is_kept = False
        self._is_held = False
        self._is_between_chunks = False
        """What comes next begins a chunk."""
        self._timer = None
        self._last_at = self._loop.time()
        self.ended = self._loop.create_future()
        valve.control(self)
        self._transport.write(request)
        if idle_s is not None:
            self._unsent_bytes = self._transport.get_write_buffer_size()
            self._timer = self._loop.call_later(idle_s, self._look)
        return self.ended

    def leave(self) -> None:
        """Give the connection back, for other calls if the answer was whole; else it is closed."""
        lent, has_ended = self._lent, self.ended.done() and not self.ended.cancelled()
        if self._valve is not None:
            self._valve.control(None)
        if self._timer is not None:
            self._timer.cancel()
        self.go_on()
        self._let_go()
        if lent is not None and has_ended and self._is_kept:
            lent.release()
        elif lent is not None:
            if self._transport.get_write_buffer_size():
                self._transport.abort()  # to close it would wait for who takes nothing
            lent.close()

    def _let_go(self) -> None:
        """Hold nothing of those whom the answer was for."""
        self._lent = self._valve = None
        self.ended = self._no_answer
        self._on_head = self._on_bytes = _nobody

    def hold(self) -> None:
        """Read nothing more for now; the head and the first piece are always read."""
        if self._is_head_told and not self._is_held and not self._transport.is_closing():
            self._is_held = True
            self._transport.pause_reading()

    def go_on(self) -> None:
        if self._is_held and not self._transport.is_closing():
            self._is_held = False
            self._last_at = self._loop.time()
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """What has arrived together goes on together."""
        if self.ended.done():
            self._unasked(data)
            return
        if self._timer is not None:
            self._last_at = self._loop.time()
        try:
            if self._is_between_chunks and (carried := only_chunk(data)) is not None:  # nearly always
                self._on_bytes(carried)
            else:
                self._parse(data)
        except Exception as error:  # noqa: BLE001 - raised where the answer is waited for
            self._end(error)

    def _parse(self, data: bytes) -> None:
        broken: Exception | None = None
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._is_kept = False
            broken = error
        # Behind the line end of a chunk nothing of the next one's head has been read yet.
        self._is_between_chunks = not self._open_chunks and data.endswith(b"\n")
        if not self._is_head_told:
            self._tell_head(len(data))
        if pieces := self._pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            self._on_bytes(data)
            if self._valve is not None and not self._valve.is_open:
                self.hold()  # it was closed before the head; from then on it holds at once
        if self._is_whole:
            self._end(None)
        elif broken is not None:
            self._end(self._broken_off(broken))

    def _unasked(self, data: bytes) -> None:
        """While no answer is awaited here, aiohttp awaits it; what follows a whole answer is nobody's."""
        self._is_kept = False
        if self._lent is None:
            self._before.data_received(data)

    def eof_received(self) -> None:
        """The transport closes now."""
        self._before.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_kept = False
        self._before.connection_lost(exc)
        del self._parser  # they hold each other, and would wait for the collector of cycles
        if self._has_head and exc is None and self._ends_with_connection:
            self._end(None)
        else:
            self._end(self._broken_off(exc))

    def pause_writing(self) -> None:
        self._before.pause_writing()

    def resume_writing(self) -> None:
        self._before.resume_writing()

    def on_message_begin(self) -> None:
        if self._is_whole:
            self._is_kept = False
            raise ValueError("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        self._fields.append((name, value))
        if self._head_bytes > HEADER_BYTES or len(self._fields) > HEADER_COUNT:
            self._is_head_too_large = True
            raise ValueError("too many headers")

    def on_headers_complete(self) -> None:
        """A status below 200 is said meanwhile, and its headers are not those of the answer (RFC 9110, 15.2)."""
        self._status = self._parser.get_status_code()
        self._has_head = self._status >= 200
        self._is_kept = self._parser.should_keep_alive()
        self._headers = {
            name.decode("latin-1").lower(): value.decode("utf-8", "surrogateescape").strip()
            for name, value in self._fields
        }
        self._fields.clear()
        self._ends_with_connection = self._headers.keys().isdisjoint(("content-length", "transfer-encoding"))

    def on_message_complete(self) -> None:
        self._is_whole = self._has_head

    def _tell_head(self, size: int) -> None:
        self._unread_bytes += size
        if self._has_head:
            self._is_head_told = True
            headers, self._headers = self._headers, {}
            self._on_head(self._status, headers)
        elif self._is_head_too_large or self._unread_bytes > HEADER_BYTES:
            raise UpstreamFailed(f"The headers of {self._host} are too large.", code="upstream_protocol")

    def _end(self, error: Exception | None) -> None:
        if not self.ended.done():
            self._is_kept = self._is_kept and error is None
            self.ended.set_result(error)

    def _broken_off(self, cause: Exception | None) -> Exception:
        error: RealcozeError | aiohttp.ClientError
        if self._has_head:
            error = Truncated(f"{self._host} broke the connection off before the answer was complete.")
        else:
            error = aiohttp.ServerDisconnectedError()
        error.__cause__ = cause
        return error

    def _look(self) -> None:
        """End what has paused for too long; while we ourselves hold it up, or it takes what we send, it has not."""
        now = self._loop.time()
        unsent_bytes = self._transport.get_write_buffer_size()
        if self._is_held or unsent_bytes != self._unsent_bytes:
            self._unsent_bytes = unsent_bytes
            self._last_at = now
        due = self._last_at + (self._idle_s or 0.0)
        if due <= now:
            self._end(TimeoutError())
        else:
            self._timer = self._loop.call_at(due, self._look)


def _nobody(*_said: object) -> None:
    """Who hears what comes while nothing is awaited."""


class Origins:
    """Whom to connect to, for the connector of one session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._known: dict[tuple[str, str | None], aiohttp.ClientRequest] = {}

    async def connect(self, url: URL) -> aiohttp.connector.Connection:
        """A connection from the pool, or a new one.  Raises what aiohttp raises."""
        connector = self._session.connector
        if connector is None:
            raise aiohttp.ClientConnectionError("The client is closed.")
        return await connector.connect(self._request(url), [], self._session.timeout)

    def _request(self, url: URL) -> aiohttp.ClientRequest:
        """Where to connect to, as aiohttp takes it; making one takes as long as a whole exchange."""
        origin = url.scheme, url.host_port_subcomponent
        known = self._known.get(origin)
        if known is None:
            loop = asyncio.get_running_loop()
            known = aiohttp.ClientRequest("POST", url.origin(), loop=loop, session=self._session)
            self._known[origin] = known
        return known


def address_of(url: str) -> URL:
    """Raises `aiohttp.InvalidURL`, or `NonHttpUrlClientError`."""
    try:
        address = URL(url)
    except ValueError as error:
        raise aiohttp.InvalidURL(url) from error
    if not address.raw_host:
        raise aiohttp.InvalidURL(url)
    if address.scheme not in ("http", "https"):
        raise aiohttp.NonHttpUrlClientError(url)
    return address


def encode_request(method: str, url: URL, headers: Mapping[str, str], body: bytes) -> bytes:
    """The bytes of a request.  Raises `ValueError` for what cannot stand in a header."""
    fields = {"Host": url.host_port_subcomponent or "", "Accept": "*/*", "Accept-Encoding": "identity", **headers}
    head = "".join([f"{name}: {value}\r\n" for name, value in fields.items()])
    if len(head.splitlines()) != len(fields) or "\0" in head:
        raise ValueError("A header has more than one line.")
    return f"{method} {url.raw_path_qs} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
