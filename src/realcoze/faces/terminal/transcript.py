"""A conversation as a file: Markdown for people, or the history that `POST /` takes."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from realcoze.dialects.entries import encode_entries
from realcoze.domain.content import Inline, MediaPart, Part, Text
from realcoze.domain.message import Message
from realcoze.domain.tool import ToolCall

_HEADS = {"user": "## Me", "assistant": "## Bot"}


def encode_transcript(messages: Sequence[Message], path: Path, attached: Mapping[str, str]) -> bytes:
    """The content of the file; its name decides: JSON for `*.json`, else Markdown.

    `attached` tells for the key of an upload what it was, for people.
    """
    if path.suffix.lower() == ".json":
        return msgspec.json.format(msgspec.json.encode(encode_entries(messages)), indent=2) + b"\n"
    said: list[str] = []
    for role, together in groupby(messages, lambda message: message.role):
        said.append(_HEADS[role])
        said += [_told(part, attached) for message in together for part in message.parts]
    return "\n\n".join(said).encode() + b"\n"


def _told(part: Part, attached: Mapping[str, str]) -> str:
    if isinstance(part, Text):
        return part.text
    if isinstance(part, Inline):
        return f"> {part.name}"
    if isinstance(part, MediaPart):
        return f"> {attached.get(part.key, part.key or part.url)}"
    return f"> {part.name}({part.arguments})" if isinstance(part, ToolCall) else f"> {part.output}"
