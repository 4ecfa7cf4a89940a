"""What went over the wire, as the emulator saw it: for the demo, and for tests to count."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "launch", "update", "execute", "socket", "frame", "heartbeat", "upload", "lost", "closed", "call", "event", "left"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class WireNote:
    """One thing that happened; `detail` is for people, `size` in bytes, `push_uuid` where it has one.

    Of the open API there are `call`, `event` (of a stream) and `left` (a stream that its reader closed); their
    `push_uuid` is the id of the chat.
    """

    kind: Kind
    detail: str = ""
    size: int = 0
    push_uuid: str = ""


Listener = Callable[[WireNote], None]


def ignore(note: WireNote) -> None:
    """The listener of those who do not listen."""
