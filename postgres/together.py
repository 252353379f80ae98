"""Statements that are sent at once and answered together: one round trip, however many they are.

psycopg has pipelines, but looks for answers at each statement that it sends, so that they take as
much processor time as without. Here the server has all of them before it is listened to.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many, send
from psycopg.pq import ExecStatus, Format, TransactionStatus

from postgres.connections import Connection

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Sequence

    from psycopg import abc
    from psycopg.pq.abc import PGconn, PGresult
    from psycopg.rows import TupleRow

    from postgres.connections import Prepared

PREPARED_MAX: Final = 128
"""So many statements are kept prepared on a connection; the one that was used longest ago goes."""


class Sent(NamedTuple):
    """A statement whose parameters are $1, $2 …, and whether its values come in binary form."""

    text: bytes
    parameters: Sequence[object] = ()
    binary: bool = False


BEGIN: Final = Sent(b"BEGIN")
COMMIT: Final = Sent(b"COMMIT")
ROLLBACK: Final = Sent(b"ROLLBACK")

_names: Final = (b"together_%d" % number for number in count())


class _Ready(NamedTuple):
    """A statement that is ready to be sent, and what will read the values of its answer."""

    key: Prepared
    parameters: Sequence[abc.Buffer | None]
    formats: Sequence[Format] | None
    binary: bool
    values: abc.Transformer


def together(conn: psycopg.Connection[Any], statements: Sequence[Sent]) -> list[list[TupleRow]]:
    """Run statements one after the other, and return the rows of each.

    Those behind one that fails are not run. Where a transaction has begun, it is left as that one
    has left it, to be rolled back; else nothing is done of any of them. On a connection that keeps
    plans each is prepared once.

    Raises:
        psycopg.Error: the first one that failed, and why.
    """
    if not statements:
        return []
    ready = [_ready(conn, one) for one in statements]
    with conn.lock:
        known = conn.prepared if isinstance(conn, Connection) else None
        answers: list[list[PGresult]] = []
        try:
            awaited = _send(conn.pgconn, ready, known)
            conn.wait(_receive(conn.pgconn, len(awaited) + 1, answers))
            conn.pgconn.exit_pipeline_mode()
        except BaseException as error:
            conn.close()  # nobody knows what is still to come
            failed = _failed(answers)
            if failed is None or not isinstance(error, psycopg.Error):
                raise
            raise error_from_result(failed) from None
        if (failed := _failed(answers)) is not None:
            if known is not None:
                known.clear()  # what was to be prepared behind it is not
            raise error_from_result(failed)
    return [
        _rows(values, answer)
        for values, answer in zip(awaited, answers, strict=False)
        if values is not None
    ]


def roll_back(conn: psycopg.Connection[Any]) -> None:
    """End the transaction, if there is one that can be ended.

    psycopg would forget with it what it has prepared.
    """
    with suppress(psycopg.Error):  # the server ends it with the connection
        if conn.info.transaction_status != TransactionStatus.IDLE:
            together(conn, [ROLLBACK])


def _ready(conn: psycopg.Connection[Any], one: Sent) -> _Ready:
    values = Transformer(conn)
    if not one.parameters:
        return _Ready((one.text, ()), (), None, one.binary, values)
    parameters = values.dump_sequence(one.parameters, [PyFormat.AUTO] * len(one.parameters))
    return _Ready((one.text, values.types or ()), parameters, values.formats, one.binary, values)


def _send(
    pgconn: PGconn, ready: Sequence[_Ready], known: OrderedDict[Prepared, bytes] | None
) -> list[abc.Transformer | None]:
    """Send statements, prepared where that is known of; return what reads each of the answers."""
    awaited: list[abc.Transformer | None] = []
    pgconn.enter_pipeline_mode()
    for key, parameters, formats, binary, values in ready:
        format_ = Format.BINARY if binary else Format.TEXT
        if known is None:
            text, types = key
            pgconn.send_query_params(text, parameters, types, formats, format_)
            awaited.append(values)
            continue
        name = known.get(key)
        if name is None:
            name = known[key] = next(_names)
            pgconn.send_prepare(name, *key)
            awaited.append(None)
        known.move_to_end(key)
        pgconn.send_query_prepared(name, parameters, formats, format_)
        awaited.append(values)
    while known is not None and len(known) > max(PREPARED_MAX, len(ready)):
        _, name = known.popitem(last=False)
        pgconn.send_query_params(b"DEALLOCATE " + name, None)
        awaited.append(None)
    pgconn.pipeline_sync()
    return awaited


def _receive(pgconn: PGconn, number: int, answers: list[list[PGresult]]) -> abc.PQGen[None]:
    """Add so many answers to a list, as psycopg's generators wait for them.

    The first may be in pieces: libpq keeps it in mind where rows were streamed before.
    """
    yield from send(pgconn)
    while len(answers) < number:
        found = yield from fetch_many(pgconn)
        if not found:
            raise psycopg.OperationalError("the connection is lost")
        answers.append(found)


def _failed(answers: Sequence[Sequence[PGresult]]) -> PGresult | None:
    pieces = chain.from_iterable(answers)
    return next((one for one in pieces if one.status == ExecStatus.FATAL_ERROR), None)


def _rows(values: abc.Transformer, answer: Sequence[PGresult]) -> list[TupleRow]:
    rows: list[TupleRow] = []
    for piece in answer:
        values.set_pgresult(piece)
        rows += values.load_rows(0, piece.ntuples, tuple)
    return rows
