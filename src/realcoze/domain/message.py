"""One thing somebody said."""

from typing import Literal

import msgspec

from realcoze.domain.content import Part, Text
from realcoze.errors import BadRequest

Role = Literal["user", "assistant"]

MOST_PARTS = 20_000
"""Of all messages of one request together."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one side said; `parts` keep their order and there is at least one."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The text parts, one after another; empty when there are only pictures or files."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def words(self) -> str | None:
        """Its text where there is nothing else, as in nearly all messages; None beside anything that is shown."""
        if len(self.parts) == 1:
            (part,) = self.parts
            return part.text if isinstance(part, Text) else None
        return self.text if all(isinstance(part, Text) for part in self.parts) else None

    @property
    def is_blank(self) -> bool:
        """There is nothing in it but white space."""
        words = self.words
        return words is not None and not words.strip()


def say(role: Role, text: str) -> Message:
    """A message that is only text."""
    return Message(role=role, parts=(Text(text=text),))


def split_at_answer(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """What a bot has answered already, up to its last message, and what is new."""
    for count in range(len(messages), 0, -1):
        if messages[count - 1].role == "assistant":
            return messages[:count], messages[count:]
    return (), messages


def refuse_flood(messages: tuple[Message, ...]) -> None:
    """Raises `BadRequest` for more than anybody says: whoever looks through them holds up all others meanwhile."""
    if len(messages) > MOST_PARTS or sum([len(message.parts) for message in messages]) > MOST_PARTS:
        raise BadRequest(f"The history has more than {MOST_PARTS} messages and parts.", code="too_many_messages")


def refuse_nothing(messages: tuple[Message, ...]) -> None:
    """Raises `BadRequest` where what is new in them is blank: a call would be spent on a guess."""
    new = split_at_answer(messages)[1]
    if new and all(message.is_blank for message in new):
        raise BadRequest("The question is empty.", hint="A bot is asked with words, or with a picture or a file.")
