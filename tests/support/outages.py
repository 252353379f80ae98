"""What can happen to a database: its backends are killed, it is away, its log is locked."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from tests.support.connected import NAME, connected
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

_TERMINATE = """
    SELECT count(*) FILTER (WHERE pg_terminate_backend(pid) AND application_name <> %s)
    FROM pg_stat_activity
    WHERE datname = %s AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_LET_IN = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity WHERE backend_type = 'client backend'
        AND (datname = %s OR datid IS NULL AND backend_start < %s)
    )
"""


def beside(conninfo: str) -> str:
    """Return where the database next to this one is, from which this one can be managed."""
    return make_conninfo(conninfo, dbname="postgres")


def terminate_backends(conn: psycopg.Connection, conninfo: str) -> int:
    """End every other connection to the database, and return how many not of tests there were."""
    ended = conn.execute(_TERMINATE, [NAME, _name(conninfo)]).fetchone()
    assert ended is not None
    return int(ended[0])


def kill_at_random(conninfo: str, kills: int, seed: int) -> None:
    """End connections to the database every now and then, until so many were ended in all."""
    moments, killed = random.Random(seed), 0
    with connected(beside(conninfo), autocommit=True) as conn:
        while killed < kills:
            conn.execute("SELECT pg_sleep(%s)", [moments.uniform(0.1, 0.4)])
            killed += terminate_backends(conn, conninfo)


@contextmanager
def away(conninfo: str) -> Iterator[None]:
    """End all connections to the database and let in no others, for as long as this is open."""
    allow = SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
    name = Identifier(_name(conninfo))
    with connected(beside(conninfo), autocommit=True) as conn:
        conn.execute(allow.format(name, SQL("false")))
        try:
            ((closed_at,),) = conn.execute("SELECT clock_timestamp()").fetchall()

            def is_closed() -> bool:
                terminate_backends(conn, conninfo)
                # One that began before may have been let in, and not yet say to where.
                ((is_any,),) = conn.execute(_LET_IN, [_name(conninfo), closed_at]).fetchall()
                return not is_any

            until(is_closed)
            yield
        finally:
            conn.execute(allow.format(name, SQL("true")))


@contextmanager
def locked(conninfo: str) -> Iterator[None]:
    """Hold the log against every writer, as an older release, or who makes an index, does."""
    with connected(conninfo) as conn:
        conn.execute("LOCK TABLE raphus.ledger_events IN EXCLUSIVE MODE")
        yield


def _name(conninfo: str) -> str:
    return str(conninfo_to_dict(conninfo)["dbname"])
