import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import msgspec
import pytest

from realcoze.domain.ids import CallerId
from realcoze.domain.uploaded import UploadedFile
from realcoze.errors import Internal, NotFound
from realcoze.gateway.files import SHELF, Files
from realcoze.stores.memory import MemoryStore
from realcoze.stores.sqlite import open_sqlite

ADA, BOB = CallerId("ada"), CallerId("")
FILE = UploadedFile(key="tos/1.png", name="1.png", size_bytes=3, purpose="vision", created=1, until=9)


def numbered(number: int) -> UploadedFile:
    return replace(FILE, key=f"tos/{number}.png")


async def keys(files: Files, caller: CallerId = ADA) -> list[str]:
    return [file.key for file in await files.all(caller)]


async def test_files_are_listed_in_their_order_and_found_by_their_keys() -> None:
    files = Files(MemoryStore())
    for number in (1, 2, 3):
        await files.add(ADA, numbered(number))
    assert await keys(files) == ["tos/1.png", "tos/2.png", "tos/3.png"]
    assert await files.find(ADA, "tos/2.png") == numbered(2)


async def test_each_caller_has_a_list_of_its_own() -> None:
    files = Files(MemoryStore())
    await files.add(ADA, FILE)
    assert await keys(files, BOB) == []
    for look in (files.find, files.forget):
        with pytest.raises(NotFound, match=r"There is no file 'tos/1\.png'"):
            await look(BOB, FILE.key)


async def test_what_is_forgotten_is_listed_no_more() -> None:
    files = Files(MemoryStore())
    for number in (1, 2):
        await files.add(ADA, numbered(number))
    await files.forget(ADA, "tos/1.png")
    assert await keys(files) == ["tos/2.png"]
    with pytest.raises(NotFound):
        await files.forget(ADA, "tos/1.png")


async def test_a_key_is_listed_once_as_it_came_last() -> None:
    """The same content has the same key on the open API."""
    files = Files(MemoryStore())
    for file in (FILE, numbered(2), replace(FILE, name="again.png")):
        await files.add(ADA, file)
    assert [(file.key, file.name) for file in await files.all(ADA)] == [
        ("tos/2.png", "1.png"), ("tos/1.png", "again.png"),
    ]  # fmt: skip


async def test_there_are_never_more_than_the_most_and_the_oldest_go() -> None:
    files = Files(MemoryStore(), most=2)
    for number in (1, 2, 3, 3):
        await files.add(ADA, numbered(number))
    assert await keys(files) == ["tos/2.png", "tos/3.png"]


async def test_a_file_is_listed_for_its_time() -> None:
    now = 0.0
    files = Files(MemoryStore(now=lambda: now), keep_s=10)
    await files.add(ADA, FILE)
    now = 10.0
    assert await keys(files) == []


@pytest.mark.parametrize("record", [b"", b"null", b'{"key": 1}', b"\xff"])
async def test_what_another_version_wrote_is_not_there(record: bytes) -> None:
    store = MemoryStore()
    await store.put("files", ADA, record, keep_s=10)
    assert await keys(Files(store)) == []


class Broken(MemoryStore):
    """A store that always fails."""

    async def each(self, shelf: str, key: str) -> Sequence[bytes]:
        raise Internal("the disk is full", code="store_failed")


async def test_a_store_that_fails_costs_the_list_and_not_the_file(caplog: pytest.LogCaptureFixture) -> None:
    files = Files(Broken())
    with caplog.at_level(logging.WARNING):
        await files.add(ADA, FILE)
    assert "is not listed: the disk is full" in caplog.text
    with pytest.raises(Internal, match="disk is full"):
        await files.all(ADA)


async def test_the_same_file_at_once_is_listed_once(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "store.db") as store:
        files = Files(store, most=3)
        async with anyio.create_task_group() as tasks:
            for number in (1, 1, 1, 2, 3, 4, 5):
                tasks.start_soon(files.add, ADA, numbered(number))
        listed = await keys(files)
        assert len(listed) == len(set(listed)) == 3


async def test_all_that_another_server_has_listed_of_a_file_is_forgotten() -> None:
    store = MemoryStore()
    for name in ("a.png", "b.png"):
        await store.put(SHELF, ADA, msgspec.json.encode(replace(FILE, name=name)), keep_s=60)
    files = Files(store)
    await files.forget(ADA, FILE.key)
    assert await files.all(ADA) == []
