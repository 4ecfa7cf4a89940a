"""The port `Store` in one SQLite file, which any number of processes may share.

All calls of one store run on a worker thread, one at a time.  A caller that is cancelled while its
call runs waits for it: there is no half of a transaction.  The file has mode 0600, as SQLite's own
two beside it then have.  https://sqlite.org/wal.html
"""

import os
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from anyio import CapacityLimiter

from realcoze.errors import Internal, Misconfigured
from realcoze.leaving import finishing, in_thread

T = TypeVar("T")

MOST_VALUES = 100_000
"""Of one shelf, and 1 % more for a while; its oldest go, and nothing of another one."""

MOST_BYTES = 1 << 30
"""Of all values of one shelf together, likewise."""

EXPIRED_AT_ONCE = 100
"""How many expired values a `put` removes."""

BUSY_S = 5.0
"""How long a call waits for another process."""

MIGRATIONS = (
    """
    CREATE TABLE kept (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        shelf TEXT NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,
        until REAL NOT NULL
    );
    CREATE INDEX kept_by_key ON kept (shelf, key);
    CREATE INDEX kept_by_end ON kept (until);
    """,
)
"""Script n makes version n + 1 of the file; one that was released never changes."""

_NEWEST = "SELECT number, value FROM kept WHERE shelf = ? AND key = ? AND until > ? ORDER BY number DESC LIMIT 1"
_EXPIRE = "DELETE FROM kept WHERE number IN (SELECT number FROM kept WHERE until <= ? LIMIT ?)"
_EACH = "SELECT value FROM kept WHERE shelf = ? AND key = ? AND until > ? ORDER BY number DESC"
_REMOVE = "DELETE FROM kept WHERE shelf = ? AND key = ? AND value = ? RETURNING until > ?"
_BOUND = """
    DELETE FROM kept WHERE number IN (
        SELECT number FROM (
            SELECT number, row_number() OVER newest AS place, sum(length(value)) OVER newest AS bytes FROM kept
            WHERE shelf = ? WINDOW newest AS (ORDER BY number DESC)
        ) WHERE place > ? OR bytes > ?
    )
"""
"""Walks along the whole shelf, and so is not run at each `put` on a large one: 0.15 s for 100 000 (2026-11-23)."""


@dataclass(slots=True)
class _Since:
    """What was put on a shelf since it was last bounded."""

    puts: int = 0
    bytes: int = 0


class SqliteStore:
    """Made by `open_sqlite`."""

    def __init__(self, connection: sqlite3.Connection, *, most: int, most_bytes: int, now: Callable[[], float]) -> None:
        self._connection = connection
        self._most = most
        self._most_bytes = most_bytes
        self._since: defaultdict[str, _Since] = defaultdict(_Since)
        self._now = now
        self._one = CapacityLimiter(1)
        self._in_use = threading.Lock()
        """By a thread, which goes on alone where a server that ends has cancelled who waited for it."""

    async def put(self, shelf: str, key: str, value: bytes, *, keep_s: float) -> None:
        """See `Store`.  Removes some of what has expired, too."""
        await self._run(partial(self._put, shelf, key, value, keep_s))

    async def take(self, shelf: str, key: str) -> bytes | None:
        """See `Store`.  Two processes never take the same value."""
        return await self._run(partial(self._take, shelf, key))

    async def get(self, shelf: str, key: str) -> bytes | None:
        """See `Store`."""
        newest = await self._run(partial(self._newest, shelf, key))
        return newest[1] if newest else None

    async def replace(self, shelf: str, key: str, value: bytes, *, keep_s: float) -> None:
        """See `Store`."""
        await self._run(partial(self._replace, shelf, key, value, keep_s))

    async def each(self, shelf: str, key: str) -> Sequence[bytes]:
        """See `Store`."""
        return await self._run(partial(self._each, shelf, key))

    async def remove(self, shelf: str, key: str, value: bytes) -> bool:
        """See `Store`."""
        return await self._run(partial(self._remove, shelf, key, value))

    def _alone(self, work: Callable[[], T]) -> T:
        with self._in_use:
            return work()

    async def close(self) -> None:
        """When the last thread has left it."""
        with finishing():
            await self._run(self._connection.close)

    async def _run(self, work: Callable[[], T]) -> T:
        """Not abandoned when its caller leaves, or its scope is cancelled: the thread is waited for."""
        try:
            return await in_thread(partial(self._alone, work), limiter=self._one)
        except sqlite3.Error as error:
            raise Internal(f"The store of conversations failed: {error}.", code="store_failed") from error

    def _put(self, shelf: str, key: str, value: bytes, keep_s: float) -> None:
        with _transaction(self._connection):
            self._insert(shelf, key, value, keep_s)

    def _replace(self, shelf: str, key: str, value: bytes, keep_s: float) -> None:
        with _transaction(self._connection):
            self._connection.execute("DELETE FROM kept WHERE shelf = ? AND key = ?", (shelf, key))
            self._insert(shelf, key, value, keep_s)

    def _insert(self, shelf: str, key: str, value: bytes, keep_s: float) -> None:
        now = self._now()
        self._connection.execute(_EXPIRE, (now, EXPIRED_AT_ONCE))
        row = (shelf, key, value, now + keep_s)
        self._connection.execute("INSERT INTO kept (shelf, key, value, until) VALUES (?, ?, ?, ?)", row)
        since = self._since[shelf]
        since.puts += 1
        since.bytes += len(value)
        if since.puts > self._most // 100 or since.bytes > self._most_bytes // 100:
            self._connection.execute(_BOUND, (shelf, self._most, self._most_bytes))
            del self._since[shelf]

    def _take(self, shelf: str, key: str) -> bytes | None:
        with _transaction(self._connection):
            newest = self._newest(shelf, key)
            if newest is None:
                return None
            number, value = newest
            self._connection.execute("DELETE FROM kept WHERE number = ?", (number,))
        return value

    def _each(self, shelf: str, key: str) -> list[bytes]:
        return [value for (value,) in self._connection.execute(_EACH, (shelf, key, self._now()))]

    def _remove(self, shelf: str, key: str, value: bytes) -> bool:
        with _transaction(self._connection):
            gone = self._connection.execute(_REMOVE, (shelf, key, value, self._now())).fetchall()
        return (1,) in gone

    def _newest(self, shelf: str, key: str) -> tuple[int, bytes] | None:
        rows: list[tuple[int, bytes]] = self._connection.execute(_NEWEST, (shelf, key, self._now())).fetchall()
        return rows[0] if rows else None


@asynccontextmanager
async def open_sqlite(
    path: Path,
    *,
    most: int = MOST_VALUES,
    most_bytes: int = MOST_BYTES,
    now: Callable[[], float] = time.time,
) -> AsyncIterator[SqliteStore]:
    """The store for as long as the block lasts; `now` gives Unix seconds.  Folder and file are made.

    Raises `Misconfigured` for a file that is no database, another program's, or a newer version's.
    """
    connection = await in_thread(partial(_opened, path))
    store = SqliteStore(connection, most=most, most_bytes=most_bytes, now=now)
    try:
        yield store
    finally:
        await store.close()


def _opened(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        # Each call has its turn (`_one`), and a thread that goes on alone the lock (`_in_use`).
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, f"cannot be opened: {error}") from error
    try:
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")  # what is removed is words that somebody said
        _migrate(connection, path)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise _unusable(path, f"cannot be used: {error}") from error
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Keep a write-ahead log; whoever does this to a new file at the same moment is waited for.

    SQLite itself may give up on this one step at once, whatever the connection's timeout.
    """
    until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to the newest version, step by step; another process may do the same."""
    with _transaction(connection):
        version = _number(connection, "PRAGMA user_version")
        if version > len(MIGRATIONS):
            raise _unusable(path, f"is of version {version}, and this realcoze knows {len(MIGRATIONS)} at the most")
        if version == 0 and _number(connection, "SELECT count(*) FROM sqlite_master"):
            raise _unusable(path, "is a database of another program")
        for script in MIGRATIONS[version:]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _number(connection: sqlite3.Connection, sql: str) -> int:
    with closing(connection.execute(sql)) as rows:
        return int(rows.fetchone()[0])


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and nobody else writes in between."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite has rolled some failures back itself
            connection.execute("ROLLBACK")
        raise


def _unusable(path: Path, what: str) -> Misconfigured:
    return Misconfigured(
        f"The store of conversations, {path}, {what}.",
        hint='Name another file as `path` of [store], move this one away, or set kind = "memory" there.',
    )
