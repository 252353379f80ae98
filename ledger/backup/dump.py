"""Everything that cannot be built anew, as it stands at one moment, written into an archive."""

from __future__ import annotations

from contextlib import closing
from importlib import metadata
from typing import IO, TYPE_CHECKING, Any, Final, LiteralString

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from ledger.backup.archive import FORMAT, BackupError, Header, Table, Writer
from ledger.integrity.verify import head
from migrations.runner import applied_to
from postgres.connections import WORKING, connect
from postgres.snapshot import BY_INDEX, READ_ONLY_SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

    from telemetry.progress import Progress

SCHEMA: Final = "raphus"
LOG: Final = "ledger_events"
TABLES: Final = (
    LOG,
    "clock_corrections",
    "projections_tracking",
    "windmill_outbox",
    "windmill_attempts",
    "api_keys",
    "import_places",
    "reconciliations",
    "reconciliation_findings",
    "upkeep_jobs",
    "announcing",
    "announced_access",
    "announced_anomalies",
)
"""What a backup holds, each after those that it refers to. The read models follow from the log."""
PHASE: Final = "back up"
PROGRESS_ROWS: Final = 500
# The log in order, through its index: to sort it would take its size in disk.
_ORDER: Final[dict[str, LiteralString]] = {LOG: " ORDER BY notification_id"}
AS_TEXT: Final = """
    SET LOCAL client_encoding = 'UTF8'; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO';
    SET LOCAL IntervalStyle = 'postgres'; SET LOCAL bytea_output = 'hex'
"""
"""So that values mean the same wherever they are read."""
_PRESENT: Final = """
    SELECT name FROM unnest(%s::text[]) WITH ORDINALITY AS wanted (name, place)
    WHERE to_regclass(format('raphus.%%I', name)) IS NOT NULL ORDER BY place
"""
_COLUMNS: Final = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = format('raphus.%%I', %s::text)::regclass
    AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""


def dump(conninfo: str, file: IO[bytes], progress: Progress) -> Header:
    """Write an archive of the database as it is when the call begins; return what it is of.

    Everybody else goes on reading and writing meanwhile. The database is not changed.

    Raises:
        BackupError: there is nothing of Raphus in it.
        MigrationError: a newer release has made its tables.
        psycopg.Error: it went away. What has been written is not whole, and shows it.
        OSError: the file cannot be written.
    """
    with connect(conninfo, WORKING, "raphus-backup") as conn:
        applied = applied_to(conn)
        if not applied:
            raise BackupError("there is nothing to back up: the database has no tables of Raphus")
        names = present(conn)
        with conn.transaction():
            conn.execute(READ_ONLY_SNAPSHOT)
            conn.execute(BY_INDEX)
            conn.execute(AS_TEXT)
            # Before the snapshot is taken, so that no migration changes them under it.
            conn.execute(_locked(names))
            if applied_to(conn) != applied:
                raise BackupError("the database was migrated just now: try again")
            release = metadata.version("raphus")
            header = Header(FORMAT, release, _now(conn), str(head(conn)), tuple(applied))
            writer = Writer(file, header)
            for name in names:
                table = _described(conn, name)
                # Closed also where the file cannot be written: its COPY holds the connection.
                with closing(_rows(conn, table, progress)) as rows:
                    writer.add(table, rows)
            writer.end()
            return header


def present(conn: psycopg.Connection[Any]) -> list[str]:
    """Return those of `TABLES` that the migrations have made so far."""
    return [name for (name,) in conn.execute(_PRESENT, [list(TABLES)])]


def columns_of(conn: psycopg.Connection[Any], table: str) -> tuple[str, ...]:
    """Return the columns of a table that can be written."""
    return tuple(name for (name,) in conn.execute(_COLUMNS, [table]))


def _locked(names: list[str]) -> Composed:
    tables = SQL(", ").join(Identifier(SCHEMA, name) for name in names)
    return SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(tables)


def _now(conn: psycopg.Connection[Any]) -> datetime:
    ((now,),) = conn.execute("SELECT now()").fetchall()
    found: datetime = now
    return found


def _described(conn: psycopg.Connection[Any], name: str) -> Table:
    # Positions are dense: to count the log would be to read it once more.
    if name == LOG:
        rows = head(conn).position
    else:
        count = SQL("SELECT count(*) FROM {}").format(Identifier(SCHEMA, name))
        ((rows,),) = conn.execute(count).fetchall()
    return Table(name, columns_of(conn, name), rows)


def _rows(
    conn: psycopg.Connection[Any], table: Table, progress: Progress
) -> Generator[bytes, None, None]:
    statement = SQL("COPY (SELECT {} FROM {}{}) TO STDOUT").format(
        SQL(", ").join(map(Identifier, table.columns)),
        Identifier(SCHEMA, table.name),
        SQL(_ORDER.get(table.name, "")),
    )
    phase = f"{PHASE} {table.name}"
    done = 0
    with conn.cursor() as curs, curs.copy(statement) as copy:
        for done, row in enumerate(copy, start=1):
            yield bytes(row)
            if done % PROGRESS_ROWS == 0:
                progress(phase, done, max(done, table.rows))
    progress(phase, done, done)
