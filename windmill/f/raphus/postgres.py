"""Shared: the merchant's PostgreSQL, its tables, and what has been done once and for all."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.sql import SQL, Identifier, Placeholder

from f.raphus.given import resource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import LiteralString

    from f.raphus.given import Resource

CONNECT_TIMEOUT_S = 10
TYPES: Mapping[str, LiteralString] = {
    "key": "text PRIMARY KEY",
    "text": "text",
    "count": "bigint",
    "place": "bigint NOT NULL",
    "flag": "boolean",
    "time": "timestamptz",
    "json": "jsonb",
}
FIELDS = ("host", "port", "user", "password", "dbname", "sslmode")
DONE: Mapping[str, LiteralString] = {
    "key": "text PRIMARY KEY",
    "done_at": "timestamptz NOT NULL DEFAULT clock_timestamp()",
}


def connect(database: Resource) -> psycopg.Connection[Any]:
    """Connect to a `postgresql` resource; the block that it is used in is one transaction."""
    value = resource(database)
    known = {name: value[name] for name in FIELDS if value.get(name)}
    return psycopg.connect(
        **known, connect_timeout=CONNECT_TIMEOUT_S, application_name="raphus workflows"
    )


def table(
    conn: psycopg.Connection[Any], name: str, columns: Mapping[str, LiteralString]
) -> Identifier:
    """Return a table (of a schema, as `schema.table`), which is created if it is not there."""
    identifier = Identifier(*name.split("."))
    found = conn.execute("SELECT to_regclass(%s)", (identifier.as_string(conn),)).fetchone()
    if found == (None,):
        # The first two jobs may come at once: they take turns.
        conn.execute("SELECT pg_advisory_xact_lock(hashtext('raphus workflows'))")
        declared = [SQL("{} {}").format(Identifier(c), SQL(t)) for c, t in columns.items()]
        create = SQL("CREATE TABLE IF NOT EXISTS {} ({})")
        conn.execute(create.format(identifier, SQL(", ").join(declared)))
    return identifier


def upsert(
    conn: psycopg.Connection[Any], name: str, columns: Mapping[str, str], row: Mapping[str, object]
) -> bool:
    """Write a row unless it shows a later position; tell whether it was written.

    The columns are sorts of `TYPES`, the first one is the key. What the row lacks stays as it was.
    """
    into = table(conn, name, {column: TYPES[sort] for column, sort in columns.items()})
    key, *others = row
    statement = SQL(
        "INSERT INTO {into} AS known ({columns}) VALUES ({places})"
        " ON CONFLICT ({key}) DO UPDATE SET {changes}"
        " WHERE known.position <= excluded.position"
    ).format(
        into=into,
        columns=SQL(", ").join(map(Identifier, row)),
        places=SQL(", ").join(map(Placeholder, row)),
        key=Identifier(key),
        changes=SQL(", ").join(
            SQL("{0} = excluded.{0}").format(Identifier(column)) for column in others
        ),
    )
    return conn.execute(statement, row).rowcount == 1


@contextmanager
def once(database: Resource, key: str) -> Iterator[bool]:
    """Give whether a thing is to be done, and remember it as done if the block ends well.

    A second job with the same key waits until the first has ended. Where the database is ""
    nothing is remembered, and it is always to be done.
    """
    if not database:
        yield True
        return
    with connect(database) as conn:
        done = table(conn, "raphus_done", DONE)
        insert = SQL("INSERT INTO {} (key) VALUES (%s) ON CONFLICT DO NOTHING")
        yield conn.execute(insert.format(done), (key,)).rowcount == 1
