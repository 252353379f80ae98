"""Failures: why the database could not do something, in words that quote no row."""

from __future__ import annotations

import psycopg


def reason_of(error: psycopg.Error) -> str:
    """Say why a statement failed, or that nobody answers.

    PostgreSQL's first line names what is wrong; its detail, which may quote a row, is left out.
    """
    return error.diag.message_primary or "the database is away"
