"""What a message is made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture that the upstream already has, by the key its upload gave."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that the upstream already has, by the key its upload gave."""

    key: str


Part = Text | Image | File
