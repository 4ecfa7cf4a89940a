"""One attempt at a turn: the bytes of its answer in, events out, and how long it may still wait."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from realcoze.dialects.coze_open.envelope import logid_of, raise_refusal
from realcoze.dialects.coze_open.objects import Chat, Message
from realcoze.dialects.coze_open.stream import ChatStreamDecoder, Told
from realcoze.dialects.coze_open.template import DeltaTemplate
from realcoze.domain.event import ENDS, Event, InputRequested, ToolCallsRequested, TurnFailed, TurnStarted
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.ports import Sink
from realcoze.domain.shortcut import enter
from realcoze.errors import RealcozeError, UpstreamFailed, UpstreamTimeout
from realcoze.transports.pushed import Valve
from realcoze.upstreams.coze_open.asking import Asking
from realcoze.upstreams.coze_open.settings import Deadlines

REFUSAL_BYTES = 64 << 10
"""How much of an answer that is no stream is read."""


DRAIN_S = 0.5
"""After the last event, for the answer to end, so that its connection can be used again."""


READ_S = 0.001
"""Long enough for the loop to look at its sockets once, should the process have stood still."""

_WAITS = (ToolCallsRequested, InputRequested)


class Turn:
    """Takes an answer as it arrives and feeds the sink; a failure is never fed, but raised by `finish`."""

    __slots__ = (
        "_beats", "_chat", "_deadlines", "_decoder", "_error", "_first_s", "_give_up", "_has_event", "_idle_s",
        "_is_complete", "_is_draining", "_last_at", "_likely", "_logid", "_looks_at", "_loop", "_note",
        "_on_started", "_refusal", "_sink", "_take", "_timer", "_valve", "_waits", "asking", "has_ended_at_coze",
        "is_over",
    )  # fmt: skip

    def __init__(
        self,
        asking: Asking,
        sink: Sink,
        valve: Valve,
        deadlines: Deadlines,
        on_started: Callable[[ConversationId], None],
    ) -> None:
        self.asking = asking
        self._sink = sink
        self._valve = valve
        self._deadlines = deadlines
        self._on_started = on_started
        self._first_s = deadlines.workflow_idle if asking.may_be_silent else deadlines.first_event
        self._idle_s = deadlines.workflow_idle if asking.may_be_silent else deadlines.idle
        self._decoder = asking.new_decoder()
        self._chat = self._decoder if isinstance(self._decoder, ChatStreamDecoder) else None
        self._likely: DeltaTemplate | None = None
        """Reads text that comes alone."""
        self._take: Callable[[str], None] | None = None
        """Who takes such text, from the first piece to the next event."""
        self._note: Callable[[], None] = _nothing
        self._refusal: tuple[int, Mapping[str, str], bytearray] | None = None
        self._logid: str | None = None
        self._error: RealcozeError | None = None
        # Of the loop itself: anyio.current_time() asks which loop that is, at a tenth of a token's cost (2026-11-22).
        self._loop = asyncio.get_running_loop()
        self._last_at = self._loop.time()
        self._beats = 0
        self._has_event = False
        self._waits = False
        self._is_complete = False
        self._is_draining = False
        self._timer: asyncio.Handle | None = None
        self._looks_at = 0.0
        self._give_up: Callable[[], None] = _nothing
        self.has_ended_at_coze = False
        """Coze has said that the chat has ended, or is not there: there is nothing to stop."""
        self.is_over = False
        """The sink has had the event that ends the turn, or Coze said that it failed."""

    @property
    def chat_id(self) -> ChatId:
        """Coze's name of the turn; empty until it told it."""
        return self._decoder.chat_id

    @property
    def conversation_id(self) -> ConversationId:
        return self._decoder.conversation_id

    @property
    def has_chat(self) -> bool:
        """Coze has spoken of a chat: it is being executed, and must not be asked for again."""
        return self._decoder.has_chat

    @property
    def can_be_stopped(self) -> bool:
        """Coze keeps it, under a name that we know."""
        return self.asking.is_kept and bool(self.chat_id)

    @property
    def can_recover(self) -> bool:
        """Coze can be asked for what its stream did not tell; sound is in no list of messages."""
        is_text = self._chat is not None and not self._chat.has_sound
        return is_text and self.can_be_stopped and self.asking.can_recover

    @property
    def told(self) -> Told | None:
        """What it has told of a chat that waits now, for the turn that goes on with it."""
        return self._chat.told if self._waits and self._chat is not None else None

    @property
    def debug_url(self) -> str:
        """Where a run can be looked at, for the log."""
        return self._decoder.debug_url

    @property
    def strays(self) -> int:
        """Events out of place."""
        return self._decoder.strays

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """The status and the headers of the answer, in lower case."""
        self._logid = logid_of(headers)
        encoding = headers.get("content-encoding", "identity")
        if status != 200 or "event-stream" not in headers.get("content-type", ""):
            self._refusal = (status, headers, bytearray())
        elif encoding != "identity":
            raise UpstreamFailed(f"Coze compressed its answer ({encoding[:20]}).", code="upstream_protocol")

    def bytes(self, chunk: bytes) -> None:
        """More of the body.  Raises what Coze says went wrong as soon as it says so."""
        if self._likely is not None and (text := self._likely.read_one(chunk)) is not None:  # nearly always
            self._last_at = self._loop.time()
            if self._take is None:
                self._take, self._note = enter(self._sink, self._likely.sample, self._likely.pieces)
            self._take(text)
            return
        self._end_text()
        if self._refusal is not None:
            body = self._refusal[2]
            body += chunk[: REFUSAL_BYTES - len(body)]
            return
        decoder = self._decoder
        events = decoder.feed(chunk)
        if events or decoder.beats > self._beats:
            self._last_at = self._loop.time()
            self._beats = decoder.beats
        self._feed(events)
        del events  # one may hold the failure that is raised below, and so this frame
        if self._chat is not None:
            self._likely = self._chat.likely
        if decoder.is_complete:
            self._near_the_end()

    def _end_text(self) -> None:
        """Anything may come now, after text that came alone."""
        if self._take is not None:
            self._note()
            self._take, self._note = None, _nothing

    def _near_the_end(self) -> None:
        """Nothing more is to come that matters but the event that ends the turn, or it has come."""
        if not self._is_complete or (self.is_over and not self._is_draining):
            self._is_complete, self._is_draining = True, self.is_over
            self._last_at = self._loop.time()
            self._turn()
        if self.is_over:
            self.raise_failure()
            # Nothing is left to hold back: a sink that is full now need not be waited for.
            self._valve.resume()

    def finish(self) -> None:
        """The answer ended well, as HTTP goes.  Raises the turn's error."""
        if self._refusal is not None:
            status, headers, body = self._refusal
            raise_refusal(status, headers, bytes(body))
            raise UpstreamFailed("Coze answered with no stream.", code="upstream_protocol", logid=self._logid)
        self._end_text()
        if not self.is_over:
            self._feed(self._decoder.finish())
        self.raise_failure()

    def raise_failure(self) -> None:
        """Raise what Coze said went wrong, if it did."""
        if self._error is not None:
            raise self._named(self._error)

    def let_go(self) -> None:
        """Hold the failure no longer: it was raised, and holds this."""
        self._error = None

    def complete(self) -> bool:
        """End the turn if Coze has said that it is complete, though the stream goes on."""
        self._end_text()
        if not self.is_over and self._decoder.is_complete:
            self._feed(self._decoder.finish())
        return self.is_over

    def recover(self, chat: Chat, messages: Sequence[Message]) -> None:
        """End the turn with what its stream did not tell.  Raises what Coze says went wrong, and `Truncated`."""
        self._end_text()
        self._feed(self._chat.recover(chat, messages) if self._chat is not None else [])
        self.raise_failure()

    def watch(self, give_up: Callable[[], None]) -> None:
        """Call `give_up` when the turn has waited for too long, until `unwatch`."""
        self._give_up = give_up
        self._look()

    def unwatch(self) -> None:
        """Wait as long as it takes."""
        self._give_up = _nothing
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def too_late(self) -> UpstreamTimeout:
        """The error of a turn that `watch` gave up."""
        if self._has_event:
            said = f"Coze has sent nothing more for {self._idle_s:g} s."
        else:
            said = f"Coze has sent nothing for {self._first_s:g} s."
        return UpstreamTimeout(said, logid=self._logid)

    def _due_at(self) -> float:
        if not self._valve.is_open:
            # The reader is slow, not Coze; how slow it may be is for its face to say.
            return self._loop.time() + self._idle_s
        if self._decoder.is_complete:
            return self._last_at + (DRAIN_S if self.is_over else self._deadlines.tail)
        return self._last_at + (self._idle_s if self._has_event else self._first_s)

    def _feed(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, TurnFailed):
                self._error = event.error
                self.is_over = True
                return
            self._has_event = True
            if isinstance(event, TurnStarted):
                self._on_started(event.conversation_id)
            self.is_over = isinstance(event, ENDS)
            self._waits = isinstance(event, _WAITS)
            self._sink.feed(event)

    def _turn(self) -> None:
        """Another deadline counts from now on, which may be sooner than the one before."""
        if self._timer is not None and self._due_at() < self._looks_at:
            self._timer.cancel()
            self._look()

    def _look(self) -> None:
        """Look again when it is due; if that is now, when what has arrived meanwhile was read.

        Not later than `idle_s` from now: the first event makes that the deadline, and need not set another timer.
        """
        due, now = self._due_at(), self._loop.time()
        if due <= now:
            self._looks_at = now + READ_S
            self._timer = self._loop.call_at(self._looks_at, self._decide)
        else:
            self._looks_at = min(due, now + self._idle_s)
            self._timer = self._loop.call_at(self._looks_at, self._look)

    def _decide(self) -> None:
        self._timer = None
        if self._due_at() <= self._loop.time():
            self._give_up()
        else:
            self._look()

    def _named(self, error: RealcozeError) -> RealcozeError:
        error.logid = error.logid or self._logid
        return error


def _nothing() -> None:
    """For a turn that nobody watches."""
