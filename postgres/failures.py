"""Why the database could not do something, in words that quote no row."""

from __future__ import annotations

from typing import Final

import psycopg

AWAY: Final = "the database is away"


def reason_of(error: psycopg.Error) -> str:
    """Say why a statement failed, or that nobody answers.

    PostgreSQL's primary message names what is wrong; its detail, which may quote a row, is left
    out.
    """
    return error.diag.message_primary or AWAY


def full_reason_of(error: psycopg.Error) -> str:
    """Say the same where somebody connects: which host does not answer, as libpq puts it."""
    lines = str(error).splitlines()
    return error.diag.message_primary or (lines[0] if lines else type(error).__name__)


def absence_of(error: BaseException) -> str:
    """Say, for the server's log, that the database is away, and by which kind of error."""
    return f"{AWAY}: {type(error).__name__}"
