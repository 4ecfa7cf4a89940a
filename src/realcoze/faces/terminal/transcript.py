"""A conversation as a file: Markdown for people, or the history that `POST /` takes."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from realcoze.dialects.entries import encode_entries
from realcoze.domain.message import Message

_HEADS = {"user": "## Me", "assistant": "## Bot"}


def encode_transcript(messages: Sequence[Message], path: Path) -> bytes:
    """The content of the file; its name decides: JSON for `*.json`, else Markdown."""
    if path.suffix.lower() == ".json":
        return msgspec.json.format(msgspec.json.encode(encode_entries(messages)), indent=2) + b"\n"
    return "\n\n".join(f"{_HEADS[message.role]}\n\n{message.text}" for message in messages).encode() + b"\n"
