"""Events → text that only grows, for protocols that cannot take anything back.

What it gives, joined, is what `fold.py` makes of the same events: the messages in the order in which they
began.  So text of a message waits until the one before it is complete, and where a bot takes something back,
nothing is given until its text goes on from what was given already.  Where that never comes it raises.
"""

from dataclasses import dataclass, field

from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
)
from realcoze.domain.fold import BETWEEN_MESSAGES, question_of
from realcoze.domain.ids import MessageId
from realcoze.errors import UpstreamFailed

_HEEDED = frozenset({TextDelta, TextReplaced, AnswerDone, TurnDone, ToolCallsRequested, InputRequested})


@dataclass(slots=True)
class _Message:
    """`given` is the part of the text that was given, where that is not the whole; `is_off`, that another stands there.

    Each piece is compared as it comes: after a rewrite there may be thousands that cannot be given yet.
    """

    pieces: list[str] = field(default_factory=list)
    given: str = ""
    characters: int = 0
    is_off: bool = False
    is_complete: bool = False

    @property
    def can_be_given(self) -> bool:
        """Its text goes on from what was given."""
        return not self.is_off and self.characters >= len(self.given)

    def put(self, text: str) -> None:
        """The text is this one."""
        self.pieces[:], self.characters, self.is_off = [], 0, False
        self.add(text)

    def add(self, text: str) -> None:
        """The text goes on."""
        expected = self.given[self.characters : self.characters + len(text)]
        self.is_off = self.is_off or not text.startswith(expected)
        self.pieces.append(text)
        self.characters += len(text)


class GrowingText:
    """The text of one turn.  `feed` gives what is to be appended, which may be nothing.

    Raises `UpstreamFailed` (code `answer_rewritten`) when a message is complete and does not begin with what
    was given of it, and when one that was given as a whole gets another text.
    """

    __slots__ = ("_level", "_messages", "_past", "_pieces", "has_begun")

    def __init__(self) -> None:
        self._messages: dict[MessageId, _Message] = {}
        self._past: dict[MessageId, tuple[int, int]] = {}
        """What was given as a whole: length and hash of its text."""
        self._level: MessageId | None = None
        """The message that was given as far as it goes, and so what comes next of it can be given at once."""
        self._pieces: list[str] = []
        """Its own."""
        self.has_begun = False
        """Some text was given."""

    def feed(self, event: Event) -> str:
        if type(event) is TextDelta and event.message_id == self._level:
            self._pieces.append(event.text)
            return event.text
        if type(event) not in _HEEDED:
            return ""
        match event:
            case TextDelta() | TextReplaced() | AnswerDone():
                return self._on_text(event)
            case TurnDone() | ToolCallsRequested() | InputRequested():
                for message in self._messages.values():
                    message.is_complete = True
                text = self._advance()
                return text or ("" if self.has_begun else question_of(event))
        return ""

    def has_level(self, message_id: MessageId) -> bool:
        """More text of this message is to be appended as it is."""
        return message_id == self._level

    def _on_text(self, event: TextDelta | TextReplaced | AnswerDone) -> str:
        if event.message_id in self._past:
            if isinstance(event, AnswerDone) and _mark(event.text) == self._past[event.message_id]:
                return ""
            raise _rewritten()
        message = self._messages.setdefault(event.message_id, _Message())
        if isinstance(event, TextDelta):
            message.add(event.text)
        else:
            if event.message_id == self._level:
                message.given, self._level = "".join(message.pieces), None
            message.put(event.text)
            message.is_complete = isinstance(event, AnswerDone)
        return self._advance() if message is next(iter(self._messages.values())) else ""

    def _advance(self) -> str:
        """What can be given now, of as many messages as are complete and of the one after them."""
        grown: list[str] = []
        while self._messages:
            message_id, message = next(iter(self._messages.items()))
            if self._level is None:
                if not message.can_be_given:
                    if message.is_complete:
                        raise _rewritten()
                    break
                text = "".join(message.pieces)
                if text and not message.given and self.has_begun:
                    grown.append(BETWEEN_MESSAGES)
                grown.append(text.removeprefix(message.given))
                if text:
                    self.has_begun = True
                    self._level, self._pieces = message_id, message.pieces
            if not message.is_complete:
                break
            self._level = None
            self._past[message_id] = _mark("".join(message.pieces))
            del self._messages[message_id]
        return "".join(grown)


def _mark(text: str) -> tuple[int, int]:
    return len(text), hash(text)


def _rewritten() -> UpstreamFailed:
    return UpstreamFailed(
        "The bot took back what it had written, which this protocol has no way to say.",
        code="answer_rewritten",
        hint="Ask without streaming, or on the native API, whose streams can take text back.",
    )
