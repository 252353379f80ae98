"""Statements that are run over and over: each is prepared, and taken as it stands.

psycopg writes a composed statement anew each time that it runs, and looks a long one through for
placeholders. For short transactions that is more work than all the rest. Its cursors, too, take
longer than all that has to be done for a statement that returns one value.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from psycopg import AsyncRawCursor, OperationalError, RawCursor, abc, generators
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.rows import tuple_row
from psycopg.waiting import Ready, Wait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection, Connection
    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGresult
    from psycopg.rows import TupleRow

_DONE: Final = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_numbers: Final = count()


class _Prepared(NamedTuple):
    """A statement of `value_of` that a connection has prepared: its name, and what encodes it.

    `formats` are those of its parameters. `values` knows each one's type by then, and does not
    know the connection, which would not be freed.
    """

    name: bytes
    values: abc.Transformer
    formats: list[Format]


_prepared: Final[WeakKeyDictionary[Connection[Any], dict[bytes, _Prepared]]] = WeakKeyDictionary()


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
    with conn.lock:
        if statement not in _prepared_on(conn):
            _prepare(conn, statement, parameters)
        try:
            return Question(conn, statement, parameters).value()
        except InvalidSqlStatementName:  # psycopg forgets all that is prepared after a rollback
            _prepare(conn, statement, parameters)
            return Question(conn, statement, parameters).value()


def is_prepared(conn: Connection[Any], statement: bytes) -> bool:
    """Tell whether `value_of` has run a statement on a connection."""
    return statement in _prepared_on(conn)


class Question:
    """Such a statement under way on a connection, on which nobody else works meanwhile.

    It has been run by `value_of` before.

    Raises:
        psycopg.Error: it cannot be sent.
    """

    def __init__(
        self, conn: Connection[Any], statement: bytes, parameters: Sequence[object]
    ) -> None:
        self._conn = conn
        name, self._values, formats = _prepared_on(conn)[statement]
        told = self._values.dump_sequence(parameters, [PyFormat.BINARY] * len(parameters))
        conn.pgconn.send_query_prepared(name, told, formats, result_format=Format.BINARY)
        self._answering = generators.execute(conn.pgconn)
        self._answer: list[PGresult] | None = None
        self._go_on(None)

    @property
    def socket(self) -> int:
        """What becomes readable when something of the answer has come."""
        return self._conn.pgconn.socket

    @property
    def is_sent(self) -> bool:
        """Whether all of it has gone out, so that there is only the answer to wait for."""
        return bool(self._wanted == Wait.R)

    def hear(self) -> bool:
        """Take what has come; tell whether that is the whole answer. It waits for nothing.

        Raises:
            psycopg.OperationalError: the connection is lost.
        """
        if self._answer is None:
            self._go_on(Ready.R)
        return self._answer is not None

    def value(self) -> Any:  # noqa: ANN401
        """Return the value; wait for what has not been heard of it.

        Raises:
            psycopg.Error: it fails.
        """
        answer = self._answer or self._conn.wait(self._rest())
        result = _first(answer)
        self._values.set_pgresult(result)
        ((value,),) = self._values.load_rows(0, result.ntuples, tuple)
        return value

    def _go_on(self, ready: Any) -> None:  # noqa: ANN401 -- what psycopg's generators are sent
        try:
            self._wanted = self._answering.send(ready)
        except StopIteration as done:
            if done.value is None:  # it has failed before, and ends at once
                raise OperationalError("the connection is lost") from None
            self._answer = done.value

    def _rest(self) -> PQGen[list[PGresult]]:
        """Wait as psycopg's generators do, from where the answer has come to."""
        while self._answer is None:
            self._go_on((yield self._wanted))
        return self._answer


def _first(answer: Sequence[PGresult]) -> PGresult:
    """Return what was answered first, unless something failed behind it.

    What a statement gives comes before its transaction is committed. Where that fails, or the
    server ends the connection meanwhile, it says so afterwards.
    """
    for result in answer:
        if result.status not in _DONE:
            raise error_from_result(result)
    return answer[0]


def _prepared_on(conn: Connection[Any]) -> dict[bytes, _Prepared]:
    return _prepared.setdefault(conn, {})


def _prepare(conn: Connection[Any], statement: bytes, parameters: Sequence[object]) -> None:
    values = Transformer(conn.adapters)
    values.dump_sequence(parameters, [PyFormat.BINARY] * len(parameters))
    name = b"raphus_%d" % next(_numbers)
    conn.pgconn.send_prepare(name, statement, values.types)
    _first(conn.wait(generators.execute(conn.pgconn)))
    _prepared_on(conn)[statement] = _Prepared(name, values, [Format.BINARY] * len(parameters))
