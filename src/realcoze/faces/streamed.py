"""Answers that are streamed: events go through an encoder straight to the connection.

Nothing is awaited for a token; one task waits for the end, the keepalives and the caller's leaving.
The server lends the connection as the ASGI extension `realcoze.outlet` (app/connection.py); on any other
server pieces are handed to `send` by a task.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Protocol

import anyio
from anyio.abc import TaskGroup
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from realcoze.domain.event import Event, TurnFailed, TurnStarted, Unknown, Usage
from realcoze.domain.ports import Flow, Sink
from realcoze.errors import RealcozeError
from realcoze.faces.http import while_connected
from realcoze.tasks import background_tasks

OUTLET = "realcoze.outlet"
RETRY_UNSENT_S = 0.02
"""How soon to look again whether the connection took what was written."""

HELD_BYTES_PER_S = 96 << 10
"""How fast goes out what an encoder held back, each piece after a rest in proportion to its size.

Such a piece is for a reader that looks at whatever arrives at once and takes nothing else for whole.
While the reader is still busy with something before it, the system hands it a piece above 32 KiB in
two halves, and two pieces above 64 KiB in one (Linux 6.18, Node 20, 2026-11).
"""

PIECE_BYTES = 64 << 10
"""What a server that lends no outlet gets at once; if more than that waits, the upstream is held back."""


class Outlet(Protocol):
    """The connection that a streamed response goes out on."""

    def watch(
        self, pause: Callable[[], None], resume: Callable[[], None], leave: Callable[[], None], *, stall_s: float
    ) -> None:
        """Called before the response begins: whom to tell when the client reads too slowly, when it has
        caught up and when it leaves.  One that takes nothing at all for `stall_s` is dropped, and so leaves.
        """

    def write(self, data: bytes) -> None:
        """Send one piece of the body, which is not empty; never blocks, never raises.

        What is written in one turn of the loop goes out together at the end of it.
        """

    def flush(self) -> None:
        """Send at once what was written."""

    def unsent(self) -> int:
        """Bytes that were written and that the operating system has not taken yet."""


class Encoder(Protocol):
    """What every streaming encoder of a dialect offers to a face."""

    content_type: str
    keepalive: bytes
    is_closed: bool
    has_failed: bool

    def feed(self, event: Event) -> bytes: ...
    def deadline(self) -> float | None: ...
    def tick(self, now: float) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTimes:
    """Seconds.  `gate`: how long the status waits for the first content; `stall`: how long a client
    may not read.
    """

    gate: float = 5.0
    keepalive: float = 10.0
    stall: float = 30.0


class StreamedAnswer(Response):
    """One turn, streamed as the response to one request.

    Until the first content the status is not sent, so that an error before it still has its own
    status; after `times.gate` the headers go out anyway.  A turn that fails later ends without the
    last chunk, so that no client takes it for a whole answer.
    """

    def __init__(
        self,
        *,
        relay: Callable[[Sink], Coroutine[object, object, None]],
        encoder: Encoder,
        refuse: Callable[[RealcozeError], Response],
        headers: dict[str, str],
        times: StreamTimes,
    ) -> None:
        super().__init__(media_type=None, headers={**headers, "content-type": encoder.content_type})
        del self.headers["content-length"]
        self._relay = relay
        self._encoder = encoder
        self._refuse = refuse
        self._gate_s, self._keepalive_s, self._stall_s = times.gate, times.keepalive, times.stall
        self._loop = asyncio.get_running_loop()
        self._flow: Flow | None = None
        self._outlet: Outlet | None = None
        self._before: list[bytes] = []
        self._refusal: RealcozeError | None = None
        self._is_committed = False
        self._is_paused = False
        self._has_content = False
        # Futures: the queue in each asyncio.Event holds 700 bytes while nothing waits (2026-11-22).
        self._may_begin: asyncio.Future[None] = self._loop.create_future()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._life_sign: asyncio.TimerHandle | None = None
        self._written_at = self._loop.time()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        lent: Outlet | None = scope.get("extensions", {}).get(OUTLET)
        try:
            async with while_connected(receive) if lent is None else background_tasks() as tasks:
                if lent is not None:
                    lent.watch(self._pause, self._resume, tasks.cancel_scope.cancel, stall_s=self._stall_s)
                tasks.start_soon(self._relay, self)
                self._timer = self._loop.call_later(self._gate_s, _set, self._may_begin)
                await self._may_begin
                self._clear_timer()
                if self._refusal is not None:
                    return await self._refuse(self._refusal)(scope, receive, send)
                self._is_committed = True
                if lent is None:
                    await self._answer_by_pieces(send, tasks)
                else:
                    await send(self._start())
                    await self._answer(lent)
                    lent.flush()
                    await self._end(send)
        finally:
            self._outlet = None  # they hold each other
            self._clear_timer()
            if self._life_sign is not None:
                self._life_sign.cancel()

    def open(self, flow: Flow) -> None:
        self._flow = flow
        if self._is_paused:
            flow.pause()

    def feed(self, event: Event) -> None:
        if not self._has_content:
            if isinstance(event, TurnFailed) and not self._is_committed:
                self._refusal = event.error
                _set(self._may_begin)
                return
            if not isinstance(event, TurnStarted | Usage | Unknown):
                self._has_content = True
                _set(self._may_begin)
        self._write(self._encoder.feed(event))
        self._settle()

    def _start(self) -> Message:
        return {"type": "http.response.start", "status": 200, "headers": self.raw_headers}

    async def _end(self, send: Send) -> None:
        """The last chunk; a turn that failed goes without, and the server closes the connection."""
        if not self._encoder.has_failed:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _answer_by_pieces(self, send: Send, tasks: TaskGroup) -> None:
        outlet = AsgiOutlet(send, self._start())
        outlet.watch(self._pause, self._resume, tasks.cancel_scope.cancel, stall_s=self._stall_s)
        tasks.start_soon(outlet.pump)
        await self._answer(outlet)
        await outlet.drained()
        with anyio.move_on_after(self._stall_s):
            await self._end(send)

    async def _answer(self, outlet: Outlet) -> None:
        """Until everything is said, with keepalives."""
        before, self._before = b"".join(self._before), []
        self._outlet = outlet
        self._written_at = self._loop.time()
        self._write(before)
        self._settle()
        if self._encoder.keepalive:
            self._life_sign = self._loop.call_later(self._keepalive_s, self._keep_alive, outlet)
        await self._over

    def _keep_alive(self, outlet: Outlet) -> None:
        """Say that the bot is still at it; to a client that has not even taken the last piece, nothing."""
        now = self._loop.time()
        if now - self._written_at >= self._keepalive_s and not self._over.done():
            if outlet.unsent():
                self._written_at = now
            else:
                self._write(self._encoder.keepalive)
        self._life_sign = self._loop.call_at(self._written_at + self._keepalive_s, self._keep_alive, outlet)

    def _settle(self) -> None:
        """After anything was fed or written: note the end, or set the timer for what is held back."""
        if self._outlet is None or self._timer is not None:
            return
        if self._encoder.is_closed:
            _set(self._over)
            return
        due = self._encoder.deadline()
        if due is not None:
            self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._outlet is not None and self._outlet.unsent():
            self._timer = self._loop.call_later(RETRY_UNSENT_S, self._tick)
            return
        piece = self._encoder.tick(self._loop.time())
        due = self._written_at + len(piece) / HELD_BYTES_PER_S
        self._timer = self._loop.call_at(due, self._write_held, piece)

    def _write_held(self, piece: bytes) -> None:
        self._timer = None
        self._write(piece)
        self._settle()

    def _write(self, data: bytes) -> None:
        if not data:
            return
        if self._outlet is None:
            self._before.append(data)
            return
        self._written_at = self._loop.time()
        self._outlet.write(data)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pause(self) -> None:
        self._is_paused = True
        if self._flow is not None:
            self._flow.pause()

    def _resume(self) -> None:
        self._is_paused = False
        if self._flow is not None:
            self._flow.resume()


class AsgiOutlet:
    """An outlet for servers that lend none: the start and the pieces are handed to `send` by a task."""

    def __init__(self, send: Send, start: Message) -> None:
        self._send = send
        self._start = start
        self._unsent = bytearray()
        self._size = 0
        self._is_full = False
        self._written = anyio.Event()
        self._idle = anyio.Event()

    def watch(
        self, pause: Callable[[], None], resume: Callable[[], None], leave: Callable[[], None], *, stall_s: float
    ) -> None:
        self._pause, self._resume, self._leave, self._stall_s = pause, resume, leave, stall_s

    def write(self, data: bytes) -> None:
        if self._idle.is_set():
            self._idle = anyio.Event()
        self._unsent += data
        self._size += len(data)
        self._written.set()
        if self._size > PIECE_BYTES and not self._is_full:
            self._is_full = True
            self._pause()

    def flush(self) -> None:
        """`pump` does."""

    def unsent(self) -> int:
        return self._size

    async def pump(self) -> None:
        """Send what is written, until cancelled; when the client stalls, it is taken to have left.

        ASGI has no word for dropping a client; leaving the response incomplete closes the connection.
        """
        message, size = self._start, 0
        while True:
            with anyio.move_on_after(self._stall_s) as waiting:
                await self._send(message)
            if waiting.cancelled_caught:
                self._leave()
                return
            self._sent(size)
            if not self._unsent:
                self._idle.set()
                self._written = anyio.Event()
                await self._written.wait()
            body = bytes(self._unsent[:PIECE_BYTES])
            del self._unsent[:PIECE_BYTES]
            message, size = {"type": "http.response.body", "body": body, "more_body": True}, len(body)

    async def drained(self) -> None:
        """Return when everything was handed over."""
        await self._idle.wait()

    def _sent(self, size: int) -> None:
        self._size -= size
        if self._is_full and self._size <= PIECE_BYTES:
            self._is_full = False
            self._resume()


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
