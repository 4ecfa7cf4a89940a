"""`POST /upload`: what comes back for a file, `{"key", "contentType"}`, ready for a history entry.

Source: docs/native-api.md, "Files".
"""

from collections.abc import Mapping

import msgspec

from realcoze.dialects.entries import AUDIO, FILE, IMAGE
from realcoze.dialects.json_text import NotJson, read_json
from realcoze.domain.content import Audio, File, Image, MediaPart
from realcoze.errors import UpstreamFailed


class _Uploaded(msgspec.Struct):
    key: str
    contentType: int  # noqa: N815 - the wire's spelling


UPLOADED = _Uploaded
"""What an answer is, for who describes this API."""

_KINDS: Mapping[int, type[MediaPart]] = {IMAGE: Image, FILE: File, AUDIO: Audio}
_NUMBERS = {kind: number for number, kind in _KINDS.items()}
_DECODER = msgspec.json.Decoder(_Uploaded)


def encode_uploaded(part: MediaPart) -> bytes:
    """The body of an answer."""
    return msgspec.json.encode(_Uploaded(part.key, _NUMBERS[type(part)]))


def decode_uploaded(body: bytes) -> MediaPart:
    """A client's reading of it.  Raises `UpstreamFailed`."""
    try:
        uploaded = read_json(body, _DECODER)
    except NotJson as error:
        raise UpstreamFailed(f"The server's answer cannot be read: {error}.", code="upstream_protocol") from error
    return _KINDS.get(uploaded.contentType, File)(key=uploaded.key)
