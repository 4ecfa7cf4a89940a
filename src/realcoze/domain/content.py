"""What a message is made of."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from realcoze.domain.tool import ToolCall, ToolResult


class Text(msgspec.Struct, frozen=True, kw_only=True):
    text: str


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that the upstream already has, by the key its upload gave, or one at a public URL."""

    key: str = ""
    url: str = ""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the upstream already has, by the key its upload gave, or one at a public URL."""

    key: str = ""
    url: str = ""


class Audio(msgspec.Struct, frozen=True, kw_only=True):
    """Something spoken that the upstream already has, by the key its upload gave, or at a public URL.

    A bot that is spoken to may speak its answer.
    """

    key: str = ""
    url: str = ""


MediaPart = Image | File | Audio
"""What an upload can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inline:
    """A file that came with a question: the gateway uploads it before the question is asked.

    A dataclass, as its bytes are to stand in no message, and a struct shows all that it has.

    One of an earlier turn may not have been kept: then there is a `note` in the stead of its data, which a bot is
    told that has not seen it.
    """

    data: bytes = field(repr=False)
    name: str = ""
    note: str = field(default="", repr=False)


Written = Text | MediaPart
"""What Coze's protocols have a place for."""

Shown = Written | Inline
"""What a person says or shows."""

Part = Shown | ToolCall | ToolResult
"""Also the calls of a bot and their results, where a history has them: the gateway sees to them as to files."""


def written(parts: Iterable[Part]) -> tuple[Written, ...]:
    """The same parts, for a dialect to write.

    Raises `TypeError` for a file or a call among them, which the gateway has let through: a defect.
    """
    parts = tuple(parts)
    found = tuple([part for part in parts if isinstance(part, Written)])
    if len(found) != len(parts):
        raise TypeError("a message was to be written with a part that no protocol of Coze's has a place for")
    return found
