"""What the emulated chatflow says: a pure function of its conversation and its parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    Interrupt,
    TextDelta,
    TurnDone,
    TurnStarted,
    Usage,
)
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.domain.message import Message
from realcoze.emulator.fault import without_mark
from realcoze.emulator.script import split

QUESTION = "Where would you like to go?"
_ASK = ("ask me", "问我")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asks:
    """How a question is asked: its kind, and its name where that kind has one."""

    by: str
    event_id: str = ""


def guide(
    history: Sequence[Message], parameters: Mapping[str, Any], asks: Asks, *, was_asked: bool
) -> tuple[Event, ...]:
    """The next turn; `was_asked` says that the last message answers a question."""
    text = without_mark(history[-1].text)
    has_question = not was_asked and any(words in text.lower() for words in _ASK)
    said = QUESTION if has_question else f"You said: {text}" if was_asked else _guided(text, history, parameters)
    pieces, message_id = split(said), MessageId("guide")
    asked = Interrupt(event_id=asks.event_id, kind=asks.by, data={})
    return (
        TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId("")),
        *(TextDelta(message_id=message_id, text=piece) for piece in pieces),
        AnswerDone(message_id=message_id, text=said),
        Usage(input=len(history), output=len(pieces), total=len(history) + len(pieces)),
        InputRequested(interrupt=asked) if has_question else TurnDone(),
    )


def _guided(text: str, history: Sequence[Message], parameters: Mapping[str, Any]) -> str:
    number = sum(message.role == "user" for message in history)
    counted = "one thing" if number == 1 else f"{number} things"
    given = "".join(f" {name} is {value}." for name, value in sorted(parameters.items()))
    return f"Follow me: “{text}”. You have told me {counted}.{given}"
