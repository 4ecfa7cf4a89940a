"""The history entry `{"role": 2, "content": "…", "contentType": 1}` ↔ `Message`.

Role 1 is the bot, 2 the user.  contentType 1 is text (the default), 6 pictures, 9 files, 11 sound; the
content of these three is JSON text with a list of upload keys.  A key that is a web address is a picture or
file at a public URL; who cannot fetch it refuses it.  `contentType` is written, `content_type`
read as well.  One entry holds one kind of content, so a mixed message becomes several entries.

Source: docs/protocol/playground-2024.md §6.1; sound is ours.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Annotated

import msgspec

from realcoze.dialects.json_text import NotJson, read_json
from realcoze.domain.content import Audio, File, Image, MediaPart, Part, Text, written
from realcoze.domain.message import Message, Role
from realcoze.errors import BadRequest

TEXT, IMAGE, FILE, AUDIO = 1, 6, 9, 11
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
    """The content of an entry of pictures, files or sound; members that we do not know are passed over."""

    image_list: list[Key] = []
    file_list: list[Key] = []
    audio_list: list[Key] = []


_Role = Annotated[int, msgspec.Meta(description="1 is the bot, 2 the user", extra_json_schema={"enum": list(_ROLES)})]
_Kind = Annotated[
    int,
    msgspec.Meta(
        description="1 is text, 6 pictures, 9 files, 11 sound",
        extra_json_schema={"enum": [TEXT, IMAGE, FILE, AUDIO]},
    ),
]


class Entry(msgspec.Struct):
    """One entry as it stands on the wire; `content` is written even when it is empty."""

    role: _Role
    content: str | KeyLists = ""
    contentType: _Kind | msgspec.UnsetType | None = msgspec.UNSET  # noqa: N815 - the wire's spelling
    content_type: _Kind | msgspec.UnsetType | None = msgspec.UNSET


_LISTS: Mapping[int, tuple[str, type[MediaPart]]] = {
    IMAGE: ("image_list", Image),
    FILE: ("file_list", File),
    AUDIO: ("audio_list", Audio),
}
"""Where the keys of a kind stand, and what they become."""

_KEYS = msgspec.json.Decoder(KeyLists)


def decode_entries(entries: Iterable[Entry]) -> tuple[Message, ...]:
    """One message for each entry.  Raises `BadRequest` that names the entry by its place, from 0."""
    return tuple(_decode(place, entry) for place, entry in enumerate(entries))


def encode_entries(messages: Iterable[Message]) -> list[Entry]:
    """The entries of a history, oldest first."""
    return [
        _encode(message.role, list(parts)) for message in messages for _, parts in groupby(written(message.parts), type)
    ]


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
    if kind not in _LISTS:
        known = "1 (text), 6 (picture), 9 (file) and 11 (sound)"
        raise BadRequest(f"Entry {place} has contentType {kind}; {known} are known.")
    if isinstance(content, str):
        try:
            content = read_json(content.encode(errors="replace"), _KEYS)
        except NotJson as error:
            raise BadRequest(f"The content of entry {place} (contentType {kind}): {error}.") from error
    name, part = _LISTS[kind]
    return tuple(part(**item.place) for item in getattr(content, name))


def _encode(role: Role, parts: list[Text | MediaPart]) -> Entry:
    """Parts of one kind as one entry."""
    for kind, (name, part_type) in _LISTS.items():
        keys = [Key(part.url or part.key) for part in parts if isinstance(part, part_type)]
        if keys:
            return Entry(role=_NUMBERS[role], content=_list(name, keys), contentType=kind)
    text = "".join(part.text for part in parts if isinstance(part, Text))
    return Entry(role=_NUMBERS[role], content=text, contentType=TEXT)


def _list(name: str, keys: list[Key]) -> str:
    return msgspec.json.encode({name: keys}).decode()
