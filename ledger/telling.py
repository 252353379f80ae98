"""Telling those who follow the log that it has grown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from postgres.prepared import Question, is_prepared, value_of

if TYPE_CHECKING:
    from psycopg import Connection

_TELL: Final = b"SELECT pg_notify('ledger_events', '')"


def tell(conn: Connection[Any]) -> None:
    """Tell them, in a transaction of its own where the connection is in autocommit mode.

    Raises:
        psycopg.Error: it fails.
    """
    value_of(conn, _TELL, [])


def ask_to_tell(conn: Connection[Any]) -> Question | None:
    """Ask for the same, and wait for nothing; None where `tell` has not told anybody on it yet."""
    return Question(conn, _TELL, []) if is_prepared(conn, _TELL) else None
