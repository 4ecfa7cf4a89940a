"""What a message is made of ↔ `content` and `content_type`.

Text alone is `text`; anything else is an `object_string`: JSON text with a list of items, at most one
of them text, and pictures and files never without it.

Source: docs/protocol/openapi-v3.md §5.
"""

from collections.abc import Iterable, Mapping

import msgspec

from realcoze.dialects.coze_open.objects import Id, Word, text_of
from realcoze.dialects.json_text import NotJson, read_if_json, read_json
from realcoze.domain.content import Audio, File, Image, MediaPart, Part, Text, written
from realcoze.domain.message import Message
from realcoze.errors import BadRequest

TEXT, OBJECTS = "text", "object_string"
BETWEEN_TEXTS = "\n"


class Item(msgspec.Struct, omit_defaults=True):
    type: str
    text: Word = None
    file_id: Id = None
    file_url: Word = None


_KINDS: Mapping[type[MediaPart], str] = {Image: "image", File: "file", Audio: "audio"}
_PARTS = {kind: part for part, kind in _KINDS.items()}
_ITEMS = msgspec.json.Decoder(list[Item])


def encode_content(parts: Iterable[Part]) -> tuple[str, str]:
    """`content` and `content_type` of one message."""
    parts = written(parts)
    text = BETWEEN_TEXTS.join(part.text for part in parts if isinstance(part, Text))
    media = [part for part in parts if isinstance(part, MediaPart)]
    if not media:
        return text, TEXT
    items = [Item(type="text", text=text or f"[{_KINDS[type(media[0])]}]"), *(_item(part) for part in media)]
    return msgspec.json.encode(items).decode(), OBJECTS


def decode_content(content: str, content_type: str) -> tuple[Part, ...]:
    """The parts of one message.  Raises `BadRequest`."""
    if content_type != OBJECTS:
        return (Text(text=content),)
    try:
        items = read_json(content.encode(errors="replace"), _ITEMS)
    except NotJson as error:
        raise BadRequest(f"The object_string of a message: {error}.") from error
    if not items:
        raise BadRequest("The object_string of a message holds no item.")
    return tuple(map(_part, items))


def shown(content: str, content_type: str) -> str:
    """An answer as text; one of several parts with its pictures and files as Markdown links."""
    items = read_if_json(content, _ITEMS) if content_type == OBJECTS else None
    return content if items is None else "\n\n".join(filter(None, map(_link, items)))


def beside_their_text(messages: Iterable[Message]) -> list[Message]:
    """The same history, each message of pictures and files alone joined with a neighbour of its side.

    Coze refuses pictures without a text beside them, and clients send them as messages of their own.
    """
    runs: list[list[Message]] = []
    has_text = False
    for message in messages:
        if runs and runs[-1][0].role == message.role and not (has_text and message.text):
            runs[-1].append(message)
            has_text = has_text or bool(message.text)
        else:
            runs.append([message])
            has_text = bool(message.text)
    return [_joined(run) if len(run) > 1 else run[0] for run in runs]


def _joined(run: list[Message]) -> Message:
    return Message(role=run[0].role, parts=tuple(part for message in run for part in message.parts))


def _item(part: MediaPart) -> Item:
    kind = _KINDS[type(part)]
    if part.url:
        return Item(type=kind, file_url=part.url)
    return Item(type=kind, file_id=part.key)


def _part(item: Item) -> Part:
    if item.type == "text":
        return Text(text=item.text or "")
    if item.type not in _PARTS:
        raise BadRequest(f"An object_string holds an item of type {item.type[:20]!r}.")
    key, url = text_of(item.file_id), item.file_url or ""
    if not key and not url:
        raise BadRequest(f"An object_string holds an item of type {item.type!r} with neither file_id nor file_url.")
    return _PARTS[item.type](key=key, url=url)


def _link(item: Item) -> str:
    if item.type == "text" or not item.file_url:
        return item.text or ""
    return f"![]({item.file_url})" if item.type == "image" else f"[{item.type}]({item.file_url})"
