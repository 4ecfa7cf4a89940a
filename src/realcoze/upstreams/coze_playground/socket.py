"""The one websocket of an account: opened when a turn needs it, kept alive, shared by all turns.

`run` is the only task that touches it and follows `link` step by step.  A push goes to the turn
that its push_uuid names and to no other; what belongs to no turn is dropped and counted.
"""

import asyncio
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

import anyio

from realcoze.dialects.coze_playground.access import socket_url
from realcoze.dialects.coze_playground.envelope import RETRY_AFTER_S
from realcoze.dialects.coze_playground.launch import Launch
from realcoze.dialects.coze_playground.push import decode_push
from realcoze.domain.ports import Sink
from realcoze.errors import Internal, Overloaded, RateLimited, RealcozeError, UpstreamDenied, UpstreamFailed
from realcoze.framing.frontier import HEARTBEAT, FrontierReader
from realcoze.transports.websocket import HandshakeRefused, WebSocket, open_websocket
from realcoze.upstreams.coze_playground.link import Due, Link, State
from realcoze.upstreams.coze_playground.session import Session
from realcoze.upstreams.coze_playground.settings import PlaygroundSettings
from realcoze.upstreams.coze_playground.turn import Turn
from realcoze.upstreams.standing import Standing

log = logging.getLogger(__name__)

DENIALS = frozenset({401, 403, 514})
"""Statuses of a handshake that say no to us; any other is a failure of something in between."""

TOO_MANY_CONNECTIONS = "1000040350"
"""Handshake-Autherrcode of a refusal that passes (docs/protocol/playground-2024.md §4.1)."""


class PushSocket:
    """Made by the upstream, which runs `run` for as long as it is open."""

    def __init__(self, settings: PlaygroundSettings, session: Session, standing: Standing, device_id: str) -> None:
        self._settings = settings
        self._session = session
        self._standing = standing
        self._device_id = device_id
        self._turns: dict[str, Turn] = {}
        self._link = Link(settings.heart, jitter=random.random)
        self._changed = anyio.Event()
        self._failure: RealcozeError | None = None
        """Why the last attempt to open it failed; None once one went well."""
        self._failures = 0
        self.strays = 0
        """Pushes that belonged to no turn, and payloads that were no push."""

    @property
    def turns_in_flight(self) -> int:
        return len(self._turns)

    @property
    def state(self) -> str:
        """For /health: idle, opening, open, waiting or closed."""
        return self._link.state.name.lower()

    @contextmanager
    def turn(self, push_uuid: str, sink: Sink, *, wants_suggestions: bool) -> Iterator[Turn]:
        """A turn that is known to the reader from now until the block is left."""
        turn = Turn(
            sink,
            self._settings.deadlines,
            wants_suggestions=wants_suggestions,
            losses=lambda: self._link.losses,
        )
        self._turns[push_uuid] = turn
        try:
            yield turn
        finally:
            del self._turns[push_uuid]
            turn.leave()

    async def ready(self) -> None:
        """Return when the socket is open.  Raises why it is not, after a bounded wait.

        A first attempt may take as long as its calls, and its failure is the turn's; a socket that
        was lost has `Deadlines.socket` to come back, however many attempts that takes.
        """
        if self._link.at(State.OPEN):
            return
        deadlines = self._settings.deadlines
        is_first = not self._link.is_coming_back and not self._link.at(State.WAITING)
        wait_s = deadlines.reply + deadlines.socket if is_first else deadlines.socket
        failures = self._failures
        self._link.wanted()
        self._wake()
        with anyio.move_on_after(wait_s):
            while not self._link.at(State.OPEN):
                if self._link.at(State.CLOSED):
                    raise _closing()
                if self._failure and self._failures > failures and (is_first or self._link.at(State.IDLE)):
                    raise copy(self._failure)
                await self._changed.wait()
            return
        raise self._absent(wait_s)

    async def run(self) -> None:
        """Follow the link until `close`; to be run in a task of its own."""
        while not self._link.at(State.CLOSED):
            if self._link.at(State.OPENING):
                await self._open()
            else:
                await self._pass_time()
                self._link.tick(anyio.current_time())

    def close(self) -> None:
        """Close it for good; turns in flight fail."""
        self._link.closed()
        self._fail_turns(_closing())
        self._wake()

    async def _open(self) -> None:
        """One attempt, and when it goes well the life of one socket."""
        try:
            self._standing.check(anyio.current_time())
            await self._attempt()
        except RealcozeError as error:
            self._note(error)
        except Exception:
            # Whatever is broken, the task that all turns depend on goes on.
            log.exception("a defect ended the websocket to Coze")
            self._note(Internal("Something here is broken; the log has the details."))
        if self._link.at(State.IDLE):
            at_once = UpstreamFailed("Coze closes every websocket at once.", code="upstream_protocol")
            self._fail_turns(self._failure or self._note(at_once))
        self._wake()

    async def _attempt(self) -> None:
        """One attempt; with cached launch data whose key is refused, a second one with fresh data."""
        cached = self._session.cached_launch()
        if cached is not None:
            try:
                return await self._live(cached)
            except HandshakeRefused as refused:
                error = _refusal(refused)
                if not isinstance(error, UpstreamDenied):
                    raise error from refused
                log.info("the access key made of cached launch data was refused; asking for fresh data")
                self._session.drop_launch()
        try:
            await self._live(await self._session.launch())
        except HandshakeRefused as refused:
            error = _refusal(refused)
            if isinstance(error, UpstreamDenied):
                self._session.drop_launch()
            raise error from refused

    async def _live(self, launch: Launch) -> None:
        """From the handshake to the end of one socket."""
        settings = self._settings
        url = socket_url(launch, self._device_id)
        proxy = settings.proxy if settings.ws_proxy is None else settings.ws_proxy
        connect_s, tls_s = settings.deadlines.connect, settings.deadlines.tls
        async with open_websocket(url, proxy=proxy, connect_s=connect_s, tls_s=tls_s) as socket:
            self._link.opened(anyio.current_time())
            self._failure = None
            self._wake()
            try:
                why = await self._read(socket)
            finally:
                # Before the close, which may take its time: no turn may begin on a socket that is gone.
                self._link.lost(anyio.current_time())
        log.info("the websocket to Coze was %s with %d turns in flight", why, len(self._turns))

    async def _read(self, socket: WebSocket) -> str:
        reader = FrontierReader()
        why = "silent"
        # Of the loop itself: anyio.current_time() asks which loop that is, at a tenth of a push's cost (2026-11-22).
        clock = asyncio.get_running_loop().time

        def on_message(message: bytes | str) -> None:
            now = clock()
            self._link.heard(now)
            for payload in reader.feed(message):
                self._push(payload.data, now)

        def on_sign() -> None:
            self._link.heard(clock())

        async def watch() -> None:
            await self._pass_time()
            while await self._keep_alive(socket):
                await self._pass_time()
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            why = await socket.read(on_message, on_sign)
            tasks.cancel_scope.cancel()
        return why

    async def _keep_alive(self, socket: WebSocket) -> bool:
        """Do what is due; False when the socket is to be given up."""
        due = self._link.tick(anyio.current_time())
        if due is Due.BEAT:
            try:
                await socket.send(HEARTBEAT)
            except RealcozeError:
                return False
        return due is not Due.DROP and not self._link.at(State.CLOSED)

    def _push(self, payload: bytes, now: float) -> None:
        push = decode_push(payload)
        turn = self._turns.get(push.push_uuid) if push else None
        if push is None or turn is None:
            self.strays += 1
            return
        turn.take(push, now)

    def _note(self, error: RealcozeError) -> RealcozeError:
        """An attempt failed; gives the error back."""
        now = anyio.current_time()
        self._failure = error
        self._failures += 1
        self._standing.note(error, now)
        if isinstance(error, UpstreamDenied):
            self._link.refused()
        else:
            self._link.failed(now)
        log.warning("no websocket to Coze: %s", error)
        return error

    def _absent(self, wait_s: float) -> RealcozeError:
        """Why there is no socket after all that waiting."""
        if self._failure is not None and not self._link.is_coming_back:
            return copy(self._failure)
        why = f": {self._failure.message}" if self._failure else "."
        return Overloaded(
            f"The websocket to Coze is not open after {wait_s:g} s{why}",
            code="socket_unavailable",
            hint=self._failure.hint if self._failure else None,
            retry_after_s=1,
        )

    def _fail_turns(self, error: RealcozeError) -> None:
        for turn in self._turns.values():
            turn.fail(copy(error))

    async def _pass_time(self) -> None:
        """Wait for the link's next deadline, or for somebody to change something."""
        deadline = self._link.deadline()
        with anyio.CancelScope(deadline=float("inf") if deadline is None else deadline):
            await self._changed.wait()

    def _wake(self) -> None:
        """Wake everybody who waits for a change; what follows is a new event."""
        self._changed.set()
        self._changed = anyio.Event()


def _closing() -> RealcozeError:
    return Overloaded(
        "The connection to Coze is being closed.", hint="The program is ending; ask again when it is back."
    )


def _refusal(refused: HandshakeRefused) -> RealcozeError:
    """The error that a refused handshake stands for (docs/protocol/playground-2024.md §4.1)."""
    reason = refused.headers.get("handshake-msg", "")[:100]
    said = f"Coze's websocket refused the connection: HTTP {refused.status}" + (f", {reason}." if reason else ".")
    if refused.headers.get("handshake-autherrcode") == TOO_MANY_CONNECTIONS:
        hint = "This device has too many sockets open."
        return RateLimited(said, code="too_many_connections", hint=hint, retry_after_s=RETRY_AFTER_S)
    if refused.status in DENIALS or "handshake-status" in refused.headers:
        return UpstreamDenied(
            said,
            code="upstream_forbidden",
            hint="The access key or the device was refused. Check the session, and start again in a minute.",
        )
    return UpstreamFailed(said, code="upstream_protocol", retryable=True)
