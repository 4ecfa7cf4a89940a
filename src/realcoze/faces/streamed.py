"""Answers that are streamed: events go through an encoder straight to the connection.

Nothing is awaited for a token: the turn runs in the task of its request, and status, pieces, keepalives and
the end are written by callbacks to an outlet (outlet.py).
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from realcoze.dialects.deltas import WritesShortcut
from realcoze.domain.event import ENDS, Event, Piece, TurnFailed, TurnStarted, Unknown, Usage
from realcoze.domain.ports import Flow, Sink
from realcoze.domain.shortcut import HasShortcut, Shortcut
from realcoze.errors import RealcozeError
from realcoze.faces.http import ADDED_HEADERS, while_connected
from realcoze.faces.outlet import OUTLET, AsgiOutlet, Outlet
from realcoze.leaving import Leaving

log = logging.getLogger(__name__)

_UNBUFFERED = [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
"""Nothing on the way may keep a stream, or gather it first."""

RETRY_UNSENT_S = 0.02
"""How soon to look again whether the connection took what was written."""

HELD_BYTES_PER_S = 96 << 10
"""How fast goes out what an encoder held back, each piece after a rest in proportion to its size.

Such a piece is for a reader that looks at whatever arrives at once and takes nothing else for whole.
While the reader is still busy with something before it, the system hands it a piece above 32 KiB in
two halves, and two pieces above 64 KiB in one (Linux 6.18, Node 20, 2026-11).
"""

_NO_CONTENT = (TurnStarted, Usage, Unknown)
"""Whatever a dialect says of them, it is no answer yet."""


class Encoder(Protocol):
    """What every streaming encoder of a dialect offers to a face."""

    content_type: str
    keepalive: bytes
    is_closed: bool
    has_failed: bool

    def feed(self, event: Event) -> bytes: ...


class HoldingEncoder(Encoder, Protocol):
    """One that holds back what it is fed, and gives it piece by piece as time goes by."""

    def deadline(self) -> float | None: ...
    def tick(self, now: float) -> bytes: ...


E_co = TypeVar("E_co", bound=Encoder, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTimes:
    """Seconds.  `gate`: how long the status waits for the first content; `stall`: how long a client
    may not read.
    """

    gate: float = 5.0
    keepalive: float = 10.0
    stall: float = 30.0


class StreamedAnswer(HasShortcut, Generic[E_co]):
    """One turn, streamed as the response to one request: an application of ASGI.

    Until the first content, which is what the dialect has a word for, the status is not sent, so that
    an error before it still has its own status; after `times.gate` the headers go out anyway.  A turn
    that fails later ends without the last chunk, so that no client takes it for a whole answer; where
    the events of a dialect say so themselves, its encoder has not failed, and the stream ends well.
    A turn that its encoder cannot tell on is given up.
    """

    __slots__ = (
        "_before", "_encoder", "_flow", "_gate_s", "_give_up", "_has_end", "_headers",
        "_is_committed", "_is_over", "_is_paused", "_keepalive_s", "_line", "_looks_at", "_loop", "_outlet",
        "_refusal", "_refuse", "_relay", "_said", "_stall_s", "_watch",
    )  # fmt: skip

    def __init__(
        self,
        *,
        relay: Callable[[Sink], Coroutine[object, object, None]],
        encoder: E_co,
        refuse: Callable[[RealcozeError], Response],
        headers: dict[str, str],
        times: StreamTimes,
    ) -> None:
        told = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self._headers = [*told, (b"content-type", encoder.content_type.encode()), *_UNBUFFERED]
        self._relay = relay
        self._encoder = encoder
        self._refuse = refuse
        self._gate_s, self._keepalive_s, self._stall_s = times.gate, times.keepalive, times.stall
        self._loop = asyncio.get_running_loop()
        self._flow: Flow | None = None
        self._give_up: Callable[[], None] | None = None
        self._outlet: Outlet | None = None
        self._line: Outlet | None = None
        """The same, from the status on."""
        self._before: list[bytes] = []
        self._refusal: RealcozeError | None = None
        self._is_committed = False
        self._is_paused = False
        self._has_end = False
        """The event that ends the turn has come, and there is nothing to give up."""
        self._is_over = False
        # A future: the queue in each asyncio.Event holds 700 bytes while nothing waits (2026-11-22).
        self._said: asyncio.Future[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._looks_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        lent: Outlet | None = scope.get("extensions", {}).get(OUTLET)
        try:
            if lent is None:
                await self._answer_by_pieces(receive, send)
            else:
                self._headers += scope.get(ADDED_HEADERS, [])
                with Leaving() as leaving:
                    await self._answer(lent, leave=leaving.leave, give_up=leaving.leave)
        finally:
            self._outlet = self._line = self._give_up = None  # they hold each other
            self._clear_timers()
        refusal, self._refusal = self._refusal, None  # it was raised, and holds who fed it
        if refusal is not None:
            await self._refuse(refusal)(scope, receive, send)

    def open(self, flow: Flow) -> None:
        self._flow = flow
        if self._is_paused:
            flow.pause()

    def feed(self, event: Event) -> None:
        if self._is_over:
            return
        if isinstance(event, TurnFailed) and not self._is_committed:
            self._refusal = event.error
            self._clear_timers()
            return
        if isinstance(event, ENDS):
            self._has_end = True
        encoder = self._encoder
        try:
            data = encoder.feed(event)
        except Exception:
            if isinstance(event, TurnFailed) and self._line is not None:  # else that comes now
                self._end(self._line, is_whole=False)
            raise
        if data:
            if self._line is None:
                self._before.append(data)
            else:
                self._line.write(data)
        if not self._is_committed and not isinstance(event, _NO_CONTENT) and (data or self._holds()):
            self._begin()
        if encoder.is_closed:
            self._settle()

    def shortcut(self, like: Piece) -> Shortcut | None:
        """See `HasShortcut`: from the status on."""
        encoder: Encoder = self._encoder
        if self._line is None or not isinstance(encoder, WritesShortcut):
            return None
        return encoder.shortcut(like, self._line.write)

    def _holds(self) -> bool:
        """There is something to be said, later."""
        return False

    async def _answer_by_pieces(self, receive: Receive, send: Send) -> None:
        async with while_connected(receive) as tasks:
            outlet = AsgiOutlet(send)
            tasks.start_soon(outlet.pump)
            with Leaving() as leaving:
                await self._answer(outlet, leave=tasks.cancel_scope.cancel, give_up=leaving.leave)
            if self._refusal is None:
                await outlet.is_done.wait()

    async def _answer(self, outlet: Outlet, *, leave: Callable[[], None], give_up: Callable[[], None]) -> None:
        """Run the turn, until everything is said; `leave` is for a client that is gone, `give_up` for its turn."""
        self._give_up = give_up
        outlet.watch(self._pause, self._resume, leave, stall_s=self._stall_s)
        self._outlet = outlet
        self._look_at(self._loop.time() + self._gate_s)
        await self._relay(self)
        if self._refusal is None and not self._is_over:
            self._said = self._loop.create_future()
            await self._said

    def _begin(self) -> None:
        """Send the status and what is there, because content comes or nothing came for so long."""
        if self._is_committed or self._outlet is None:
            return
        self._is_committed = True
        line = self._line = self._outlet
        line.begin(self._headers)
        for piece in self._before:
            line.write(piece)
        self._before.clear()
        due = self._loop.time() + self._keepalive_s
        if self._encoder.keepalive and due < self._looks_at:
            self._look_at(due)
        self._settle()

    def _end(self, outlet: Outlet, *, is_whole: bool) -> None:
        """What is not whole goes without the last chunk, and the server closes the connection."""
        self._is_over = True
        self._clear_timers()
        outlet.end(is_whole=is_whole)
        if self._said is not None and not self._said.done():
            self._said.set_result(None)
        if not self._has_end and self._give_up is not None:
            self._give_up()

    def _look_at(self, due: float) -> None:
        """Look then what time has brought; what is due later than that is looked for when it comes."""
        if self._watch is not None:
            self._watch.cancel()
        self._looks_at = due
        self._watch = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        """Begin, as nothing came for so long, or say that the bot is still at it."""
        self._begin()
        line = self._line
        if line is not None and not self._is_over and self._encoder.keepalive:
            now = self._loop.time()
            due = line.written_at + self._keepalive_s
            if due <= now:
                due = now + self._keepalive_s
                if not line.unsent():  # who has not even taken the last piece is told nothing
                    line.write(self._encoder.keepalive)
            self._look_at(due)

    def _settle(self) -> None:
        """End the response if everything was said."""
        if self._encoder.is_closed and self._line is not None and not self._is_over:
            self._end(self._line, is_whole=not self._encoder.has_failed)

    def _clear_timers(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _pause(self) -> None:
        self._is_paused = True
        if self._flow is not None:
            self._flow.pause()

    def _resume(self) -> None:
        self._is_paused = False
        if self._flow is not None:
            self._flow.resume()


class HeldAnswer(StreamedAnswer[HoldingEncoder]):
    """An answer of which the encoder holds back what its client could not yet take."""

    _timer: asyncio.TimerHandle | None = None
    """For what is held back."""

    def feed(self, event: Event) -> None:
        super().feed(event)
        self._settle()

    def shortcut(self, like: Piece) -> Shortcut | None:  # noqa: ARG002 - of no text
        """None: what is held back needs the events."""
        return None

    def _holds(self) -> bool:
        return self._encoder.deadline() is not None

    def _settle(self) -> None:
        """After anything was fed or written: note the end, or set the timer for what is held back."""
        if self._timer is not None or self._line is None or self._is_over:
            return
        super()._settle()
        due = self._encoder.deadline()
        if due is not None:
            self._timer = self._loop.call_at(due, self._tick)

    def _clear_timers(self) -> None:
        super()._clear_timers()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        line, self._timer = self._line, None
        if line is None:
            return
        if line.unsent():
            self._timer = self._loop.call_later(RETRY_UNSENT_S, self._tick)
            return
        try:
            piece = self._encoder.tick(self._loop.time())
        except Exception:
            log.exception("a defect ended a stream")
            self._end(line, is_whole=False)
            return
        self._timer = self._loop.call_at(line.written_at + len(piece) / HELD_BYTES_PER_S, self._write_held, piece)

    def _write_held(self, piece: bytes) -> None:
        self._timer = None
        if piece and self._line is not None:
            self._line.write(piece)
        self._settle()
