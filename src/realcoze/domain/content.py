"""What a message is made of."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec


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


Part = Text | MediaPart | Inline


def uploaded(parts: Iterable[Part]) -> tuple[Text | MediaPart, ...]:
    """The same parts, for a dialect to write.  An `Inline` among them is a defect: no protocol has a place for it."""
    parts = tuple(parts)
    if any(isinstance(part, Inline) for part in parts):
        raise TypeError("a file that came with a question was not uploaded before it was to be written")
    return tuple(part for part in parts if not isinstance(part, Inline))
