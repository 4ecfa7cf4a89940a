"""Files: uploads in, what is known of them out.

Source: docs/protocol/openapi-v3.md §8; docs/protocol/studio-web.md §5.4.
"""

import time

from aiohttp import BodyPartReader, web

from realcoze.dialects.coze_open.files import RETRIEVE_PATH, UPLOAD_PATH
from realcoze.emulator.open_api.desk import LOGID, Desk
from realcoze.emulator.open_api.personality import Refused, Reply
from realcoze.emulator.wire import WireNote

FILE_BYTES = 30 << 20
"""Less than Coze's 512 MB: all is kept in memory."""


class OpenFiles:
    """Routes for one aiohttp application."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        return [web.post(UPLOAD_PATH, self._desk.guarded(self._upload))]

    def more_routes(self) -> list[web.RouteDef]:
        """Those that Studio has not."""
        return [web.get(RETRIEVE_PATH, self._desk.guarded(self._retrieve))]

    async def _upload(self, request: web.Request) -> Reply:
        name, data = await the_file(request)
        file = self._desk.state.new_file(name, data, int(time.time()))
        self._desk.note(WireNote("upload", f"file {file.id}", len(data)))
        return self._desk.personality.file(file, request[LOGID])

    async def _retrieve(self, request: web.Request) -> Reply:
        file = self._desk.state.files.get(request.query.get("file_id", ""))
        if file is None:
            raise Refused(4200, "Requested resource file_id does not exist.")
        return self._desk.personality.file(file, request[LOGID])


async def the_file(request: web.Request) -> tuple[str, bytes]:
    """Name and bytes of the one part of a form.  Raises `Refused`."""
    if not request.content_type.startswith("multipart/"):
        raise Refused(4300, "no file was uploaded")
    found: list[tuple[str, bytes]] = []
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if isinstance(part, BodyPartReader) and part.name == "file":
            found.append((part.filename or "file", await _bounded(part)))
    if not found or not found[0][1]:
        raise Refused(4300, "no file was uploaded, or an empty one")
    if len(found) > 1:
        raise Refused(4301, "more than one file was uploaded")
    return found[0]


async def _bounded(part: BodyPartReader) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(1 << 16):
        data += chunk
        if len(data) > FILE_BYTES:
            raise Refused(4302, "the file is too large")
    return bytes(data)
