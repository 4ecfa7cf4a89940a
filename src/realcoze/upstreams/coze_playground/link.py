"""The life of the websocket as a table; no socket, no clock in it.

    IDLE ──wanted──► OPENING ──opened──► OPEN
     ▲                │    ▲              │
     │◄───refused─────┤    └──due── WAITING ◄──lost, silent──┘
     │                └──failed──────►│
     │◄──────────exhausted────────────┘          any ──closed──► CLOSED (final)

The socket says `hi` when it opens and every `beat` seconds; when nothing at all was heard for `silence` seconds it is
dead, though no close came (docs/protocol/playground-2024.md §4.2).  Attempts are spaced by full
jitter: anything between nothing and a limit that doubles.
"""

from collections.abc import Callable
from enum import Enum, auto

from realcoze.upstreams.coze_playground.settings import Heart


class State(Enum):
    IDLE = auto()
    OPENING = auto()
    OPEN = auto()
    WAITING = auto()
    CLOSED = auto()


class Input(Enum):
    WANTED = auto()
    OPENED = auto()
    FAILED = auto()
    REFUSED = auto()
    LOST = auto()
    DUE = auto()
    EXHAUSTED = auto()
    CLOSED = auto()


class Due(Enum):
    """What `tick` found to be due."""

    NOTHING = auto()
    OPEN = auto()
    BEAT = auto()
    DROP = auto()
    """The socket is dead: drop it and report it as lost."""


NEXT: dict[tuple[State, Input], State] = {
    (State.IDLE, Input.WANTED): State.OPENING,
    (State.OPENING, Input.OPENED): State.OPEN,
    (State.OPENING, Input.FAILED): State.WAITING,
    (State.OPENING, Input.REFUSED): State.IDLE,
    (State.OPEN, Input.LOST): State.WAITING,
    (State.WAITING, Input.DUE): State.OPENING,
    (State.WAITING, Input.EXHAUSTED): State.IDLE,
    **{(state, Input.CLOSED): State.CLOSED for state in State},
}
"""State and input → state.  An input that is missing for a state changes nothing."""


class Link:
    """Follows one socket.  Times are in seconds; `jitter` gives numbers from 0 up to 1."""

    def __init__(self, heart: Heart, *, jitter: Callable[[], float]) -> None:
        self._heart = heart
        self._jitter = jitter
        self.state = State.IDLE
        self.losses = 0
        """How often an open socket was lost."""
        self.is_coming_back = False
        """It was open, was lost, and is being opened again."""
        self._failures = 0
        self._due_at = 0.0
        self._heard_at = 0.0
        self._has_heard = False
        self._beat_at = 0.0

    def at(self, state: State) -> bool:
        """Whether the link is in this state now."""
        return self.state is state

    def wanted(self) -> None:
        """A turn needs the socket."""
        self._go(Input.WANTED)

    def opened(self, now: float) -> None:
        """The handshake went through."""
        if self._go(Input.OPENED):
            self.is_coming_back = False
            self._has_heard = False
            self._heard_at = self._beat_at = now

    def failed(self, now: float) -> None:
        """An attempt failed in a way that may pass."""
        if self._go(Input.FAILED):
            self._fall_back(now)

    def refused(self) -> None:
        """An attempt failed in a way that will not pass by itself."""
        self._go(Input.REFUSED)

    def lost(self, now: float) -> None:
        """An open socket is gone."""
        if self._go(Input.LOST):
            self.losses += 1
            self.is_coming_back = True
            if self._has_heard:
                self._failures = 0
                self._back_off(now)
            else:
                self._fall_back(now)

    def heard(self, now: float) -> None:
        """Anything came from the other side."""
        self._heard_at = now
        self._has_heard = True

    def closed(self) -> None:
        """We close it: final."""
        self._go(Input.CLOSED)

    def deadline(self) -> float | None:
        """When `tick` must be called next; None while nothing is timed."""
        if self.state is State.WAITING:
            return self._due_at
        if self.state is State.OPEN:
            return min(self._beat_at, self._heard_at + self._heart.silence)
        return None

    def tick(self, now: float) -> Due:
        """What is due now."""
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return Due.NOTHING
        if self.state is State.WAITING:
            self._go(Input.DUE)
            return Due.OPEN
        if now >= self._heard_at + self._heart.silence:
            return Due.DROP
        self._beat_at = now + self._heart.beat
        return Due.BEAT

    def _go(self, what: Input) -> bool:
        after = NEXT.get((self.state, what))
        if after is None:
            return False
        self.state = after
        if after is State.IDLE:
            self.is_coming_back = False
        return True

    def _fall_back(self, now: float) -> None:
        """One more attempt came to nothing; a socket that never said anything is no better."""
        self._failures += 1
        self._back_off(now)
        if self._failures > self._heart.retries:
            self._go(Input.EXHAUSTED)
            self._failures = 0

    def _back_off(self, now: float) -> None:
        limit = min(self._heart.backoff * 2.0 ** min(self._failures, 64), self._heart.backoff_max)
        self._due_at = now + limit * self._jitter()
