"""The table of keys, as commands ask and change it: on the database, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.database import database
from postgres.connections import WORKING, connect

if TYPE_CHECKING:
    from cli.settings import Settings
    from postgres.statement import Row, Statement


def asked(settings: Settings, statement: Statement) -> list[Row]:
    """Run a statement, committed when this returns, and return its rows.

    Raises:
        UnreachableError, EmbeddedPostgresError, MigrationError: there is no database to ask.
        psycopg.Error: it went away.
    """
    with database(settings) as conninfo, connect(conninfo, WORKING, "raphus-keys") as conn:
        return conn.execute(statement.sql.encode(), statement.params).fetchall()


def changed(settings: Settings, statement: Statement) -> bool:
    """Run a statement that returns what it has changed; tell whether there was anything.

    Raises:
        As for `asked`.
    """
    return bool(asked(settings, statement))
