"""Asking: what HTTP asks, asked without a server by the very same operations."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from api.queries.database import Database
from api.queries.read_side import ReadSide
from api.queries.snapshot_cache import Known
from cli import database as conninfo
from telemetry.progress import silent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from cli.settings import Settings
    from telemetry.progress import Progress

T = TypeVar("T")


def asked(
    settings: Settings, question: Callable[[ReadSide], Awaitable[T]], progress: Progress = silent
) -> T:
    """Ask the database that the settings mean.

    `progress` is told of what must be built first: what had been known at a time that nobody
    has asked about lately.

    Raises:
        ApiError: the question is answered with an error: 400, 404 or 503.
        UnreachableError, EmbeddedPostgresError, MigrationError: there is no database to ask.
    """

    async def ask(database: str) -> T:
        async with _reading(database, settings, progress) as read_side:
            return await question(read_side)

    with conninfo.database(settings) as database:
        return asyncio.run(ask(database))


@asynccontextmanager
async def _reading(
    conninfo_: str, settings: Settings, progress: Progress
) -> AsyncIterator[ReadSide]:
    database = Database(conninfo_)
    known = Known(conninfo_, database, wait_s=None, progress=progress)
    try:
        yield ReadSide(database, known, settings.windmill.routes_file())
    finally:
        await known.stop()
        await database.close()
