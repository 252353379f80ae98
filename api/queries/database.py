"""The connections that answer questions, and make the few changes asked for.

No library's pool: one would try for ever rarer to reach a database that is away.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec
import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.json import set_json_loads

from api.http.errors import not_now
from postgres.connections import DATABASE_ERRORS, READING, connect_async
from postgres.failures import AWAY
from projections.live.projector import LIVE
from projections.rebuild.snapshots import schema_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from api.http.errors import ApiError
    from postgres.connections import AsyncConnection, Profile
    from postgres.statement import Row, Statement

CONNECTIONS_MAX: Final = 8
OF_ALL_MAX: Final = 16
"""What several processes of one server have together, of which each has two at the least."""
WAITING_MAX: Final = 512
WAIT_S: Final = 5.0
"""How long a read waits for a connection, and so for a database that is away."""
ANSWER_S: Final = 10.0
"""How long a read takes at the most, also while the database does not answer."""
PAUSE_S: Final = 0.1
"""How long at the least there is between two attempts to reach a database that is away."""
IDLE_S: Final = 600.0
"""A connection that nobody has needed for so long is closed."""

# These are errors of the database's by inheritance, on a connection with which all is well.
_BUSY: Final = (
    psycopg.errors.DiskFull,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.OutOfMemory,
    psycopg.errors.QueryCanceled,
)
_READING_LIVE: Final = READING._replace(settings={**READING.settings, "search_path": LIVE})
_TURN: Final = """
    SELECT set_config('search_path', %s, true) FROM raphus.snapshots WHERE position = %s
"""


class SnapshotGoneError(Exception):
    """The read models as known at a position do not stand."""


class _LostError(Exception):
    """The database was not reached, or the connection to it was lost."""


class Database:
    """Connections, in UTC, that only read unless a change is asked for.

    They are those of one of so many `workers`.
    """

    def __init__(self, conninfo: str, workers: int = 1) -> None:
        self._conninfo = conninfo
        self._free = asyncio.Semaphore(max(2, min(CONNECTIONS_MAX, OF_ALL_MAX // workers)))
        self._waiting = 0
        self._connecting = asyncio.Lock()
        self._idle: list[tuple[AsyncConnection, float]] = []
        """The one used last comes last, with when that was, by the monotonic clock."""

    @property
    def conninfo(self) -> str:
        """Where it is, for work that needs a connection of its own."""
        return self._conninfo

    async def close(self) -> None:
        """Disconnect; nothing may be under way."""
        await self._forget(len(self._idle))

    async def rows(self, statement: Statement, known_position: int | None = None) -> list[Row]:
        """Run a statement, in one round trip on the live read models, and return its rows.

        Raises:
            ApiError: 503; the database is away, or has too much to do.
            SnapshotGoneError: the read models as known at that position do not stand, or no more.
        """
        began = time.monotonic()
        while True:
            try:
                return await self._rows(statement, known_position, began)
            except _LostError as error:
                if time.monotonic() - began > WAIT_S:
                    raise _away() from error

    async def row(self, statement: Statement) -> Row | None:
        """Run a statement, and return its first row.

        Raises:
            ApiError: as for `rows`.
        """
        rows = await self.rows(statement)
        return rows[0] if rows else None

    async def change(self, statement: Statement) -> list[Row]:
        """Run the one statement of a transaction that writes, and return its rows.

        It is not tried again by itself: who asked decides, and must ask for what does no harm
        when it is done twice.

        Raises:
            ApiError: 503; it is not known whether it was done.
        """
        try:
            async with self._connection(time.monotonic()) as conn, conn.transaction():
                await conn.execute("SET TRANSACTION READ WRITE")
                cursor = await conn.execute(statement.sql.encode(), statement.params)
                return await cursor.fetchall()
        except _LostError as error:
            raise _away() from error

    async def _rows(
        self, statement: Statement, known_position: int | None, began: float
    ) -> list[Row]:
        async with self._connection(began) as conn, conn.cursor(binary=True) as cursor:
            if known_position is None:
                await cursor.execute(statement.sql.encode(), statement.params)
                return await cursor.fetchall()
            async with conn.transaction():
                await turn_to(conn, known_position)
                try:
                    await cursor.execute(statement.sql.encode(), statement.params)
                except psycopg.errors.UndefinedTable as error:
                    raise SnapshotGoneError from error
                return await cursor.fetchall()

    @asynccontextmanager
    async def _connection(self, began: float) -> AsyncIterator[AsyncConnection]:
        """Yield a connection for what has begun then.

        Raises:
            ApiError: 503; none is free, or the database has too much to do.
            _LostError: the database is away.
        """
        await self._wait_for_room(began)
        try:
            conn = await self._connected(began)
            conn.give_up_at = began + ANSWER_S
            try:
                yield conn
            except _BUSY as error:
                raise not_now(
                    "too_slow", "the database needs too long for this", retry_s=10
                ) from error
            except DATABASE_ERRORS as error:
                # PostgreSQL was restarted, it may be: what else there is of it is lost, too.
                await conn.close()
                await self._forget(len(self._idle))
                raise _LostError from error
            finally:
                await self._give_back(conn)
        finally:
            self._free.release()

    async def _wait_for_room(self, began: float) -> None:
        if not self._free.locked():
            await self._free.acquire()  # at once: a time limit costs more than a short statement
            return
        if self._waiting >= WAITING_MAX:
            raise _busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(began + WAIT_S - time.monotonic()):
                await self._free.acquire()
        except TimeoutError as error:
            raise _busy() from error
        finally:
            self._waiting -= 1

    async def _connected(self, began: float) -> AsyncConnection:
        if self._idle:
            return self._idle.pop()[0]
        try:
            # One after the other: where it is away, all find that out together.
            async with asyncio.timeout(began + ANSWER_S - time.monotonic()), self._connecting:
                try:
                    return await reading(self._conninfo, _READING_LIVE, "raphus-reads")
                except DATABASE_ERRORS:
                    await asyncio.sleep(PAUSE_S)
                    raise
        except (TimeoutError, *DATABASE_ERRORS) as error:
            raise _LostError from error

    async def _give_back(self, conn: AsyncConnection) -> None:
        if conn.info.transaction_status != TransactionStatus.IDLE:
            await conn.close()
            return
        conn.give_up_at = None
        now = time.monotonic()
        self._idle.append((conn, now))
        await self._forget(sum(since < now - IDLE_S for _, since in self._idle))

    async def _forget(self, count: int) -> None:
        """Close so many of the connections that nobody uses, from the one used longest ago."""
        old, self._idle[:] = self._idle[:count], self._idle[count:]
        for conn, _ in old:
            await conn.close()


async def reading(conninfo: str, profile: Profile, name: str) -> AsyncConnection:
    """Connect to read: what is JSON in the rows is decoded as everything else here is.

    Raises:
        psycopg.OperationalError: there is no database.
    """
    conn = await connect_async(conninfo, profile, name)
    set_json_loads(msgspec.json.decode, conn)  # json would take longer than all else of a row
    return conn


async def turn_to(conn: AsyncConnection, known_position: int) -> None:
    """Have the rest of a transaction read what was known at a position.

    Tables that stand tell nothing of themselves: a crash of the database leaves them, empty. It
    empties the list of snapshots, too, and ends the transaction that has read there.

    Raises:
        SnapshotGoneError: it does not stand, or no more.
    """
    cursor = await conn.execute(_TURN, [schema_at(known_position), known_position])
    if await cursor.fetchone() is None:
        raise SnapshotGoneError


def _busy() -> ApiError:
    return not_now("busy", "no connection to the database is free")


def _away() -> ApiError:
    return not_now("unavailable", AWAY)
