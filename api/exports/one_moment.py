"""Questions that are answered as everything stood at one moment, over one connection.

All of them are of one transaction, REPEATABLE READ and READ ONLY: so every page of a list shows the
same database, whatever is written meanwhile, and nothing is in two of them or in none.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg.sql import SQL, Identifier

from api.http.errors import not_now
from api.queries.database import Database, SnapshotGoneError, reading, turn_to
from api.queries.product_names import ProductNames
from api.queries.rates_file import RatesFile
from api.queries.read_side import ReadSide
from api.queries.snapshot_cache import SnapshotCache, preparing
from postgres.connections import DATABASE_ERRORS, READING
from postgres.failures import reason_of
from postgres.snapshot import READ_ONLY_SNAPSHOT
from postgres.statement import Statement
from projections.live.projector import LIVE
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.snapshots import schema_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from api.http.errors import ApiError
    from domain.revenue.rates import Rates
    from postgres.connections import AsyncConnection
    from postgres.statement import Row

EXPORTING: Final = READING._replace(
    limits={
        "statement_timeout": "60s",
        "lock_timeout": "5s",
        # Whoever takes an export may let it wait; the server's own limits end that sooner.
        "idle_in_transaction_session_timeout": "2min",
        "client_connection_check_interval": "1s",
    },
    settings={**READING.settings, "search_path": LIVE},
)
"""For exports: nobody waits for a page, but the transaction must not stay for ever."""
_ANY_TABLE: Final = Statement("SELECT FROM subscriptions LIMIT 0", {})


async def stood_at(read_side: ReadSide, known_at: datetime | None) -> int | None:
    """Have the read models built as they were known at a time, if one is given; return where.

    It is done before the moment, at which they must stand already.

    Raises:
        ApiError: 503; they are still being built, or the database is away.
    """
    position = await read_side.snapshots.position(known_at)
    if position is not None:
        await read_side.snapshots.rows(_ANY_TABLE, position)
    return position


@asynccontextmanager
async def at_one_moment(read_side: ReadSide, known_position: int | None) -> AsyncIterator[ReadSide]:
    """Yield what answers as everything stands now, until the block ends.

    What was known at a time is answered of `known_position` alone, as `stood_at` has told it.

    Raises:
        ApiError: 503; the database is away, or what was known then was dropped just now.
    """
    conninfo = read_side.database.conninfo
    try:
        conn = await reading(conninfo, EXPORTING, "raphus-export")
    except DATABASE_ERRORS as error:
        raise _failed(error) from error
    async with conn, conn.transaction():
        database = _OneMoment(conninfo, conn)
        await database.begin(known_position)
        yield ReadSide(
            database,
            _KnownThen(conninfo, database),
            ProductNames(database),
            replace(read_side.rules, rates=_RatesOfNow(read_side.rules.rates)),
            business_id=read_side.business_id,
        )


class _OneMoment(Database):
    """One connection, in the transaction that the caller has begun."""

    def __init__(self, conninfo: str, conn: AsyncConnection) -> None:
        super().__init__(conninfo)
        self._conn = conn
        self._reads: int | None = None

    async def begin(self, known_position: int | None) -> None:
        """Take the snapshot of the database, in which these read models must be whole."""
        try:
            await self._conn.execute(READ_ONLY_SNAPSHOT)
            if known_position is not None:
                await self._keep(known_position)
        except (
            SnapshotGoneError,
            psycopg.errors.UndefinedTable,
            psycopg.errors.InvalidSchemaName,
        ) as error:
            raise preparing() from error
        except psycopg.Error as error:
            raise _failed(error) from error

    async def _keep(self, position: int) -> None:
        """Let nobody drop the read models of a position; what is locked is what there is."""
        schema = schema_at(position)
        tables = SQL(", ").join(Identifier(schema, model.table) for model in READ_MODELS)
        await self._conn.execute(SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(tables))
        await turn_to(self._conn, position)
        self._reads = position

    async def rows(self, statement: Statement, known_position: int | None = None) -> list[Row]:
        """Run a statement, and return its rows.

        Raises:
            ApiError: 503; the database is away, or has too much to do.
        """
        try:
            if known_position != self._reads:
                schema = LIVE if known_position is None else schema_at(known_position)
                path = SQL("SET LOCAL search_path = {}").format(Identifier(schema))
                await self._conn.execute(path)
                self._reads = known_position
            async with self._conn.cursor(binary=True) as cursor:
                await cursor.execute(statement.sql.encode(), statement.params)
                return await cursor.fetchall()
        except DATABASE_ERRORS as error:
            raise _failed(error) from error

    async def change(self, statement: Statement) -> list[Row]:
        """Change nothing: an export only reads."""
        raise NotImplementedError


class _KnownThen(SnapshotCache):
    """The read models as known at a position, which stand already: nothing is built."""

    async def rows(self, statement: Statement, position: int | None) -> list[Row]:
        """Run a statement on the read models as known at a position, or on the live ones."""
        return await self._database.rows(statement, position)


class _RatesOfNow(RatesFile):
    """The rates as they are, whatever becomes of their file."""

    def __init__(self, file: RatesFile) -> None:
        super().__init__(file.path)
        self._now = file.current()
        self.problem = file.problem

    def current(self) -> Rates | None:
        """Return the rates."""
        return self._now


def _failed(error: psycopg.Error) -> ApiError:
    return not_now("unavailable", reason_of(error))
