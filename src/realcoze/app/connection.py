"""One client's connection: uvicorn's protocol with limits of our own, lent to streamed answers.

uvicorn (0.54) bounds neither the bytes, the number nor the time of request headers, and waits for
ever for a client that does not read.  The protocol below does, and lends each response its
connection as the ASGI extension `realcoze.outlet`, so that a token is written at the end of the
loop's turn that brought it (outbox.py) instead of waiting for a task.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from realcoze.app.outbox import Outbox
from realcoze.faces.outlet import OUTLET
from realcoze.framing.chunks import chunk_of

_NAMES = {400: "Bad Request", 408: "Request Timeout", 414: "URI Too Long", 431: "Request Header Fields Too Large"}

PIPELINED = 8
"""Requests that may wait for the answer before them while we go on reading."""

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


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds on what comes before the application sees anything, and on how
    long a client may leave an answer unread.
    """

    def __init__(self, *args: Any, outbox: Outbox, limits: Limits = DEFAULT_LIMITS, **options: Any) -> None:
        super().__init__(*args, **options)
        self.outbox = outbox
        self._limits = limits
        self._is_in_head = True
        self._head_bytes = 0
        self._unparsed_bytes = 0
        self._refusal = 400
        self._limit_s: float | None = None
        self._is_limit_current = False
        self._limit: asyncio.TimerHandle | None = None
        self._answering: RequestResponseCycle | None = None
        self._outlet: ConnectionOutlet | None = None
        self._stall_s = limits.stall_s
        self._sending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._limit_s = self._limits.header_s
        self._set_limit()

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_limit()
        if self._sending is not None:
            self._sending.cancel()
        super().connection_lost(exc)
        if self._outlet is not None:
            self._outlet.leave()
        if self._answering is not None and self._answering is not self.cycle:
            # uvicorn (0.54) tells the newest of pipelined requests only, and the one that is answered would go on.
            self._answering.disconnected = True
            self._answering.message_event.set()

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
            elif self._limit_s is None and not self._is_answering():
                # Line ends between two requests begin no message, and have stopped uvicorn's keep-alive timer.
                self._await(self._limits.header_s)
        finally:
            self._set_limit()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0
        self._await(self._limits.header_s)

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
        if len(self.pipeline) < PIPELINED:
            self.flow.resume_reading()  # else nobody would see the client leave the answer before
        self._await(self._limits.body_s)
        self.scope["extensions"] = {OUTLET: ConnectionOutlet(self, self.cycle)}  # type: ignore[dict-item]

    def on_body(self, body: bytes) -> None:
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed_bytes = 0
        self._is_in_head = True
        self._await(None)
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._outlet is not None:
            self._outlet.close()
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
        return self._answering is not None and not self._answering.response_complete

    def _is_behind_an_answer(self) -> bool:
        """What is being read now is not what is being answered."""
        return self._is_answering() and (self._is_in_head or self._answering is not self.cycle)

    def _can_refuse(self) -> bool:
        """A refusal would be taken for the answer to what is being read, and not for a part of another."""
        if self._is_answering():
            return not self.pipeline and not self.cycle.response_started
        return self._is_in_head

    def _await(self, seconds: float | None) -> None:
        """What is awaited now may take so long; set when all that has arrived was read, as most comes at once."""
        self._limit_s = seconds
        self._is_limit_current = False

    def _set_limit(self) -> None:
        if not self._is_limit_current:
            self._is_limit_current = True
            self._clear_limit()
            if self._limit_s is not None:
                self._limit = self.loop.call_later(self._limit_s, self._too_slow)

    def _clear_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _too_slow(self) -> None:
        if self._is_behind_an_answer():  # which would be cut off, too
            self._is_limit_current = False
            self._set_limit()
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
    """The connection for one response; see `Outlet` in faces/outlet.py."""

    __slots__ = (
        "_connection", "_cycle", "_head", "_is_chunked", "_is_open", "_on_leave", "_on_pause", "_on_resume",
        "_outbox", "_pieces", "_transport", "written", "written_at",
    )  # fmt: skip

    def __init__(self, connection: LimitedProtocol, cycle: RequestResponseCycle) -> None:
        self._connection = connection
        self._cycle = cycle
        self._transport = cycle.transport
        self._outbox = connection.outbox
        self._is_chunked = True
        self._on_pause: Callable[[], None] = _nobody
        self._on_resume: Callable[[], None] = _nobody
        self._on_leave: Callable[[], None] = _nobody
        self._head = b""
        self._pieces: list[bytes] = []
        self._is_open = True
        """The client is there, and the response is not complete."""
        self.written = 0
        """Bytes, of writes of which something had to wait."""
        self.written_at = 0.0

    def watch(
        self, pause: Callable[[], None], resume: Callable[[], None], leave: Callable[[], None], *, stall_s: float
    ) -> None:
        self._on_pause, self._on_resume, self._on_leave = pause, resume, leave
        if self._cycle.scope["http_version"] == "1.0":  # whose clients need not know chunks (RFC 9112, 6.1)
            self._is_chunked = False
        self._connection.lend(self, stall_s)
        if self._cycle.disconnected:
            self.leave()
        elif self._cycle.flow.write_paused:
            pause()

    def begin(self, headers: list[tuple[bytes, bytes]]) -> None:
        """As `send` of uvicorn's cycle does with the start of a response, but without awaiting it."""
        cycle = self._cycle
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        cycle.chunked_encoding = self._is_chunked
        fields = [b"%b: %b\r\n" % field for field in (*cycle.default_headers, *headers)]
        if not cycle.keep_alive:
            fields.append(b"connection: close\r\n")
        if self._is_chunked:
            fields.append(b"transfer-encoding: chunked\r\n")
        self._head = b"".join((STATUS_LINE[200], *fields, b"\r\n"))
        self.written_at = self._connection.loop.time()
        self._outbox.add(self)

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._outbox.add(self)
        self._pieces.append(data)

    def end(self, *, is_whole: bool) -> None:
        """As `send` of uvicorn's cycle does with the end of a body."""
        cycle = self._cycle
        if not is_whole or not self._is_open:
            self.flush(self.written_at)
            return
        self.flush(self.written_at, b"0\r\n\r\n" if self._is_chunked else b"")
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self._transport.close()
        cycle.on_response()

    def flush(self, now: float, last: bytes = b"") -> None:
        """One write, and one chunk, for all that a turn of the loop has brought."""
        self.written_at = now
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        if not self._is_open:
            return
        if data and self._is_chunked:
            data = chunk_of(data)
        if self._head or last:
            data = self._head + data + last
            self._head = b""
        if data:
            self._transport.write(data)
            if self._transport.get_write_buffer_size():
                self.written += len(data)
                self._connection.watch_sending()

    def unsent(self) -> int:
        return self._transport.get_write_buffer_size() + sum(map(len, self._pieces))

    def pause(self) -> None:
        """The connection's buffer is full."""
        if self._is_open:
            self._on_pause()

    def resume(self) -> None:
        """The connection's buffer has drained."""
        if self._is_open:
            self._on_resume()

    def close(self) -> None:
        """The response is complete, or nobody's; who answered is let go, or would wait for the collector of cycles."""
        self._is_open = False
        self._on_pause = self._on_resume = self._on_leave = _nobody
        self._cycle.scope["extensions"] = {}

    def leave(self) -> None:
        """The client has gone."""
        if self._is_open:
            tell = self._on_leave
            self.close()
            tell()


def _nobody() -> None:
    """Whom to tell before a response is streamed, and after it."""
