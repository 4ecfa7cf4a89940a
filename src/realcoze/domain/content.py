"""What a message is made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture that the upstream already has, by the key its upload gave, or one at a public URL."""

    key: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that the upstream already has, by the key its upload gave, or one at a public URL."""

    key: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """Something spoken that the upstream already has, by the key its upload gave, or at a public URL.

    A bot that is spoken to may speak its answer.
    """

    key: str = ""
    url: str = ""


MediaPart = Image | File | Audio
"""What an upload can be."""

Part = Text | MediaPart
