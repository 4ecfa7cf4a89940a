"""The events: what a bot did, in our own closed union.  Every dialect meets every other here.

The order within a turn: at most one `TurnStarted`, then content in any order, then exactly one of
the four that end it (`ENDS`).  `turn.py` has that as a table, `fold.py` makes one reply of it.

The text of one message is the sum of its `TextDelta`s; a `TextReplaced` starts the sum again with
its own text; `AnswerDone` repeats the whole, and it is what the sum made.

They are structs of msgspec, as each token is one: a frozen dataclass takes 0.80 µs to make, a struct 0.05
(2026-11-23; docs/decisions/0018).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.domain.request import Json
from realcoze.domain.tool import ToolCall
from realcoze.errors import RealcozeError

StepKind = Literal["call", "result", "recall", "other"]


class TurnStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The upstream works on the question; an id is empty where the upstream has none."""

    chat_id: ChatId
    conversation_id: ConversationId


class TextDelta(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """More of an answer: append it."""

    message_id: MessageId
    text: str


class TextReplaced(msgspec.Struct, frozen=True, kw_only=True):
    """The bot took back what it wrote in this message; `text` is all that stands there now."""

    message_id: MessageId
    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """More of what the model thought before it answered."""

    message_id: MessageId
    text: str


class AnswerDone(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the answer is complete; `text` is the whole of it."""

    message_id: MessageId
    text: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Something on the way to the answer: a plugin called, its result, a look into knowledge."""

    kind: StepKind
    title: str
    body: str


class ToolCallsRequested(msgspec.Struct, frozen=True, kw_only=True):
    """The turn ends here until the caller hands in the results."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt:
    """A question of a workflow to its user."""

    event_id: str
    kind: str
    data: Mapping[str, Json]

    @property
    def question(self) -> str:
        """What is asked, for people, as far as the workflow says it; may be empty.

        The fields that an input node wants are told one by one; what is neither a sentence nor fields, as JSON.
        """
        for name in ("question", "data", "node_title"):
            if asked := self.data.get(name):
                return asked if isinstance(asked, str) else _fields(asked) or json.dumps(asked, ensure_ascii=False)
        return ""


def _fields(wanted: Json) -> str:
    """The fields of a form in words; empty where these are no fields."""
    if not isinstance(wanted, list | tuple):
        return ""
    told = []
    for field in wanted:
        if not isinstance(field, Mapping) or not isinstance(field.get("name"), str):
            return ""
        facts = [str(field[name]) for name in ("description", "type") if field.get(name)]
        facts += ["required"] if field.get("required") else []
        told.append(f"{field['name']} ({', '.join(facts)})" if facts else field["name"])
    return f"Wanted, as JSON or in words: {'; '.join(told)}"


class InputRequested(msgspec.Struct, frozen=True, kw_only=True):
    """The turn ends here until somebody answers the workflow's question."""

    interrupt: Interrupt


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question that the user might ask next."""

    text: str


class AudioDelta(msgspec.Struct, frozen=True, kw_only=True):
    """More of a spoken answer; `format` is the wire's own word for the encoding."""

    audio: bytes
    format: str


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens, as the upstream counted them."""

    input: int
    output: int
    total: int


class TurnDone(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer was given."""


class TurnFailed(msgspec.Struct, frozen=True, kw_only=True):
    """The turn broke off; whatever text came is not the whole answer."""

    error: RealcozeError


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """Something the dialect does not know, kept as it came."""

    name: str
    raw: str


Event = (
    TurnStarted
    | TextDelta
    | TextReplaced
    | ReasoningDelta
    | AnswerDone
    | Step
    | ToolCallsRequested
    | InputRequested
    | Suggestion
    | AudioDelta
    | Usage
    | TurnDone
    | TurnFailed
    | Unknown
)

Piece = TextDelta | ReasoningDelta
"""More of one text; nearly all events are."""

ENDS = (TurnDone, TurnFailed, ToolCallsRequested, InputRequested)
"""The events that end a turn; each turn has exactly one of them."""
