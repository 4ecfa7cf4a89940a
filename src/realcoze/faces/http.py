"""What all HTTP faces share: bodies within limits, the guard at the door, answers that are streamed.

Pure ASGI.  `StreamedAnswer` is a `Sink`: events go through its encoder straight to the connection,
and nothing is awaited for a token; one task waits for the end, the keepalives and the caller's
leaving.  The server lends it the connection as the ASGI extension `realcoze.outlet`
(app/server.py); on any other server it falls back to `send`.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from realcoze.domain.event import Event, TurnFailed, TurnStarted, Unknown, Usage
from realcoze.domain.ids import RequestId
from realcoze.domain.ports import Flow, Sink
from realcoze.errors import RealcozeError, TooLarge

CHAT_BODY_BYTES = 20 << 20
"""The largest body of a request for an answer."""

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
OUTLET = "realcoze.outlet"
RETRY_UNSENT_S = 0.02
"""How soon to look again whether the connection took what was written."""


class Outlet(Protocol):
    """A connection whose response has begun."""

    def write(self, data: bytes) -> None:
        """Send one piece of the body; never blocks, never raises."""

    def unsent(self) -> int:
        """Bytes that were written and that the operating system has not taken yet."""

    def watch(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Be told when the client reads too slowly, and when it has caught up."""

    def abort(self) -> None:
        """Drop the connection and what is unsent."""


class Encoder(Protocol):
    """What every streaming encoder of a dialect offers to a face."""

    content_type: str
    keepalive: bytes
    is_closed: bool
    has_failed: bool

    def feed(self, event: Event) -> bytes: ...
    def deadline(self) -> float | None: ...
    def tick(self, now: float) -> bytes: ...


class Refused(Exception):
    """An answer at the door, in the HTTP sense only: not a fault of any turn."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def new_request_id() -> RequestId:
    return RequestId(f"req_{uuid.uuid4().hex[:20]}")


def presented_keys(headers: Headers) -> list[str]:
    """Every key that a request carries, whichever way."""
    keys = headers.getlist("x-api-key")
    for value in headers.getlist("authorization"):
        scheme, _, key = value.partition(" ")
        keys.append(key.strip() if scheme.lower() == "bearer" else "")
    return keys


async def read_body(request: HttpRequest, *, max_bytes: int = CHAT_BODY_BYTES) -> bytes:
    """The whole body; refused as it comes, not after it was buffered.  Raises `TooLarge`."""
    declared = request.headers.get("content-length", "0")
    too_large = TooLarge(f"The body is larger than {max_bytes} bytes.")
    if not declared.isdigit() or int(declared) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)


@asynccontextmanager
async def while_connected(receive: Receive) -> AsyncIterator[anyio.abc.TaskGroup]:
    """Run the block for as long as the client is there; the block is cancelled when it leaves."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_wait_for_leaving, receive, tasks.cancel_scope)
        yield tasks
        tasks.cancel_scope.cancel()


class Guard:
    """The door: which Host names we answer to, and which pages may call us.

    A page of another site can reach a server on loopback through its visitor's browser, directly or
    by a name that resolves to 127.0.0.1.  So the Host must be one of ours and the Origin, where
    there is one, too; programs such as curl and Node send no Origin.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: Iterable[str],
        allowed_origins: Iterable[str],
        refuse: Callable[[Refused], Response],
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in allowed_hosts)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                self._check(scope["type"], scope.get("method", "GET"), Headers(scope=scope))
            except Refused as refused:
                await self._refuse(refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, kind: str, method: str, headers: Headers) -> None:
        host = headers.get("host", "")
        name = _host_name(host)
        if "*" not in self._hosts and name not in self._hosts:
            raise Refused(421, "wrong_host", f"This server does not answer to the host name {name[:80]!r}.")
        origin = headers.get("origin")
        if origin is None or (kind == "http" and method in ("GET", "HEAD", "OPTIONS")):
            return
        origin = origin.rstrip("/").lower()
        if origin not in (f"http://{host.lower()}", f"https://{host.lower()}") and origin not in self._origins:
            raise Refused(403, "wrong_origin", f"Pages of {origin[:80]!r} may not call this server.")


class StreamedAnswer(Response):
    """One turn, streamed as the response to one request.

    Until the first content the status is not sent, so that an error before it still has its own
    status; after `gate_s` the headers go out anyway.  A turn that fails later ends without the
    last chunk, so that no client takes it for a whole answer.
    """

    def __init__(
        self,
        *,
        relay: Callable[[Sink], Coroutine[object, object, None]],
        encoder: Encoder,
        refuse: Callable[[RealcozeError], Response],
        headers: dict[str, str],
        gate_s: float,
        keepalive_s: float,
        stall_s: float,
    ) -> None:
        super().__init__(media_type=None, headers={**headers, "content-type": encoder.content_type})
        del self.headers["content-length"]
        self._relay = relay
        self._encoder = encoder
        self._refuse = refuse
        self._gate_s, self._keepalive_s, self._stall_s = gate_s, keepalive_s, stall_s
        self._loop = asyncio.get_running_loop()
        self._flow: Flow | None = None
        self._outlet: Outlet | None = None
        self._before: list[bytes] = []
        self._refusal: RealcozeError | None = None
        self._content = anyio.Event()
        self._closed = anyio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._written_at = self._loop.time()
        self._paused_at: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with while_connected(receive) as tasks:
                tasks.start_soon(self._relay, self)
                with anyio.move_on_after(self._gate_s):
                    await self._content.wait()
                if self._refusal is not None:
                    return await self._refuse(self._refusal)(scope, receive, send)
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                outlet = scope.get("extensions", {}).get(OUTLET)
                if outlet is None:
                    outlet = AsgiOutlet(send)
                    tasks.start_soon(outlet.pump)
                self._begin(outlet)
                await self._attend(outlet)
                if isinstance(outlet, AsgiOutlet):
                    await outlet.drained()
                if not self._encoder.has_failed:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def open(self, flow: Flow) -> None:
        self._flow = flow

    def feed(self, event: Event) -> None:
        if isinstance(event, TurnFailed) and not self._content.is_set() and self._outlet is None:
            self._refusal = event.error
            self._content.set()
            return
        self._write(self._encoder.feed(event))
        if not isinstance(event, TurnStarted | Usage | Unknown) and not self._content.is_set():
            self._content.set()
        self._settle()

    def _begin(self, outlet: Outlet) -> None:
        outlet.watch(self._pause, self._resume)
        before, self._before = b"".join(self._before), []
        self._outlet = outlet
        self._write(before)
        self._settle()

    async def _attend(self, outlet: Outlet) -> None:
        """Until the stream is closed: keepalives, and an end to clients that do not read."""
        while not self._closed.is_set():
            with anyio.move_on_after(min(self._keepalive_s, self._stall_s)):
                await self._closed.wait()
                return
            now = self._loop.time()
            if self._paused_at is not None:
                if now - self._paused_at >= self._stall_s:
                    self._encoder.has_failed = True
                    outlet.abort()
                    return
            elif self._encoder.keepalive and now - self._written_at >= self._keepalive_s:
                self._write(self._encoder.keepalive)

    def _settle(self) -> None:
        """After anything was fed or written: note the end, or set the timer for what is held back."""
        if self._outlet is None:
            return
        if self._encoder.is_closed:
            self._closed.set()
            return
        due = self._encoder.deadline()
        if due is not None and self._timer is None:
            self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._outlet is not None and self._outlet.unsent():
            self._timer = self._loop.call_later(RETRY_UNSENT_S, self._tick)
            return
        self._write(self._encoder.tick(self._loop.time()))
        self._settle()

    def _write(self, data: bytes) -> None:
        if not data:
            return
        if self._outlet is None:
            self._before.append(data)
            return
        self._written_at = self._loop.time()
        self._outlet.write(data)

    def _pause(self) -> None:
        self._paused_at = self._loop.time()
        if self._flow is not None:
            self._flow.pause()

    def _resume(self) -> None:
        self._paused_at = None
        if self._flow is not None:
            self._flow.resume()


class AsgiOutlet:
    """An outlet for servers that lend none: pieces are handed to `send` by a task."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._pieces: list[bytes] = []
        self._size = 0
        self._written = anyio.Event()
        self._empty = anyio.Event()
        self._empty.set()
        self._pause: Callable[[], None] = lambda: None
        self._resume: Callable[[], None] = lambda: None

    def write(self, data: bytes) -> None:
        if not self._size:
            self._empty = anyio.Event()
        self._pieces.append(data)
        self._size += len(data)
        self._written.set()

    def unsent(self) -> int:
        return self._size

    def watch(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause, self._resume = pause, resume

    def abort(self) -> None:
        """Nothing: ASGI has no word for it; leaving the response incomplete closes the connection."""

    async def pump(self) -> None:
        """Send what is written, until cancelled; while `send` waits, the upstream is held back."""
        while True:
            await self._written.wait()
            self._written = anyio.Event()
            body, self._pieces = b"".join(self._pieces), []
            self._pause()
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            self._size -= len(body)
            if not self._size:
                self._empty.set()
            self._resume()

    async def drained(self) -> None:
        """Return when everything was handed over."""
        await self._empty.wait()


async def _wait_for_leaving(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""
