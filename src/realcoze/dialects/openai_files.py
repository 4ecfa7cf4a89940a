"""OpenAI's files: the form that brings one, and how one is told of.

Source: openai 3, types/file_object.py, file_create_params.py and file_deleted.py; docs/openai-api.md.
"""

from collections.abc import Iterable, Mapping

import msgspec

from realcoze.dialects.openai_pages import Page, encode_page
from realcoze.domain.ids import BotName
from realcoze.domain.uploaded import UploadedFile
from realcoze.errors import BadRequest

PURPOSES = ("assistants", "user_data", "vision")
"""What a file can be for here: to be shown to a bot."""

IGNORED = ("expires_after[anchor]", "expires_after[seconds]")
"""Fields of a form that would change how long a file is listed."""

_BOT = ("model", "bot")
_USUAL = "user_data"


class FileForm(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside a file: for whom and what it is, and the fields that were passed over."""

    bot: BotName
    purpose: str
    ignored: tuple[str, ...] = ()


class _File(msgspec.Struct):
    """`status` is what OpenAI's types demand: a file that is listed can be used."""

    id: str
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    object: str = "file"
    status: str = "processed"
    status_details: None = None


class _Deleted(msgspec.Struct):
    id: str
    object: str = "file"
    deleted: bool = True


FILE, DELETED = _File, _Deleted
"""What the answers are, for who describes this API."""


def decode_form(fields: Mapping[str, str], query: Mapping[str, str]) -> FileForm:
    """The fields of a form, and a query that may name the bot.  Raises `BadRequest`."""
    purpose = fields.get("purpose") or _USUAL
    if purpose not in PURPOSES:
        raise BadRequest(
            f"`purpose` is {purpose[:40]!r}; here it is one of {', '.join(PURPOSES)}.",
            hint="A file can be shown to a bot, and nothing else.",
        )
    named = (given.get(name) for given in (fields, query) for name in _BOT)
    return FileForm(
        bot=BotName(next(filter(None, named), "")),
        purpose=purpose,
        ignored=tuple(name for name in IGNORED if fields.get(name)),
    )


def encode_file(file: UploadedFile) -> bytes:
    return msgspec.json.encode(_file(file))


def encode_files(oldest_first: Iterable[UploadedFile], page: Page, *, purpose: str = "") -> bytes:
    """A part of the list of those of a purpose, or of all.  Raises `BadRequest`."""
    wanted = [_file(file) for file in oldest_first if purpose in ("", file.purpose)]
    return encode_page(wanted, page, id_of=lambda file: file.id)


def encode_deleted(key: str) -> bytes:
    return msgspec.json.encode(_Deleted(key))


def _file(file: UploadedFile) -> _File:
    return _File(file.key, file.size_bytes, file.created, file.until, file.name, file.purpose)
