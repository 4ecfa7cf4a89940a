"""A way past the events, for text that comes in many pieces.

Nearly all events are one more piece of the same text, which each sink on the way hands to the next and notes for
itself.  So a sink may say who takes such pieces at the end of the way, and who on it wants to know of them later,
in one event: a token then needs fewer calls, and is noted once (docs/decisions/0024).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from realcoze.domain.event import Piece
from realcoze.domain.ports import Sink

Note = Callable[[Piece], object]


class Shortcut(NamedTuple):
    """`take` is given the text of each piece; `notes` are given all of it as one piece, before the next event."""

    take: Callable[[str], None]
    notes: tuple[Note, ...] = ()


class HasShortcut:
    """The base of sinks that may have one, also of those whose `feed` is another's in part: they override both.

    To ask whether a sink is like a protocol takes a hundred times as long (Python 3.11).
    """

    __slots__ = ()

    def shortcut(self, like: Piece) -> Shortcut | None:
        """For more of the text that `like` is of; None if that has to be fed.

        It is left before another event is fed, and need not be where the turn breaks off: no note is needed then.
        """
        raise NotImplementedError


def shortcut_of(sink: Sink, like: Piece) -> Shortcut | None:
    """The shortcut of a sink that may have one."""
    return sink.shortcut(like) if isinstance(sink, HasShortcut) else None


def enter(sink: Sink, like: Piece, said: list[str]) -> tuple[Callable[[str], None], Callable[[], None]]:
    """Who takes the pieces that come from now on, and what to do before another event is fed.

    `said` has all texts of the message; each is added before it is taken, and the first one has been added.
    """
    shortcut = shortcut_of(sink, like)
    if shortcut is None:
        return partial(_feed, sink, like), _nothing
    if not shortcut.notes:
        return shortcut.take, _nothing
    return shortcut.take, partial(_tell, shortcut.notes, like, said, len(said) - 1)


def _feed(sink: Sink, like: Piece, text: str) -> None:
    sink.feed(replace(like, text=text))


def _tell(notes: tuple[Note, ...], like: Piece, said: list[str], start: int) -> None:
    taken = replace(like, text="".join(said[start:]))
    for note in notes:
        note(taken)


def _nothing() -> None:
    """Nobody wants to know of the pieces later."""
