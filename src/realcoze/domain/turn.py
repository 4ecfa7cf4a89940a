"""The life of a turn as a table: what may follow what, and that it ends exactly once.

ASKED ──TurnStarted──► STARTED ──content──► STARTED
└──────content──────────┘
ASKED, STARTED ──an end──► ENDED ──anything──► (dropped)
"""

from enum import IntEnum, auto
from typing import get_args

from realcoze.domain.event import ENDS, Event, TurnStarted


class Phase(IntEnum):
    ASKED = auto()
    STARTED = auto()
    ENDED = auto()


def _table() -> dict[tuple[Phase, type[Event]], Phase]:
    table: dict[tuple[Phase, type[Event]], Phase] = {(Phase.ASKED, TurnStarted): Phase.STARTED}
    for kind in get_args(Event):
        if kind is TurnStarted:
            continue
        after = Phase.ENDED if kind in ENDS else Phase.STARTED
        table[Phase.ASKED, kind] = table[Phase.STARTED, kind] = after
    return table


NEXT = _table()
"""Phase and event → phase.  A pair that is missing is an event out of place."""


class TurnLife:
    """Follows one turn and tells which events belong to it."""

    def __init__(self) -> None:
        self.phase = Phase.ASKED
        self.dropped = 0
        """Events out of place so far; a defect of an upstream or of Coze, worth a line in the log."""

    def accepts(self, event: Event) -> bool:
        """Take the step that `event` is; False when it is out of place and must not be passed on."""
        phase = NEXT.get((self.phase, type(event)))
        if phase is None:
            self.dropped += 1
            return False
        self.phase = phase
        return True
