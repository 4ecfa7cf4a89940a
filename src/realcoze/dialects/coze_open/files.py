"""Files: uploads in, what is known of them out.

Source: docs/protocol/openapi-v3.md §8; docs/protocol/studio-web.md §5.4.
"""

from collections.abc import Mapping

import msgspec

from realcoze.dialects.coze_open.envelope import decode_answer
from realcoze.dialects.coze_open.objects import Id, Number, Word, text_of
from realcoze.errors import UpstreamFailed

UPLOAD_PATH = "/v1/files/upload"
RETRIEVE_PATH = "/v1/files/retrieve"


class StoredFile(msgspec.Struct):
    """A file that Coze has, by the id that messages name it with."""

    id: Id = None
    bytes: Number = 0
    file_name: Word = ""
    created_at: Number = 0


class _Answer(msgspec.Struct):
    data: StoredFile | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


def encode_upload(data: bytes, name: str, content_type: str, *, boundary: str) -> tuple[str, bytes]:
    """The Content-Type of a call, and its body: a form with the one part `file`."""
    safe = name.translate(_UNSAFE) or "file"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{safe}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    return f"multipart/form-data; boundary={boundary}", b"%b%b\r\n--%b--\r\n" % (
        head.encode(errors="replace"),
        data,
        boundary.encode(),
    )


def decode_uploaded(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """The id of the new file.  Raises what `decode_answer` raises."""
    file = decode_answer(status, headers, body, _ANSWER).data
    if file is None or not file.id:
        raise UpstreamFailed("Coze's answer to an upload names no file.", code="upstream_protocol")
    return text_of(file.id)


_UNSAFE = {**dict.fromkeys(range(32), "_"), ord('"'): "_", ord("\\"): "_", 127: "_"}
