"""The history entry `{"role": 2, "content": "…", "contentType": 1}` ↔ `Message`.

Role 1 is the bot, 2 the user.  contentType 1 is text (the default), 6 pictures, 9 files; the content
of the latter two is JSON text with a list of upload keys.  A key that is a web address is a picture or
file at a public URL; who cannot fetch it refuses it.  `contentType` is written, `content_type`
read as well.  One entry holds one kind of content, so a mixed message becomes several entries.

Source: docs/protocol/playground-2024.md §6.1.
"""

from collections.abc import Iterable
from itertools import groupby

import msgspec

from realcoze.dialects.json_text import NotJson, read_json
from realcoze.domain.content import File, Image, Part, Text
from realcoze.domain.message import Message, Role
from realcoze.errors import BadRequest

TEXT, IMAGE, FILE = 1, 6, 9
_ROLES: dict[int, Role] = {1: "assistant", 2: "user"}
_WEB = ("http://", "https://")
_NUMBERS = {role: number for number, role in _ROLES.items()}


class Key(msgspec.Struct):
    """The key of an upload, or a web address."""

    key: str

    @property
    def place(self) -> dict[str, str]:
        """The same as fields of an `Image` or a `File`."""
        return {"url" if self.key.startswith(_WEB) else "key": self.key}


class KeyLists(msgspec.Struct):
    """The content of a picture or file entry; members that we do not know are passed over."""

    image_list: list[Key] = []
    file_list: list[Key] = []


class Entry(msgspec.Struct):
    """One entry as it stands on the wire; `content` is written even when it is empty."""

    role: int
    content: str | KeyLists = ""
    contentType: int | msgspec.UnsetType | None = msgspec.UNSET  # noqa: N815 - the wire's spelling
    content_type: int | msgspec.UnsetType | None = msgspec.UNSET


_KEYS = msgspec.json.Decoder(KeyLists)


def decode_entries(entries: Iterable[Entry]) -> tuple[Message, ...]:
    """One message for each entry.  Raises `BadRequest` that names the entry by its place, from 0."""
    return tuple(_decode(place, entry) for place, entry in enumerate(entries))


def encode_entries(messages: Iterable[Message]) -> list[Entry]:
    """The entries of a history, oldest first."""
    return [_encode(message.role, list(parts)) for message in messages for _, parts in groupby(message.parts, type)]


def _decode(place: int, entry: Entry) -> Message:
    role = _ROLES.get(entry.role)
    if role is None:
        raise BadRequest(f"Entry {place} has role {entry.role}; 1 is the bot and 2 the user.")
    kind = entry.contentType or entry.content_type or TEXT
    if kind == TEXT:
        if not isinstance(entry.content, str):
            raise BadRequest(f"Entry {place} is text (contentType 1), but its content is no string.")
        return Message(role=role, parts=(Text(text=entry.content),))
    parts = _media(place, kind, entry.content)
    if not parts:
        raise BadRequest(f"Entry {place} has contentType {kind}, but lists no key of an upload.")
    return Message(role=role, parts=parts)


def _media(place: int, kind: int, content: str | KeyLists) -> tuple[Part, ...]:
    if kind not in (IMAGE, FILE):
        raise BadRequest(f"Entry {place} has contentType {kind}; 1 (text), 6 (picture) and 9 (file) are known.")
    if isinstance(content, str):
        try:
            content = read_json(content.encode(errors="replace"), _KEYS)
        except NotJson as error:
            raise BadRequest(f"The content of entry {place} (contentType {kind}): {error}.") from error
    if kind == IMAGE:
        return tuple(Image(**item.place) for item in content.image_list)
    return tuple(File(**item.place) for item in content.file_list)


def _encode(role: Role, parts: list[Part]) -> Entry:
    texts = [part.text for part in parts if isinstance(part, Text)]
    images = [Key(part.url or part.key) for part in parts if isinstance(part, Image)]
    files = [Key(part.url or part.key) for part in parts if isinstance(part, File)]
    if images:
        content, kind = _list("image_list", images), IMAGE
    elif files:
        content, kind = _list("file_list", files), FILE
    else:
        content, kind = "".join(texts), TEXT
    return Entry(role=_NUMBERS[role], content=content, contentType=kind)


def _list(name: str, keys: list[Key]) -> str:
    return msgspec.json.encode({name: keys}).decode()
