"""From the blocks of an answer to what is done with its connection, step by step, with its fault; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from realcoze.emulator.fault import Fault
from realcoze.emulator.open_answer import Block


@dataclass(frozen=True, slots=True)
class Write:
    """One chunk; it goes out when the chat has come to so many blocks."""

    data: bytes
    due: int


@dataclass(frozen=True, slots=True)
class Rest:
    """Say nothing more, and leave the connection open."""


@dataclass(frozen=True, slots=True)
class End:
    """End the body as if it were whole."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection without the last chunk."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Abort the connection."""


@dataclass(frozen=True, slots=True)
class Trickle:
    """Byte by byte, with a pause before each, in seconds."""

    data: bytes
    pause_s: float


Step = Write | Rest | End | Cut | Reset | Trickle


def deliver(blocks: Sequence[Block], fault: Fault | None) -> Iterator[Step]:
    """The steps by which an answer goes out."""
    for place, block in enumerate(blocks, start=1):
        yield Write(block.data, place)
