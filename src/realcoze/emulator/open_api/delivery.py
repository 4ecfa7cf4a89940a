"""From the blocks of an answer to what is done with its connection, step by step, with its fault; pure.

Most faults need no more than other blocks, which is `open_disorder`'s; those of the connection are here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from realcoze.dialects.coze_open.template import DELTA
from realcoze.dialects.coze_open.workflow_stream import MESSAGE
from realcoze.emulator.fault import Fault
from realcoze.emulator.open_api.answer import Block
from realcoze.emulator.open_api.disorder import disordered
from realcoze.emulator.open_api.fault import number, seconds

TRICKLE_S = 10.0


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
class Garble:
    """Put bytes on the connection that are no chunk, and close it."""


@dataclass(frozen=True, slots=True)
class Trickle:
    """Byte by byte, with a pause before each, in seconds."""

    data: bytes
    pause_s: float


Step = Write | Rest | End | Cut | Reset | Garble | Trickle

_STOPS: dict[str, Step] = {"eof": End(), "cut": Cut(), "reset": Reset(), "deaf": Rest(), "garbage": Garble()}
_HALVES: dict[str, Step] = {"torn": End(), "half": Rest()}


def deliver(blocks: Sequence[Block], fault: Fault | None) -> Iterator[Step]:
    """The steps by which an answer goes out."""
    if fault is None:
        yield from _writes(blocks)
        return
    at = place_of(blocks, fault.after)
    if fault.name in _STOPS:
        yield from _first_bytes(blocks, number(fault, 0)) if fault.value else _writes(blocks[:at])
        yield _STOPS[fault.name]
    elif fault.name in _HALVES:
        yield from _writes(blocks[:at])
        yield Write(blocks[at].data[: len(blocks[at].data) // 2], at + 1)
        yield _HALVES[fault.name]
    elif fault.name == "trickle":
        yield from _writes(blocks[:at])
        yield Trickle(b"".join(block.data for block in blocks[at:]), seconds(fault, TRICKLE_S))
    elif fault.name == "bytes":
        for place, block in enumerate(blocks, start=1):
            yield from (Write(bytes([byte]), place) for byte in block.data)
    else:
        yield from (Write(data, due) for data, due in disordered(blocks, at, fault))


def place_of(blocks: Sequence[Block], after: int) -> int:
    """Where the delta stands that so many go before; where there are less, the last delta or the last block.

    Of a workflow each message counts as one.
    """
    deltas = [place for place, block in enumerate(blocks) if block.name in (DELTA, MESSAGE)]
    return deltas[min(after, len(deltas) - 1)] if deltas else len(blocks) - 1


def _writes(blocks: Sequence[Block]) -> Iterator[Step]:
    for place, block in enumerate(blocks, start=1):
        yield Write(block.data, place)


def _first_bytes(blocks: Sequence[Block], count: int) -> Iterator[Step]:
    """So much of the stream, wherever that ends."""
    for place, block in enumerate(blocks, start=1):
        if count > 0:
            yield Write(block.data[:count], place)
        count -= len(block.data)
