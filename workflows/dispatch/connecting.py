"""The database connections of the dispatcher, and the lock that lets one process dispatch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from postgres.advisory_locks import try_lock_async
from postgres.connections import FOLLOWING, connect_async

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from postgres.advisory_locks import AdvisoryLock
    from postgres.connections import AsyncConnection

_LEAD_EVERY_S: Final = 0.5
"""How often a process that does not send asks whether it may."""


async def connected_within(
    stack: AsyncExitStack, conninfo: str, name: str, *, instead_of: AsyncConnection | None = None
) -> AsyncConnection:
    """Connect until a stack is left.

    Raises:
        psycopg.OperationalError: there is no database.
    """
    conn = await connect_async(conninfo, FOLLOWING, name, instead_of=instead_of)
    stack.push_async_callback(conn.close)
    return conn


async def lead(conn: AsyncConnection, lock: AdvisoryLock) -> None:
    """Return once this connection has an advisory lock, however long it takes.

    Raises:
        psycopg.Error: the database went away.
    """
    while True:
        if await try_lock_async(conn, lock):
            return
        await asyncio.sleep(_LEAD_EVERY_S)
