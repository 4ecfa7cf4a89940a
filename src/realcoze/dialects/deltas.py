"""Deltas of a dialect that differ in nothing but their text: what stands around it is written once."""

from collections.abc import Callable

import msgspec

from realcoze.dialects.json_text import on_one_line
from realcoze.domain.event import Piece
from realcoze.domain.shortcut import Shortcut

DELTA_CHARACTERS = 2_400
"""In one delta at most: a line stays below 16 KiB, which every client's reader takes, even if each character of it and
of a model's name is an escape of six bytes.  `x_coze` alone is not split: who asks for it reads longer lines."""

_encode = msgspec.json.Encoder().encode


class WritesShortcut:
    """The base of encoders that may have a shortcut."""

    __slots__ = ()

    def shortcut(self, like: Piece, write: Callable[[bytes], None]) -> Shortcut | None:
        """One that writes pieces as they come; see `HasShortcut`."""
        raise NotImplementedError


def write_deltas(write: Callable[[bytes], None], before: bytes, after: bytes, text: str) -> None:
    """Write `text` between the two, as a string of JSON; one that is too long for a delta in several."""
    if len(text) <= DELTA_CHARACTERS:
        said = _encode(text)
        write(b"".join((before, said if text.isprintable() else on_one_line(said), after)))
    else:
        for start in range(0, len(text), DELTA_CHARACTERS):
            write_deltas(write, before, after, text[start : start + DELTA_CHARACTERS])


def deltas_of(before: bytes, after: bytes, text: str) -> bytes:
    """The same, at once."""
    deltas: list[bytes] = []
    write_deltas(deltas.append, before, after, text)
    return b"".join(deltas)
