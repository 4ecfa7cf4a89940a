from collections.abc import Callable

from realcoze.domain.event import Event, Piece, ReasoningDelta, TextDelta
from realcoze.domain.ids import MessageId
from realcoze.domain.shortcut import HasShortcut, Note, Shortcut, enter, shortcut_of

M = MessageId("m")


def delta(text: str) -> TextDelta:
    return TextDelta(message_id=M, text=text)


class Plain:
    """A sink without a shortcut."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def open(self, flow: object) -> None:
        """Nothing holds it up."""

    def feed(self, event: Event) -> None:
        self.events.append(event)


class Short(HasShortcut, Plain):
    """One with a shortcut, if it has `notes`."""

    def __init__(self, *notes: Note) -> None:
        super().__init__()
        self.taken: list[str] = []
        self._notes = notes

    def shortcut(self, like: Piece) -> Shortcut | None:
        return Shortcut(self.taken.append, self._notes) if self._notes else None


def entered(sink: Plain, like: Piece) -> tuple[Callable[[str], None], Callable[[], None]]:
    """After "Hi" was fed, and " you" was added."""
    take, note = enter(sink, like, said := ["Hi", " you"])
    take(" you")
    said.append("!")
    take("!")
    return take, note


def test_pieces_are_taken_one_by_one_and_noted_as_one() -> None:
    noted, also = list[Piece](), list[Piece]()
    sink = Short(noted.append, also.append)
    _, note = entered(sink, delta("Hi"))
    assert (sink.taken, noted, sink.events) == ([" you", "!"], [], [])
    note()
    assert noted == also == [delta(" you!")]
    assert sink.events == []


def test_what_is_noted_is_of_the_kind_that_was_said() -> None:
    noted = list[Piece]()
    _, note = entered(Short(noted.append), ReasoningDelta(message_id=M, text="Hi"))
    note()
    assert noted == [ReasoningDelta(message_id=M, text=" you!")]


def test_a_sink_without_one_is_fed() -> None:
    for sink in (Plain(), Short()):
        _, note = entered(sink, delta("Hi"))
        note()
        assert sink.events == [delta(" you"), delta("!")]
        assert shortcut_of(sink, delta("Hi")) is None
