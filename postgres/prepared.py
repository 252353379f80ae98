"""Statements that are run over and over: each is prepared, and taken as it stands.

psycopg writes a composed statement anew each time that it runs, and looks a long one through for
placeholders. For short transactions that is more work than all the rest. Its cursors, too, take
longer than all that has to be done for a statement that returns one value.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from psycopg import AsyncRawCursor, RawCursor, generators
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.rows import tuple_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection, Connection
    from psycopg.pq.abc import PGresult
    from psycopg.rows import TupleRow

_DONE: Final = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_numbers: Final = count()
_names: Final[WeakKeyDictionary[Connection[Any], dict[bytes, bytes]]] = WeakKeyDictionary()
"""The names under which connections have prepared statements of `value_of`."""


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


def value_of(conn: Connection[Any], statement: bytes, parameters: Sequence[object]) -> Any:  # noqa: ANN401
    """Run such a statement, which gives one row of one value, and return the value.

    The connection is in autocommit mode; the types of the parameters are always the same.

    Raises:
        psycopg.Error: it fails.
    """
    types = Transformer(conn)
    values = types.dump_sequence(parameters, [PyFormat.BINARY] * len(parameters))
    with conn.lock:
        try:
            result = _run(conn, _name_of(conn, statement, types.types), values)
        except InvalidSqlStatementName:  # psycopg forgets all that is prepared after a rollback
            del _names[conn]
            result = _run(conn, _name_of(conn, statement, types.types), values)
    types.set_pgresult(result)
    ((value,),) = types.load_rows(0, result.ntuples, tuple)
    return value


def _name_of(conn: Connection[Any], statement: bytes, types: Sequence[int] | None) -> bytes:
    names = _names.setdefault(conn, {})
    if statement not in names:
        name = b"raphus_%d" % next(_numbers)
        conn.pgconn.send_prepare(name, statement, types)
        _answer(conn)
        names[statement] = name
    return names[statement]


def _run(conn: Connection[Any], name: bytes, values: Sequence[Any]) -> PGresult:
    conn.pgconn.send_query_prepared(
        name, values, [Format.BINARY] * len(values), result_format=Format.BINARY
    )
    return _answer(conn)


def _answer(conn: Connection[Any]) -> PGresult:
    result: PGresult = conn.wait(generators.execute(conn.pgconn))[0]
    if result.status not in _DONE:
        raise error_from_result(result)
    return result
