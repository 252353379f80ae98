"""Writes the progress of jobs to the outbox, grouping what waited during the last write."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from workflows.outbox import table as outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import AsyncConnection

    from workflows.outbox.table import JobProgress

QUEUE_MAX: Final = 500


class ProgressRecorder:
    """A queue of progress, and the loop that empties it; a full one lets the senders wait.

    What is in it when the process dies is found out again: Windmill knows the job's id.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[JobProgress] = asyncio.Queue(QUEUE_MAX)

    async def add(self, made: JobProgress) -> None:
        """Put progress into the queue."""
        await self._queue.put(made)

    async def run(
        self, conn: AsyncConnection[Any], on_recorded: Callable[[list[JobProgress]], None]
    ) -> None:
        """Record, until it is cancelled, and tell of what has been.

        Raises:
            psycopg.Error: the database went away; what was being recorded will come again.
        """
        while True:
            made = [await self._queue.get()]
            while not self._queue.empty():
                made.append(self._queue.get_nowait())
            await outbox.record(conn, made)
            on_recorded(made)
