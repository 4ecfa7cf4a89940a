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


Part = Text | Image | File
