"""One turn in flight: pushes in, events out, and how long it may still wait."""

import logging
import math
from collections.abc import Callable
from functools import partial

import anyio

from realcoze.dialects.coze_playground.answer import AnswerDecoder
from realcoze.dialects.coze_playground.push import ANSWER, Push
from realcoze.domain.event import ENDS, Event
from realcoze.domain.ports import Sink
from realcoze.errors import Internal, RealcozeError, Truncated, UpstreamTimeout
from realcoze.framing.limits import STREAM_BYTES
from realcoze.upstreams.coze_playground.settings import Deadlines

log = logging.getLogger(__name__)

HELD_PUSHES = 64
"""Pushes that a paused turn keeps, `STREAM_BYTES` in all; beyond either the oldest step is let go."""

_Key = tuple[int, str | int | None, str | None]


class Turn:
    """Takes the pushes of one push_uuid and feeds its sink; it is the `Flow` of that sink.

    While paused it keeps only the newest snapshot of each message and the messages that are finished,
    which is all that a slow reader needs.  `losses` tells how often the socket was lost so far.
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
        self._held: dict[_Key, Push] = {}
        sink.open(self)

    def take(self, push: Push, now: float) -> None:
        """A push has come."""
        if not self._pushed:
            # From now on it is the idle time that counts, and that may be shorter.
            self._pushed = True
            self._changed.set()
        self._last_at = now
        self._losses_at_push = self._losses()
        if self._paused:
            self._hold(push)
        else:
            self._deliver(partial(self._decoder.feed, push, now))

    @property
    def is_answered(self) -> bool:
        """Pushes have come for it."""
        return self._pushed

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        """Feed what was held back, until the sink pauses again."""
        self._paused = False
        if not self._held:
            return
        while self._held and not self._paused:
            push = self._held.pop(next(iter(self._held)))
            self._deliver(partial(self._decoder.feed, push, anyio.current_time()))
        self._changed.set()

    def leave(self) -> None:
        """Nobody listens any more: what is held back is dropped."""
        self._over = True
        self._held.clear()

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
            self._losses_at_push = self._losses()
        while not self._over:
            if anyio.current_time() >= self._deadline():
                self._come_due()
            with anyio.CancelScope(deadline=self._deadline()):
                await self._changed.wait()
                self._changed = anyio.Event()
        if self._error is not None:
            raise self._error

    def _deadline(self) -> float:
        if self._held:
            # The reader is slow, not Coze; how slow it may be is for its face to say.
            return math.inf
        due = self._decoder.deadline()
        if due is not None:
            return due
        return self._last_at + (self._deadlines.idle if self._pushed else self._deadlines.first_event)

    def _come_due(self) -> None:
        if self._decoder.deadline() is None:
            raise self._too_late()
        self._deliver(partial(self._decoder.tick, anyio.current_time()))

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
        message = push.message
        if message is None:
            return
        # A snapshot stands for those before it; what is finished stands for itself, and no snapshot
        # that comes after it, out of order, may take its place.
        finished = message.content or "" if str(message.ext.is_finish) == "1" else None
        self._held.pop((message.reply_type, message.message_id, None), None)
        self._held[message.reply_type, message.message_id, finished] = push
        while not self._over and (len(self._held) > HELD_PUSHES or self._held_characters() > STREAM_BYTES):
            self._let_go()

    def _held_characters(self) -> int:
        return sum(len(push.message.content or "") for push in self._held.values() if push.message is not None)

    def _let_go(self) -> None:
        oldest_step = next((key for key in self._held if key[0] != ANSWER), None)
        if oldest_step is None:
            self.fail(Truncated("The answer is more than can be kept for a reader this slow."))
        else:
            del self._held[oldest_step]

    def _deliver(self, decode: Callable[[], list[Event]]) -> None:
        if self._over:
            return
        try:
            for event in decode():
                self._sink.feed(event)
                self._over = self._over or isinstance(event, ENDS)
        except RealcozeError as error:
            self.fail(error)
        except Exception:
            # One turn's defect must not end the task that reads the socket for all of them.
            log.exception("a turn's events could not be delivered")
            self.fail(Internal("The answer could not be delivered."))
        if self._over or self._decoder.deadline() is not None:
            self._changed.set()
