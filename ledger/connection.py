"""The connection that a thread works with the ledger on, in the place of the library's pool.

A pool waits longer and longer before it tries a database that was away again; the ledger has one
writer, which needs one connection.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from threading import get_ident, local
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from postgres.connections import DATABASE_ERRORS, WRITING, connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from postgres.connections import Connection


class ThreadConnection:
    """Connects when it is needed, and anew once that was lost; each thread for itself."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._conns: dict[int, Connection] = {}
        self._limits = local()

    @contextmanager
    def within(self, limit_s: float) -> Iterator[None]:
        """Wait for no answer longer than until so many seconds from now, until the block ends."""
        self._limits.give_up_at = time.monotonic() + limit_s
        try:
            yield
        finally:
            self._limits.give_up_at = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, *_: object) -> None:
        """Do nothing: it is opened when it is used. The library asks for this before each use."""

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Yield the connection; commit what is left open, or roll back after an error.

        Raises:
            psycopg.OperationalError: the database is away, or did not answer in time.
        """
        conn = self._connected()
        try:
            yield conn
            if conn.pgconn.transaction_status != TransactionStatus.IDLE:
                conn.commit()
        except DATABASE_ERRORS:
            conn.close()  # and so the next may find another server at the address
            raise
        except BaseException:
            with suppress(psycopg.Error):  # it is closed then, and the error at hand says more
                conn.rollback()
            raise

    @property
    def opened(self) -> Connection | None:
        """The connection of the thread that asks, None where it has none that is whole."""
        conn = self._conns.get(get_ident())
        return None if conn is None or conn.closed else conn

    def close(self) -> None:
        """Disconnect; no thread may be at work."""
        for conn in self._conns.values():
            conn.close()

    def _connected(self) -> Connection:
        thread = get_ident()
        conn = self._conns.get(thread)
        if conn is None or conn.closed:
            conn = connect(self._conninfo, WRITING, "raphus-writer", instead_of=conn)
            conn.row_factory = dict_row
            self._conns[thread] = conn
        conn.give_up_at = getattr(self._limits, "give_up_at", None)
        return conn
