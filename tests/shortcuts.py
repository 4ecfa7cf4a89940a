"""Events handed on as an upstream hands them on that takes shortcuts where there are any."""

from collections.abc import Callable, Iterable

from realcoze.dialects.deltas import WritesShortcut
from realcoze.domain.event import Event, Piece
from realcoze.domain.ids import MessageId
from realcoze.domain.ports import Sink
from realcoze.domain.shortcut import HasShortcut, Shortcut, enter
from realcoze.faces.streamed import Encoder
from servers import Gathered


def feed(sink: Sink, events: Iterable[Event]) -> None:
    """Feed events; of pieces of one text that follow each other, all but the first go the short way."""
    like: Piece | None = None
    said: list[str] = []
    take: Callable[[str], None] | None = None
    note: Callable[[], object] = list
    for event in events:
        piece = event if isinstance(event, Piece) and event.text else None
        if piece is not None and like is not None and _text_of(piece) == _text_of(like):
            said.append(piece.text)
            if take is None:
                take, note = enter(sink, like, said)
            take(piece.text)
            continue
        if take is not None:
            note()
        sink.feed(event)
        like, take = piece, None
        said = [piece.text] if piece is not None else []


def _text_of(piece: Piece) -> tuple[type[Piece], MessageId]:
    return type(piece), piece.message_id


class Noted(HasShortcut, Gathered):
    """A sink that keeps events, and apart from them what went the short way."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.noted: list[Piece] = []

    def shortcut(self, like: Piece) -> Shortcut | None:
        return Shortcut(self.said.append, (self.noted.append,))


class Written(HasShortcut):
    """A sink with an encoder, and all bytes that it wrote."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.pieces: list[bytes] = []

    def open(self, flow: object) -> None:
        """Nothing holds it up."""

    def feed(self, event: Event) -> None:
        self.pieces.append(self._encoder.feed(event))

    def shortcut(self, like: Piece) -> Shortcut | None:
        encoder = self._encoder
        return encoder.shortcut(like, self.pieces.append) if isinstance(encoder, WritesShortcut) else None


def written(encoder: Encoder, events: Iterable[Event]) -> bytes:
    """What an encoder with a shortcut writes of the events."""
    assert isinstance(encoder, WritesShortcut)
    sink = Written(encoder)
    feed(sink, events)
    return b"".join(sink.pieces)
