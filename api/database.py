"""Database: the connections that answer questions, and make the few changes asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import psycopg
from psycopg.sql import SQL, Identifier
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from api.errors import not_now
from projections.projector import LIVE

if TYPE_CHECKING:
    from projections.listing import Statement

CONNECTIONS_MAX: Final = 8
WAITING_MAX: Final = 512
WAIT_S: Final = 5.0
"""How long a read waits for a connection."""
STATEMENT_TIMEOUT_S: Final = 10

Row: TypeAlias = "tuple[object, ...]"
_LOST: Final = (psycopg.OperationalError, psycopg.InterfaceError)
# These are of the same kind by inheritance.
_NOT_LOST: Final = (PoolTimeout, TooManyRequests, psycopg.errors.QueryCanceled)


class Database:
    """A pool of connections, in UTC, that only read unless a change is asked for."""

    def __init__(self, conninfo: str) -> None:
        self._pool = AsyncConnectionPool(
            conninfo,
            kwargs={"autocommit": True, "application_name": "raphus-reads"},
            min_size=1,
            max_size=CONNECTIONS_MAX,
            max_waiting=WAITING_MAX,
            timeout=WAIT_S,
            # Not the library's 5 minutes, at whose end it tries once in 2 minutes.
            reconnect_timeout=WAIT_S,
            configure=_configure,
            open=False,
        )

    async def open(self) -> None:
        """Connect; where the database is away, go on trying behind the scenes."""
        await self._pool.open()

    async def close(self) -> None:
        """Disconnect."""
        await self._pool.close()

    async def rows(self, statement: Statement, schema: str = LIVE) -> list[Row]:
        """Run a statement, in one round trip on the live read models, and return its rows.

        Raises:
            ApiError: 503; the database is away, or has too much to do.
            psycopg.errors.UndefinedTable: there is no such schema, or no more.
        """
        try:
            try:
                return await self._rows(statement, schema)
            except _NOT_LOST:
                raise
            except _LOST:
                # PostgreSQL was restarted, it may be: what else is in the pool is lost, too.
                await self._pool.check()
                return await self._rows(statement, schema)
        except (PoolTimeout, TooManyRequests) as error:
            raise not_now("busy", "no connection to the database is free") from error
        except psycopg.errors.QueryCanceled as error:
            message = f"the database needs more than {STATEMENT_TIMEOUT_S} s for this"
            raise not_now("too_slow", message, retry_s=10) from error
        except _LOST as error:
            raise not_now("unavailable", "the database is away") from error

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
            async with self._pool.connection() as conn, conn.transaction():
                await conn.execute("SET TRANSACTION READ WRITE")
                cursor = await conn.execute(statement.sql.encode(), statement.params)
                return await cursor.fetchall()
        except _NOT_LOST as error:
            raise not_now("busy", "the database has too much to do") from error
        except _LOST as error:
            # As above: what else is in the pool is lost, too.
            await self._pool.check()
            raise not_now("unavailable", "the database is away") from error

    async def _rows(self, statement: Statement, schema: str) -> list[Row]:
        async with self._pool.connection() as conn, conn.cursor(binary=True) as cursor:
            if schema == LIVE:
                await cursor.execute(statement.sql.encode(), statement.params)
                return await cursor.fetchall()
            async with conn.transaction():
                path = SQL("SET LOCAL search_path = {}").format(Identifier(schema))
                await conn.execute(path)
                await cursor.execute(statement.sql.encode(), statement.params)
                return await cursor.fetchall()


async def _configure(conn: psycopg.AsyncConnection) -> None:
    await conn.execute(
        f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s';"
        " SET default_transaction_read_only = on; SET timezone = 'UTC';"
        f" SET search_path = {LIVE}"
    )
