"""Applies the numbered SQL files, each once, each in a transaction of its own."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg.rows import tuple_row

from postgres.advisory_locks import AdvisoryLock, lock, lock_in_transaction
from postgres.connections import WORKING, connect
from postgres.failures import reason_of
from telemetry.errors import RaphusError

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER: Final = Path(__file__).parent
_NAME = re.compile(r"(?P<version>[0-9]{4})_(?P<name>[a-z0-9_]+)\.sql")
_BOOKKEEPING: Final = """
    CREATE SCHEMA IF NOT EXISTS raphus;
    CREATE TABLE IF NOT EXISTS raphus.migrations (
        version integer PRIMARY KEY,
        name text NOT NULL,
        sha256 text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )
"""

_ANYTHING: Final = """
    SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace('raphus') LIMIT 1
"""


class MigrationError(RaphusError):
    """The database and the migration files disagree; the message tells where, and what to do."""


class NotEmptyError(MigrationError):
    """The database has tables of Raphus already."""


class Applied(NamedTuple):
    """A file that a database's tables are made of; `sha256` is the hash of its content."""

    version: int
    name: str
    sha256: str


class Migration(NamedTuple):
    """One numbered file."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The hash of its content, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read(folder: Path = FOLDER) -> list[Migration]:
    """Read the files, in order.

    Raises:
        MigrationError: a file is misnamed, or the numbers are not 1, 2, 3 ….
    """
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: expected a name like 0001_what_it_does.sql")
        migrations.append(Migration(int(match["version"]), match["name"], path.read_text("utf-8")))
    if [migration.version for migration in migrations] != list(range(1, len(migrations) + 1)):
        raise MigrationError("the migration files are not numbered 1, 2, 3 … without a gap")
    return migrations


def migrate(conninfo: str, folder: Path = FOLDER) -> list[str]:
    """Apply what is pending and return its names. Safe to call from several starters at once.

    Raises:
        MigrationError: a file that was applied is changed or missing, or a file fails.
    """
    migrations = read(folder)
    with connect(conninfo, WORKING, "raphus-migrate") as conn:
        lock(conn, AdvisoryLock.MIGRATE)
        conn.execute(_BOOKKEEPING)
        applied = _applied(conn)
        _refuse_changes(migrations, applied, "the database")
        for migration in migrations[len(applied) :]:
            _apply(conn, migration)
        return [f"{new.version:04}_{new.name}" for new in migrations[len(applied) :]]


def applied_to(conn: psycopg.Connection[Any]) -> list[Applied]:
    """Return what has been applied, in order; nothing where Raphus has no tables.

    Raises:
        MigrationError: a newer release, or another one, has made the tables.
    """
    with conn.cursor(row_factory=tuple_row) as curs:
        if curs.execute("SELECT to_regclass('raphus.migrations')").fetchone() == (None,):
            return []
    applied = _applied(conn)
    _refuse_changes(read(), applied, "the database")
    return applied


def make_as(conn: psycopg.Connection[Any], applied: Sequence[Applied], of: str) -> None:
    """Make the tables as some migrations make them, in the caller's transaction.

    The schema has none yet. Whoever migrates waits until the transaction ends; `of` says, in an
    error, whose migrations these are.

    Raises:
        MigrationError: they are not the first ones of this release.
        NotEmptyError: there are tables.
    """
    migrations = read()
    _refuse_changes(migrations, applied, of)
    lock_in_transaction(conn, AdvisoryLock.MIGRATE)
    with conn.cursor(row_factory=tuple_row) as curs:
        if curs.execute(_ANYTHING).fetchone() is not None:
            raise NotEmptyError("the schema raphus of this database is not empty")
    conn.execute(_BOOKKEEPING)
    for migration in migrations[: len(applied)]:
        _apply(conn, migration)


def _applied(conn: psycopg.Connection[Any]) -> list[Applied]:
    select = "SELECT version, name, sha256 FROM raphus.migrations ORDER BY version"
    with conn.cursor(row_factory=tuple_row) as curs:
        return [Applied(*row) for row in curs.execute(select)]


def _refuse_changes(
    migrations: Sequence[Migration], applied: Sequence[Applied], whose: str
) -> None:
    if len(applied) > len(migrations):
        raise MigrationError(
            f"{whose} is at migration {len(applied)}, this release knows {len(migrations)}:"
            " run the newer release"
        )
    for migration, (version, name, sha256) in zip(migrations, applied, strict=False):
        if (migration.version, migration.name, migration.sha256) != (version, name, sha256):
            raise MigrationError(
                f"{migration.version:04}_{migration.name}.sql is not the file that was applied"
                f" as {version:04}_{name}: restore it, and put the change into a new file"
            )


def _apply(conn: psycopg.Connection[Any], migration: Migration) -> None:
    try:
        with conn.transaction():
            conn.execute(migration.sql.encode())
            conn.execute(
                "INSERT INTO raphus.migrations (version, name, sha256) VALUES (%s, %s, %s)",
                [migration.version, migration.name, migration.sha256],
            )
    except psycopg.Error as error:
        failed = f"{migration.version:04}_{migration.name}.sql failed, nothing of it is applied"
        raise MigrationError(f"{failed}: {reason_of(error)}") from error
