"""Which files a caller has uploaded.

A list and no more: the files are at Coze, which gives none of them back and has no call to remove one.
"""

import logging
from weakref import WeakValueDictionary

import anyio
import msgspec

from realcoze.domain.ids import CallerId
from realcoze.domain.ports import Store
from realcoze.domain.uploaded import UploadedFile
from realcoze.errors import NotFound, RealcozeError

log = logging.getLogger(__name__)

KEEP_S = 30 * 24 * 3600.0

MOST = 1000
"""Of one caller; the oldest go."""

SHELF = "files"

_FILE = msgspec.json.Decoder(UploadedFile)


class Files:
    """`keep_s` is how long a file is listed."""

    def __init__(self, store: Store, *, keep_s: float = KEEP_S, most: int = MOST) -> None:
        self._store = store
        self._most = most
        self._changing: WeakValueDictionary[CallerId, anyio.Lock] = WeakValueDictionary()
        """Of one caller's files: one looks, then changes."""
        self.keep_s = keep_s

    async def add(self, caller: CallerId, file: UploadedFile) -> None:
        """List a file, once: one of the same content may have the same key.

        A store that fails costs the list and never the file.
        """
        try:
            async with self._changing.setdefault(caller, anyio.Lock()):
                records = await self._records(caller)
                outdated = [record for record, known in records if known.key == file.key]
                others = [record for record, known in records if known.key != file.key]
                for record in (*outdated, *others[self._most - 1 :]):
                    await self._store.remove(SHELF, caller, record)
                await self._store.put(SHELF, caller, msgspec.json.encode(file), keep_s=self.keep_s)
        except RealcozeError as error:
            log.warning("a file that was uploaded is not listed: %s", error)

    async def all(self, caller: CallerId) -> list[UploadedFile]:
        """The oldest first.  Raises a `RealcozeError` where nobody can say."""
        return [file for _, file in reversed(await self._records(caller))]

    async def find(self, caller: CallerId, key: str) -> UploadedFile:
        """The file of this key.  Raises `NotFound`."""
        for _, file in await self._records(caller):
            if file.key == key:
                return file
        raise _no_file(key)

    async def forget(self, caller: CallerId, key: str) -> None:
        """List it no more.  Raises `NotFound`."""
        async with self._changing.setdefault(caller, anyio.Lock()):
            found = [record for record, file in await self._records(caller) if file.key == key]
            for record in found:
                await self._store.remove(SHELF, caller, record)
        if not found:
            raise _no_file(key)

    async def _records(self, caller: CallerId) -> list[tuple[bytes, UploadedFile]]:
        """The newest first, but for what another version may have written."""
        read = ((record, _read(record)) for record in await self._store.each(SHELF, caller))
        return [(record, file) for record, file in read if file is not None]


def _no_file(key: str) -> NotFound:
    return NotFound(f"There is no file {key[:80]!r}.", hint="Files are listed for the key that uploaded them.")


def _read(record: bytes) -> UploadedFile | None:
    try:
        return _FILE.decode(record)
    except msgspec.MsgspecError:
        return None
