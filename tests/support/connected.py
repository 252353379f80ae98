"""Connections to databases that tests look into, each kept for the next look.

To connect takes a hundred times what most looks take, and what is first read over a new connection
costs it the catalogue of each table.
"""

from __future__ import annotations

import atexit
from collections import defaultdict
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import ExecStatus, TransactionStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME: Final = "tests"
"""By which the server knows them: they are there while nobody looks."""
_idle: Final = defaultdict[str, list[psycopg.Connection]](list)


@contextmanager
def connected(conninfo: str, *, autocommit: bool = False) -> Iterator[psycopg.Connection]:
    """Give a connection that nobody else has, as a new one is; commit what is done in the block.

    Raises:
        psycopg.OperationalError: there is no database.
    """
    conn = _kept(conninfo) or _new(conninfo)
    conn.autocommit = autocommit
    try:
        yield conn
        if not conn.closed:
            conn.commit()
        clean = _asked(conn, b"DISCARD ALL")  # what was set, locked or listened to, as at its end
    except BaseException:
        conn.close()
        raise
    if clean:
        _idle[conninfo].append(conn)
    else:
        conn.close()


def disconnect(conninfo: str) -> None:
    """End those to one database: it is to be copied, or removed."""
    for conn in _idle.pop(conninfo, []):
        conn.close()


def _kept(conninfo: str) -> psycopg.Connection | None:
    """Return one that is still there: its process may have been ended meanwhile."""
    with suppress(IndexError):  # none is left; several threads may look
        while True:
            conn = _idle[conninfo].pop()
            if _asked(conn, b""):
                return conn
            conn.close()
    return None


def _new(conninfo: str) -> psycopg.Connection:
    # Nothing is prepared: of a table that is replaced, the next look is at the new one.
    named = make_conninfo(conninfo, application_name=NAME)
    return psycopg.connect(named, prepare_threshold=None)


def _asked(conn: psycopg.Connection, statement: bytes) -> bool:
    """Tell whether the server does something outside of a transaction."""
    with suppress(psycopg.Error):
        if conn.pgconn.transaction_status == TransactionStatus.IDLE:
            status = conn.pgconn.exec_(statement).status
            return status in {ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY}
    return False


def _disconnect_all() -> None:
    for conninfo in [*_idle]:
        disconnect(conninfo)


atexit.register(_disconnect_all)
