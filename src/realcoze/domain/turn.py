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


def _table() -> dict[Phase, dict[type[Event], Phase]]:
    table: dict[Phase, dict[type[Event], Phase]] = {phase: {} for phase in Phase}
    table[Phase.ASKED][TurnStarted] = Phase.STARTED
    for kind in get_args(Event):
        if kind is not TurnStarted:
            table[Phase.ASKED][kind] = table[Phase.STARTED][kind] = Phase.ENDED if kind in ENDS else Phase.STARTED
    return table


NEXT = _table()
"""Phase → event → phase.  An event that is missing is out of place."""


class TurnLife:
    """Follows one turn and tells which events belong to it."""

    def __init__(self, phase: Phase = Phase.ASKED) -> None:
        self.phase = phase
        self.dropped = 0
        """Events out of place so far; a defect of an upstream or of Coze, worth a line in the log."""

    def accepts(self, event: Event) -> bool:
        """Take the step that `event` is; False when it is out of place and must not be passed on."""
        phase = NEXT[self.phase].get(type(event))
        if phase is None:
            self.dropped += 1
            return False
        self.phase = phase
        return True
