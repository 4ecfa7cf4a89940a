"""One turn in flight: pushes in, events out, and how long it may still wait."""

import logging
from collections.abc import Callable

import anyio

from realcoze.dialects.coze_playground.answer import AnswerDecoder
from realcoze.dialects.coze_playground.push import Push
from realcoze.domain.event import ENDS, Event
from realcoze.domain.ports import Sink
from realcoze.errors import Internal, RealcozeError, Truncated, UpstreamTimeout
from realcoze.upstreams.coze_playground.settings import Deadlines

log = logging.getLogger(__name__)

HELD_PUSHES = 64
"""Snapshots that a paused turn keeps, the newest of each message."""


class Turn:
    """Takes the pushes of one push_uuid and feeds its sink; it is the `Flow` of that sink.

    While paused it keeps only the newest snapshot of each message, which is all that a slow reader
    needs.  `losses` tells how often the socket was lost so far.
    """

    def __init__(self, sink: Sink, deadlines: Deadlines, *, wants_suggestions: bool, losses: Callable[[], int]) -> None:
        self._sink = sink
        self._deadlines = deadlines
        self._decoder = AnswerDecoder(wants_suggestions=wants_suggestions)
        self._losses = losses
        self._losses_at_push = losses()
        self._changed = anyio.Event()
        self._error: RealcozeError | None = None
        self._over = False
        self._pushed = False
        self._last_at = anyio.current_time()
        self._paused = False
        self._held: dict[tuple[int, str | int], Push] = {}
        sink.open(self)

    def take(self, push: Push, now: float) -> None:
        """A push has come."""
        self._pushed = True
        self._last_at = now
        self._losses_at_push = self._losses()
        if self._paused:
            self._hold(push)
        else:
            self._deliver(self._decoder.feed(push, now))

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        held = list(self._held.values())
        self._held.clear()
        for push in held:
            self._deliver(self._decoder.feed(push, anyio.current_time()))

    def fail(self, error: RealcozeError) -> None:
        """End the turn with an error, unless it is over already."""
        if not self._over:
            self._over = True
            self._error = error
            self._changed.set()

    async def wait(self) -> None:
        """Return when the turn has ended.  Raises its error, or `UpstreamTimeout`, or `Truncated`."""
        if not self._pushed:
            self._last_at = anyio.current_time()
        while not self._over:
            now = anyio.current_time()
            if self._decoder.deadline() is not None:
                self._deliver(self._decoder.tick(now))
            elif now >= self._deadline():
                raise self._too_late()
            with anyio.CancelScope(deadline=self._deadline()):
                await self._changed.wait()
                self._changed = anyio.Event()
        if self._error is not None:
            raise self._error

    def _deadline(self) -> float:
        due = self._decoder.deadline()
        if due is not None:
            return due
        if self._held:
            # The reader is slow, not Coze; how slow it may be is for its face to say.
            return anyio.current_time() + self._deadlines.idle
        return self._last_at + (self._deadlines.idle if self._pushed else self._deadlines.first_event)

    def _too_late(self) -> RealcozeError:
        if self._losses() > self._losses_at_push:
            return Truncated(
                "The websocket was lost, and what Coze pushed meanwhile did not come again.",
                code="push_lost",
                hint="Ask again; pushes that fall into such a gap cannot be recovered on this protocol.",
            )
        if self._pushed:
            return UpstreamTimeout(f"Coze has pushed nothing more for {self._deadlines.idle:g} s.")
        return UpstreamTimeout(f"Coze accepted the question and pushed nothing for {self._deadlines.first_event:g} s.")

    def _hold(self, push: Push) -> None:
        if push.message is None:
            return
        key = (push.message.reply_type, push.message.message_id)
        self._held.pop(key, None)
        if len(self._held) < HELD_PUSHES:
            self._held[key] = push

    def _deliver(self, events: list[Event]) -> None:
        if self._over:
            return
        try:
            for event in events:
                self._sink.feed(event)
                self._over = self._over or isinstance(event, ENDS)
        except Exception:
            # One turn's defect must not end the task that reads the socket for all of them.
            log.exception("a turn's events could not be delivered")
            self.fail(Internal("The answer could not be delivered."))
        if self._over or self._decoder.deadline() is not None:
            self._changed.set()
