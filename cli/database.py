"""The database that the settings mean, running while it is used."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from migrations import runner
from postgres.embedded import EmbeddedPostgres
from postgres.failures import full_reason_of
from telemetry.errors import RaphusError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.settings import Settings

_log = logging.getLogger(__name__)


class UnreachableError(RaphusError):
    """The database that DATABASE_URL names does not answer."""


@contextmanager
def database(settings: Settings, *, migrate: bool = True) -> Iterator[str]:
    """Yield how to connect, every migration applied; embedded PostgreSQL runs meanwhile.

    Raises:
        UnreachableError: the database does not answer.
        EmbeddedPostgresError: the embedded one cannot be run.
        MigrationError: the database is not one that this release can use.
    """
    if settings.database_url is not None:
        if migrate:
            migrated(settings.database_url)
        yield settings.database_url
        return
    with EmbeddedPostgres(settings.home) as postgres:
        if migrate:
            migrated(postgres.url)
        yield postgres.url


def migrated(conninfo: str) -> list[str]:
    """Apply what is pending and return its names.

    Raises:
        UnreachableError: the database does not answer.
        MigrationError: the database is not one that this release can use.
    """
    try:
        applied = runner.migrate(conninfo)
    except psycopg.OperationalError as error:
        raise UnreachableError(f"the database cannot be used: {full_reason_of(error)}") from error
    for name in applied:
        _log.info("migration %s is applied", name)
    return applied
