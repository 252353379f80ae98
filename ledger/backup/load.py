"""An archive read into a database that has nothing of Raphus, all of it or nothing."""

from __future__ import annotations

from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from ledger.backup.archive import BackupError
from ledger.backup.dump import AS_TEXT, PROGRESS_ROWS, SCHEMA, columns_of, present
from ledger.following.checkpoint import ProjectionTracking
from ledger.integrity.verify import head
from migrations.runner import make_as
from postgres.connections import WORKING, connect

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from ledger.backup.archive import Reader, Table
    from telemetry.progress import Progress

PHASE: Final = "restore"
_SETTINGS: Final = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"
_SEQUENCES: Final = """
    SELECT attname, pg_get_serial_sequence(attrelid::regclass::text, attname) FROM pg_attribute
    WHERE attrelid = format('raphus.%%I', %s::text)::regclass AND attnum > 0 AND NOT attisdropped
    AND pg_get_serial_sequence(attrelid::regclass::text, attname) IS NOT NULL
"""
_NOT_STORABLE: Final = (psycopg.DataError, psycopg.IntegrityError)
"""Their text quotes rows."""


def load(conninfo: str, archive: Reader, progress: Progress) -> None:
    """Make the tables as they were when the backup was made, and fill them, in one transaction.

    The read models stay empty, and are to follow the log from its first event.

    Raises:
        BackupError: the archive is not whole, or not what its first line says.
        MigrationError: a newer release has made it; or the database is not empty.
        psycopg.Error: the database went away, or refuses. Nothing is restored.
    """
    with connect(conninfo, WORKING, "raphus-restore") as conn, conn.transaction():
        conn.execute(_SETTINGS)
        conn.execute(AS_TEXT)
        make_as(conn, archive.header.migrations, "the backup")
        for name in present(conn):
            # What the migrations have put there.
            conn.execute(SQL("DELETE FROM {}").format(Identifier(SCHEMA, name)))
        tables = archive.tables()
        for table, rows in tables:
            if problem := _store(conn, table, _counted(table, rows, progress)):
                _read_on(rows, tables)
                raise BackupError(problem)
            _continue_sequences(conn, table.name)
            conn.execute(SQL("ANALYZE {}").format(Identifier(SCHEMA, table.name)))
        if head(conn) != archive.head:
            raise BackupError("it is damaged: its log does not end at the head that it names")
        ProjectionTracking().begin_anew(conn)


def _store(
    conn: psycopg.Connection[Any], table: Table, rows: Generator[bytes, None, None]
) -> str | None:
    """Fill a table; return why it cannot be filled, if so."""
    columns = columns_of(conn, table.name) if table.name in present(conn) else ()
    if unknown := sorted(set(table.columns) - set(columns)):
        return f"its table {table.name} has what this release does not know: {', '.join(unknown)}"
    try:
        with closing(rows), conn.cursor() as curs, curs.copy(_copy(table)) as copy:
            for row in rows:
                copy.write(row)
    except _NOT_STORABLE as error:
        return f"rows of {table.name} cannot be stored ({type(error).__name__})"
    return None


def _read_on(rows: Iterator[bytes], tables: Iterator[tuple[Table, Iterator[bytes]]]) -> None:
    """Read to the end, which raises if the archive is damaged: that explains all else."""
    for _ in chain(rows, chain.from_iterable(others for _, others in tables)):
        pass


def _copy(table: Table) -> Composed:
    columns = SQL(", ").join(map(Identifier, table.columns))
    return SQL("COPY {} ({}) FROM STDIN").format(Identifier(SCHEMA, table.name), columns)


def _counted(
    table: Table, rows: Iterator[bytes], progress: Progress
) -> Generator[bytes, None, None]:
    phase, done = f"{PHASE} {table.name}", 0
    for done, row in enumerate(rows, start=1):
        yield row
        if done % PROGRESS_ROWS == 0:
            progress(phase, done, max(done, table.rows))
    progress(phase, done, done)


def _continue_sequences(conn: psycopg.Connection[Any], table: str) -> None:
    """Let numbers that the database gives go on behind the last that it has given."""
    for column, sequence in conn.execute(_SEQUENCES, [table]).fetchall():
        conn.execute(
            SQL("SELECT setval(%s, coalesce(max({}), 0) + 1, false) FROM {}").format(
                Identifier(column), Identifier(SCHEMA, table)
            ),
            [sequence],
        )
