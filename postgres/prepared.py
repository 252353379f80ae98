"""Statements that are run over and over: each is prepared, and taken as it stands.

psycopg writes a composed statement anew each time that it runs, and looks a long one through for
placeholders. For short transactions that is more work than all the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import AsyncRawCursor, RawCursor
from psycopg.rows import tuple_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection, Connection
    from psycopg.rows import TupleRow


def execute(
    conn: Connection[Any], statement: bytes, parameters: Sequence[object]
) -> RawCursor[TupleRow]:
    """Run a statement whose parameters are $1, $2 …, as PostgreSQL itself numbers them."""
    curs = RawCursor(conn, row_factory=tuple_row)
    return curs.execute(statement, parameters, prepare=True)


async def execute_async(
    conn: AsyncConnection[Any], statement: bytes, parameters: Sequence[object]
) -> AsyncRawCursor[TupleRow]:
    """Do the same on a connection of an event loop."""
    curs = AsyncRawCursor(conn, row_factory=tuple_row)
    return await curs.execute(statement, parameters, prepare=True)
