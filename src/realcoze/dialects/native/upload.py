"""`POST /upload`: what comes back for a file, `{"key", "contentType"}`, ready for a history entry.

Source: docs/native-api.md, "Files".
"""

import msgspec

from realcoze.dialects.entries import FILE, IMAGE
from realcoze.dialects.json_text import NotJson, read_json
from realcoze.domain.content import File, Image
from realcoze.errors import UpstreamFailed


class _Uploaded(msgspec.Struct):
    key: str
    contentType: int  # noqa: N815 - the wire's spelling


_DECODER = msgspec.json.Decoder(_Uploaded)


def encode_uploaded(part: Image | File) -> bytes:
    """The body of an answer."""
    return msgspec.json.encode(_Uploaded(part.key, IMAGE if isinstance(part, Image) else FILE))


def decode_uploaded(body: bytes) -> Image | File:
    """A client's reading of it.  Raises `UpstreamFailed`."""
    try:
        uploaded = read_json(body, _DECODER)
    except NotJson as error:
        raise UpstreamFailed(f"The server's answer cannot be read: {error}.", code="upstream_protocol") from error
    return Image(key=uploaded.key) if uploaded.contentType == IMAGE else File(key=uploaded.key)
