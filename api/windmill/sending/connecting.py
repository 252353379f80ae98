"""Connections to the database, for what starts jobs: soon noticed when they are dead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import AsyncConnection, Connection

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

DATABASE_ERRORS: Final = (psycopg.OperationalError, psycopg.InterfaceError)
"""The database is away, or too busy: nothing is wrong with what it was asked."""
_CONNECT: Final[dict[str, Any]] = {
    "autocommit": True,
    "connect_timeout": 5,
    # A server that has vanished without a word is noticed in seconds.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# A commit that a crash undoes is made again: the log is still there, and Windmill knows what it
# has been sent. So it need not wait for the disk. All statements find their rows by indexes, also
# while the planner takes a table for a small one.
_SETTINGS: Final = (
    b"SET synchronous_commit = off; SET enable_seqscan = off; SET jit = off;"
    b" SET lock_timeout = '10s'; SET statement_timeout = '60s'; SET timezone = 'UTC'"
)
_NO_LIMIT: Final = b"SET statement_timeout = 0; SET lock_timeout = 0"


def connected(conninfo: str, name: str) -> Connection[Any]:
    """Connect.

    Raises:
        psycopg.OperationalError: there is no database.
    """
    conn = psycopg.connect(conninfo, application_name=name, **_CONNECT)
    conn.execute(_SETTINGS)
    return conn


async def connected_within(stack: AsyncExitStack, conninfo: str, name: str) -> AsyncConnection[Any]:
    """Connect until a stack is left.

    Raises:
        psycopg.OperationalError: there is no database.
    """
    conn = await AsyncConnection.connect(conninfo, application_name=name, **_CONNECT)
    await stack.enter_async_context(conn)
    await conn.execute(_SETTINGS)
    return conn


async def lead(conn: AsyncConnection[Any], lock: int) -> None:
    """Wait, for as long as it takes, until this connection has an advisory lock.

    Raises:
        psycopg.Error: the database went away.
    """
    await conn.execute(_NO_LIMIT)
    await conn.execute("SELECT pg_advisory_lock(%s)", [lock])
    await conn.execute(_SETTINGS)
