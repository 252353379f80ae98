"""What an export of everything knows of its own files: beside them, in a database of its own.

A file counts from when it stands here, and what a run has come to from when it is noted: so a run
that is killed at any moment has written some files for good, and the next one goes on behind them.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from telemetry.errors import RaphusError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

NAME: Final = "state.sqlite"
LAYOUT: Final = 1
"""Of this database and of the folder; it changes with what an older release cannot go on with."""
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS noted (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS files (
        name TEXT PRIMARY KEY, of_table TEXT NOT NULL, run INTEGER NOT NULL,
        position INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
        sha256 TEXT NOT NULL, obsolete_since INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS written (
        of_table TEXT NOT NULL, key BLOB NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (of_table, key)
    ) WITHOUT ROWID;
"""
_CURRENT: Final = "run <= ?1 AND (obsolete_since IS NULL OR obsolete_since > ?1)"


class ExportError(RaphusError):
    """Everything cannot be exported there, or not now; the message says what to do."""


class File(NamedTuple):
    """A file: of which table, by which run, up to which position of the log, and what is in it."""

    name: str
    of_table: str
    run: int
    position: int
    rows: int
    bytes: int
    sha256: str


class Change(NamedTuple):
    """What a file says of a key: the hash of its row, or None where there is none any more."""

    key: bytes
    hash: bytes | None

    @property
    def parts(self) -> tuple[str, ...]:
        """The values of the key's columns, as texts."""
        return tuple(self.key.decode().split("\0"))


class State:
    """The database beside the files, which one process has at a time."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def noted(self, name: str) -> Any:  # noqa: ANN401 -- a text or a number
        """Return what was noted under a name, None where nothing was."""
        row = self._conn.execute("SELECT value FROM noted WHERE name = ?", [name]).fetchone()
        return row[0] if row else None

    def note(self, values: Mapping[str, str | int | None]) -> None:
        """Note values under their names, all of them or none."""
        with self._transaction():
            self._note(values)

    def add(
        self, file: File, changes: Sequence[Change], values: Mapping[str, str | int] | None = None
    ) -> None:
        """Let a file count that is whole and on disk, with what it changes."""
        with self._transaction():
            self._conn.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", file)
            self._conn.executemany(
                "REPLACE INTO written VALUES (?, ?, ?)",
                ((file.of_table, *one) for one in changes if one.hash is not None),
            )
            self._conn.executemany(
                "DELETE FROM written WHERE of_table = ? AND key = ?",
                ((file.of_table, one.key) for one in changes if one.hash is None),
            )
            self._note(values or {})

    def begin_anew(self, tables: Sequence[str], run: int, values: Mapping[str, str | int]) -> None:
        """Forget what was written of tables: their files count until the run has ended."""
        with self._transaction():
            for table in tables:
                self._conn.execute(
                    "UPDATE files SET obsolete_since = ? WHERE of_table = ?"
                    " AND obsolete_since IS NULL",
                    [run, table],
                )
                self._conn.execute("DELETE FROM written WHERE of_table = ?", [table])
            self._note(values)

    def written(self, table: str, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Return keys with the hashes of their rows, in order, behind a key."""
        select = "SELECT key, hash FROM written WHERE of_table = ? AND key > ? ORDER BY key LIMIT ?"
        return self._conn.execute(select, [table, after, limit]).fetchall()

    def rows(self, table: str) -> int:
        """Return how many rows of a table were written, and are there."""
        (rows,) = self._conn.execute(
            "SELECT count(*) FROM written WHERE of_table = ?", [table]
        ).fetchone()
        return int(rows)

    def files(self, run: int) -> list[File]:
        """Return the files that count once a run has ended, in the order they were written."""
        columns = ", ".join(File._fields)
        select = f"SELECT {columns} FROM files WHERE {_CURRENT} ORDER BY of_table, name"  # noqa: S608
        return [File(*row) for row in self._conn.execute(select, [run])]

    def names(self) -> set[str]:
        """Return the names of all files that count, now or for a run that has not ended."""
        return {name for (name,) in self._conn.execute("SELECT name FROM files")}

    def obsolete(self, run: int) -> list[str]:
        """Return the names of the files that do not count any more since a run has ended."""
        select = "SELECT name FROM files WHERE obsolete_since <= ?"
        return [name for (name,) in self._conn.execute(select, [run])]

    def drop_obsolete(self, run: int) -> None:
        """Forget these files."""
        with self._transaction():
            self._conn.execute("DELETE FROM files WHERE obsolete_since <= ?", [run])

    def _note(self, values: Mapping[str, str | int | None]) -> None:
        self._conn.executemany("REPLACE INTO noted VALUES (?, ?)", values.items())

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._conn.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._conn.execute("ROLLBACK")
            raise
        self._conn.execute("COMMIT")


@contextmanager
def opened(folder: Path) -> Iterator[State]:
    """Open what is known of the files of a folder; nobody else can until the block ends.

    Raises:
        ExportError: somebody else has it open, or it is of another release, or damaged.
    """
    try:
        conn = sqlite3.connect(folder / NAME, timeout=0, isolation_level=None)
        try:
            conn.execute("PRAGMA locking_mode = EXCLUSIVE")
            conn.execute("BEGIN EXCLUSIVE")  # which is kept until the process is gone
            conn.execute("COMMIT")
            conn.executescript(_SCHEMA)
            yield State(conn)
        finally:
            conn.close()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise ExportError("another export is being written into this folder") from error
        raise ExportError(f"{folder / NAME} cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        told = f"{folder / NAME} is damaged: {error}. Take another folder"
        raise ExportError(told) from error
