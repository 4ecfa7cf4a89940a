"""What the contract (tests/contract/test_stores.py) does not say: the file, and others who use it."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from realcoze.errors import Internal, Misconfigured
from realcoze.leaving import Leaving, finishing
from realcoze.stores.sqlite import MIGRATIONS, SqliteStore, open_sqlite

pytestmark = pytest.mark.usefixtures("nothing_left")

DAY_S = 24 * 3600.0
PATIENCE_S = 10.0


class StoppedClock:
    """Asked for the time within a transaction, it keeps the thread there."""

    def __init__(self) -> None:
        self.is_within, self.may_go_on = threading.Event(), threading.Event()

    def __call__(self) -> float:
        self.is_within.set()
        self.may_go_on.wait(PATIENCE_S)
        return 0.0


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_file_and_its_folder_are_private_and_so_is_what_sqlite_puts_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "store.sqlite"
    async with open_sqlite(path) as store:
        await store.put("shelf", "key", b"value", keep_s=DAY_S)
        beside = [file for file in path.parent.iterdir() if file != path]
        assert beside
        assert {_mode(file) for file in (path, *beside)} == {0o600}
    assert _mode(path.parent) == 0o700


async def test_what_was_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with open_sqlite(path) as store:
        await store.put("shelf", "key", b"1", keep_s=DAY_S)
        await store.put("shelf", "key", b"2", keep_s=DAY_S)
    async with open_sqlite(path) as store:
        assert [await store.take("shelf", "key") for _ in range(3)] == [b"2", b"1", None]


async def test_what_expired_during_a_restart_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with open_sqlite(path, now=lambda: 0.0) as store:
        await store.put("shelf", "key", b"1", keep_s=10)
    async with open_sqlite(path, now=lambda: 10.0) as store:
        assert await store.get("shelf", "key") is None


async def test_what_has_expired_leaves_the_file_when_something_is_put(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    now = 0.0
    async with open_sqlite(path, now=lambda: now) as store:
        for _ in range(10):
            await store.put("shelf", "key", b"old", keep_s=10)
        now = 10.0
        await store.put("shelf", "key", b"new", keep_s=10)
    with sqlite3.connect(path) as connection:
        kept = connection.execute("SELECT value FROM kept").fetchall()
    connection.close()
    assert kept == [(b"new",)]


async def test_two_who_share_a_file_take_each_value_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    taken: list[bytes] = []
    async with open_sqlite(path) as one, open_sqlite(path) as other:
        for number in range(40):
            await (one, other)[number % 2].put("shelf", "key", b"%d" % number, keep_s=DAY_S)

        async def take_all(store: object) -> None:
            while (value := await store.take("shelf", "key")) is not None:  # type: ignore[attr-defined]
                taken.append(value)

        async with anyio.create_task_group() as tasks:
            for store in (one, other, one, other):
                tasks.start_soon(take_all, store)
    assert sorted(taken) == sorted(b"%d" % number for number in range(40))


async def test_another_process_sees_the_same(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    program = f"""
import asyncio, pathlib
from realcoze.stores.sqlite import open_sqlite

async def take():
    async with open_sqlite(pathlib.Path({str(path)!r})) as store:
        print(await store.take("shelf", "key"))

asyncio.run(take())
"""
    async with open_sqlite(path) as store:
        await store.put("shelf", "key", b"value", keep_s=DAY_S)
        command = [sys.executable, "-c", program]
        said = await anyio.to_thread.run_sync(lambda: subprocess.check_output(command, text=True))
        assert said == "b'value'\n"
        assert await store.take("shelf", "key") is None


async def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"

    async def use(number: int) -> None:
        async with open_sqlite(path) as store:
            await store.put("shelf", str(number), b"value", keep_s=DAY_S)

    async with anyio.create_task_group() as tasks:
        for number in range(16):
            tasks.start_soon(use, number)
    async with open_sqlite(path) as store:
        assert [await store.get("shelf", str(number)) for number in range(16)] == [b"value"] * 16


async def _refused(path: Path) -> str:
    with pytest.raises(Misconfigured) as caught:
        async with open_sqlite(path):
            pass
    assert "[store]" in (caught.value.hint or "")
    assert str(path) in caught.value.message
    return caught.value.message


def _write(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    _write(path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    assert f"version {len(MIGRATIONS) + 1}" in await _refused(path)


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"my diary\n" * 1000)
    assert "not a database" in await _refused(path)
    assert path.read_bytes() == b"my diary\n" * 1000


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    _write(path, "CREATE TABLE recipes (name TEXT)")
    assert "another program" in await _refused(path)


async def test_a_path_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "cannot be opened" in await _refused(tmp_path / "file" / "store.sqlite")


async def test_a_failure_of_the_database_is_ours_and_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with open_sqlite(path, most=1) as store:
        await store.put("shelf", "key", b"1", keep_s=DAY_S)
        _write(path, "CREATE TRIGGER full BEFORE DELETE ON kept BEGIN SELECT raise(ABORT, 'disk full'); END")
        for call in (store.put("shelf", "key", b"2", keep_s=DAY_S), store.take("shelf", "key")):
            with pytest.raises(Internal, match="disk full") as caught:
                await call
            assert caught.value.code == "store_failed"
        assert await store.get("shelf", "key") == b"1"
        _write(path, "DROP TRIGGER full")
        await store.put("shelf", "key", b"3", keep_s=DAY_S)
        assert await store.take("shelf", "key") == b"3"


async def test_a_disk_that_is_full_is_told_of_by_its_name_and_forgotten_when_there_is_room(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "store.sqlite") as store:
        await store.put("shelf", "key", b"1", keep_s=DAY_S)
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(Internal, match="full"):
            await store.put("shelf", "key", b"x" * 100_000, keep_s=DAY_S)
        store._connection.execute("PRAGMA max_page_count = 1000000")
        await store.put("shelf", "key", b"2", keep_s=DAY_S)
        assert await store.take("shelf", "key") == b"2"


async def test_what_is_removed_leaves_no_trace_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with open_sqlite(path) as store:
        for value in (b"a secret" * 200, b"a secret", b"something else"):
            await store.put("shelf", "key", value, keep_s=DAY_S)
        await store.remove("shelf", "key", b"a secret")
        await store.remove("shelf", "key", b"a secret" * 200)
    written = path.read_bytes()
    assert (b"a secret" in written, b"something else" in written) == (False, True)


async def test_a_server_that_ends_does_not_close_the_store_under_its_thread(tmp_path: Path) -> None:
    """Its tasks are cancelled whatever they wait for, and the thread goes on."""
    now = StoppedClock()

    with anyio.fail_after(PATIENCE_S):
        async with open_sqlite(tmp_path / "store.sqlite", now=now) as store:
            task = asyncio.create_task(store.put("shelf", "key", b"1", keep_s=DAY_S))
            await anyio.to_thread.run_sync(now.is_within.wait, PATIENCE_S)
            task.cancel()
            await asyncio.wait([task])
            another = asyncio.create_task(store.put("shelf", "key", b"2", keep_s=DAY_S))
            await anyio.lowlevel.checkpoint()
            now.may_go_on.set()
            await another
        async with open_sqlite(tmp_path / "store.sqlite", now=lambda: 0.0) as store:
            assert [await store.take("shelf", "key") for _ in range(3)] == [b"2", b"1", None]


async def test_who_waits_for_its_turn_may_give_up(tmp_path: Path) -> None:
    now = StoppedClock()

    async with open_sqlite(tmp_path / "store.sqlite", now=now) as store, anyio.create_task_group() as tasks:
        tasks.start_soon(partial(store.put, "shelf", "key", b"1", keep_s=DAY_S))
        await anyio.to_thread.run_sync(now.is_within.wait, PATIENCE_S)
        with finishing(0.01) as limit:
            await store.put("shelf", "key", b"2", keep_s=DAY_S)
        assert limit.cancelled_caught
        now.may_go_on.set()


async def test_a_caller_who_leaves_within_a_transaction_does_not_break_the_store(tmp_path: Path) -> None:
    now, leaving = StoppedClock(), Leaving()

    async def keep(store: SqliteStore) -> None:
        with leaving:
            await store.put("shelf", "key", b"1", keep_s=DAY_S)
            await anyio.sleep_forever()

    async with open_sqlite(tmp_path / "store.sqlite", now=now) as store:
        with anyio.fail_after(PATIENCE_S):
            task = asyncio.create_task(keep(store))
            await anyio.to_thread.run_sync(now.is_within.wait, PATIENCE_S)
            leaving.leave()
            await anyio.lowlevel.checkpoint()
            now.may_go_on.set()
            await task
            await store.put("shelf", "key", b"2", keep_s=DAY_S)
            assert [await store.take("shelf", "key") for _ in range(3)] == [b"2", b"1", None]
