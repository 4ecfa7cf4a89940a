"""Reading JSON as it really comes.

msgspec is strict and fast, and has two habits to know (0.22, 2026-11): a lone surrogate is reported
as "Input data was truncated", and nesting that is too deep is a RecursionError.  A lone surrogate is
ordinary on Coze's wires: a snapshot cut between the two halves of an emoji.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec

from realcoze.errors import BadRequest

T = TypeVar("T")


_LINE_BREAKS = (("\u0085".encode(), b"\\u0085"), ("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))
"""What JSON may hold as it is, and some clients break lines at."""
_MAY_BREAK = re.compile(rb"\xe2\x80|\xc2\x85").search
"""To ask `b"…" in data` twice takes five times as long: each asks first whether it is a number (Python 3.11)."""


_SURROGATE = re.compile(rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2})?|[c-fC-F][0-9a-fA-F]{2})")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BACKSLASH = ord("\\")
_ESCAPE_BYTES = 6
_LOST = rb"\ufffd"

MOST_OPENED = 250_000
"""Objects and lists in what a caller sends: 20 MiB of the smallest would be 2 GiB when they are read."""

MAY_BE_DEEP = 500
MARGIN = 150
"""Frames that what was read is handled within, at the most."""


class NotJson(ValueError):
    """The text is no JSON of the expected shape; the message says where, never what stood there."""


def read_json(data: bytes | str, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode `data`; half an emoji becomes U+FFFD.  Raises `NotJson`."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise NotJson(str(error)) from error
    except RecursionError as error:
        raise NotJson("JSON is nested too deeply") from error
    except msgspec.DecodeError as error:
        data = data.encode(errors="replace") if isinstance(data, str) else data
        mended = _heal_surrogates(data)
        if mended == data:
            raise NotJson(str(error)) from error
    except UnicodeDecodeError as error:
        raise NotJson("the text is not UTF-8") from error
    return read_json(mended, decoder)


def read_foreign(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """The same of what a caller sends: no more than can be read in a moment, and written again.  Raises `NotJson`."""
    opened = data.count(b"{") + data.count(b"[")
    if opened > MOST_OPENED:
        bare = _STRING.sub(b"", data)
        opened = bare.count(b"{") + bare.count(b"[")
    if opened > MOST_OPENED:
        raise NotJson(f"there are more than {MOST_OPENED} objects and lists in it")
    work = partial(read_json, data, decoder)
    return work() if opened < MAY_BE_DEEP else _deeper(work, MARGIN)


def read_request(body: bytes, decoder: msgspec.json.Decoder[T], *, hint: str) -> T:
    """The body of a request, with or without a byte order mark.  Raises `BadRequest`, which says what to send."""
    try:
        return read_foreign(body.removeprefix(b"\xef\xbb\xbf"), decoder)
    except NotJson as error:
        raise BadRequest(f"The body cannot be read: {error}.", hint=hint) from error


def read_if_json(text: str | bytes, decoder: msgspec.json.Decoder[T]) -> T | None:
    """What `text` holds, or None where it is no JSON of that shape."""
    try:
        return read_json(text.encode(errors="replace") if isinstance(text, str) else text, decoder)
    except NotJson:
        return None


def null() -> msgspec.Raw:
    """For members that may be missing and are read later: msgspec (0.22) describes no struct whose default is a Raw."""
    return msgspec.Raw(b"null")


def on_one_line(data: bytes) -> bytes:
    """The same JSON for clients that break lines wherever Unicode does (docs/reliability.md, U15)."""
    if not data.isascii() and _MAY_BREAK(data):
        for raw, escaped in _LINE_BREAKS:
            data = data.replace(raw, escaped)
    return data


def healed(text: str) -> str:
    """The same without halves of characters (lone surrogates); two that belong together are one."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _heal_surrogates(data: bytes) -> bytes:
    r"""The same JSON with each lone `\udXXX` replaced."""
    return _SURROGATE.sub(_healed_escape, data)


def _healed_escape(match: re.Match[bytes]) -> bytes:
    """A pair as it is, half of one as U+FFFD; after an escaped backslash it is no escape."""
    start = match.start()
    before = start
    while before and match.string[before - 1] == _BACKSLASH:
        before -= 1
    if (start - before) % 2:
        return match[0][:_ESCAPE_BYTES] + _LOST * (len(match[0]) > _ESCAPE_BYTES)
    return match[0] if len(match[0]) > _ESCAPE_BYTES else _LOST


def _deeper(work: Callable[[], T], frames: int) -> T:
    """`work`, so many frames further down: Python 3.11 counts them and the nesting of JSON together."""
    return work() if not frames else _deeper(work, frames - 1)
