"""Files of one account: each content is sent once, and known by its id from then on.

Source: docs/protocol/openapi-v3.md §8.
"""

import secrets
from collections import OrderedDict
from functools import partial
from hashlib import sha256

import anyio

from realcoze.domain.content import Audio, File, Image, MediaPart
from realcoze.domain.media import media_of
from realcoze.errors import BadRequest, TooLarge
from realcoze.leaving import in_thread
from realcoze.upstreams.coze_open.calls import Calls

KNOWN = 1024
"""Contents whose ids are remembered."""

SPOKEN = ("audio/wav", "audio/mpeg", "audio/ogg")
"""What a bot can be asked with (docs/protocol/openapi-v3.md §5), and what is written down (§11)."""


class Uploader:
    """`max_bytes` is the largest file."""

    def __init__(self, calls: Calls, *, max_bytes: int) -> None:
        self._calls = calls
        self._max_bytes = max_bytes
        self._ids: OrderedDict[bytes, str] = OrderedDict()
        self._sending: dict[bytes, anyio.Lock] = {}

    async def upload(self, data: bytes, name: str) -> MediaPart:
        """See `Uploads`."""
        if not data:
            raise BadRequest("The file is empty.")
        if len(data) > self._max_bytes:
            raise TooLarge(f"The file has {len(data)} bytes; {self._max_bytes} is the most.")
        media = media_of(data, name)
        name = name or f"file{media.extension}"
        digest = await in_thread(partial(_digest, data, name))
        lock = self._sending.setdefault(digest, anyio.Lock())
        try:
            async with lock:
                file_id = self._ids.get(digest) or await self._send(data, name, media.content_type)
                self._remember(digest, file_id)
        finally:
            if not lock.locked() and not lock.statistics().tasks_waiting:
                self._sending.pop(digest, None)
        if media.is_picture:
            return Image(key=file_id)
        return Audio(key=file_id) if media.content_type in SPOKEN else File(key=file_id)

    async def _send(self, data: bytes, name: str, content_type: str) -> str:
        return await self._calls.upload(data, name, content_type, boundary=secrets.token_hex(16))

    def _remember(self, digest: bytes, file_id: str) -> None:
        self._ids[digest] = file_id
        self._ids.move_to_end(digest)
        if len(self._ids) > KNOWN:
            self._ids.popitem(last=False)


def _digest(data: bytes, name: str) -> bytes:
    """A bot sees a file's name too, so that it is a part of what is the same."""
    return sha256(name.encode(errors="replace") + b"\0" + data).digest()
