"""Reads the triggers of jobs from the log, grouping the jobs that asked during the last read."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from domain.aggregates.factory import aggregate
from ledger.following.pages import FETCH_ROWS
from ledger.mapper import COLUMNS, LedgerMapper
from telemetry.redaction import origin_of
from workflows.outbox import due_facts as judging
from workflows.outbox import table as outbox
from workflows.trigger import Trigger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
    from uuid import UUID

    from psycopg import AsyncConnection, AsyncCursor

    from workflows.outbox.table import Doubt, Job

    Asked: TypeAlias = "tuple[Job, asyncio.Future[Loaded]]"
    Judged: TypeAlias = "dict[UUID, Trigger | UnjudgedError]"
    Rows: TypeAlias = list[tuple[Any, ...]]

TOGETHER_MAX: Final = 100
"""So many jobs are loaded at once."""
FOLDED_BYTES_MAX: Final = 2 * 2**20
"""So much is read before it is folded: whole streams, and one at the least."""
_NOT_THERE: Final = "the event is not in the log any more"

# OFFSET 0 keeps the planner at one index look-up a stream, whatever it thinks of the sizes.
_HISTORIES: Final = f"""
    SELECT events.*, wanted.stream_id
    FROM unnest(%s::text[], %s::bigint[]) AS wanted (stream_id, known_position)
    CROSS JOIN LATERAL (
        SELECT {COLUMNS} FROM raphus.housed_events
        WHERE originator_id = coalesce(
            (
                SELECT h.stream_id FROM raphus.ledger_events AS e
                JOIN raphus.homes AS h ON h.position = e.notification_id
                WHERE e.originator_id = wanted.stream_id LIMIT 1
            ),
            wanted.stream_id
        )
        AND notification_id <= wanted.known_position ORDER BY notification_id OFFSET 0
    ) AS events
"""  # noqa: S608 -- constants


class UnjudgedError(Exception):
    """A delivery has no verdict; the message says why, and quotes nothing of it."""


class Loaded(NamedTuple):
    """A job's delivery as it stood when the job fell due, and what is unclear of earlier tries."""

    trigger: Trigger
    doubt: Doubt | None


class TriggerLoader:
    """Reads a job's delivery, and the verdict on it when the job fell due."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Asked] = asyncio.Queue()
        self._mapper = LedgerMapper()

    async def load(self, job: Job) -> Loaded:
        """Return what a job is about, while `run` runs.

        Raises:
            UnjudgedError: there is none.
        """
        loaded: asyncio.Future[Loaded] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((job, loaded))
        return await loaded

    async def run(self, conn: AsyncConnection[Any]) -> None:
        """Load what is asked for, until it is cancelled.

        Raises:
            psycopg.Error: the database went away.
        """
        while True:
            asked = [await self._queue.get()]
            while not self._queue.empty() and len(asked) < TOGETHER_MAX:
                asked.append(self._queue.get_nowait())
            await self._answer(conn, asked)

    async def _answer(self, conn: AsyncConnection[Any], asked: Sequence[Asked]) -> None:
        judged: Judged = {}
        by_stream: dict[str, list[Job]] = defaultdict(list)
        for job, _ in asked:
            by_stream[job.stream_id].append(job)
        async with aclosing(_streams(conn, by_stream)) as parts:
            async for part in parts:
                # Folding takes its time, in which answers come in.
                judged |= await asyncio.to_thread(self._judged, part, by_stream)
        doubts = await outbox.doubts(conn, [job.job_id for job, _ in asked if job.attempts])
        for job, loaded in asked:
            if not loaded.done():  # who asked may have gone
                trigger = judged.get(job.job_id, UnjudgedError(_NOT_THERE))
                _settle(loaded, trigger, doubts.get(job.job_id))

    def _judged(self, streams: Iterable[Rows], by_stream: Mapping[str, list[Job]]) -> Judged:
        return {
            job.job_id: self._judge(job, rows) for rows in streams for job in by_stream[rows[0][-1]]
        }

    def _judge(self, job: Job, rows: Rows) -> Trigger | UnjudgedError:
        try:
            # A job of what was a notice when it fell due is one of its aggregate now.
            known = [row[:-1] for row in rows if row[4] <= job.known_position]
            stream = aggregate(rows[0][0], [self._mapper.decode(*row) for row in known])
            trigger = judging.trigger(stream, job.webhook_id, job.position)
        except Exception as error:  # noqa: BLE001 -- one event must not stop all others
            return UnjudgedError(f"the event cannot be judged: {origin_of(error)}")
        return trigger._replace(replay=job.replay) if trigger else UnjudgedError(_NOT_THERE)


async def _streams(
    conn: AsyncConnection[Any], by_stream: Mapping[str, list[Job]]
) -> AsyncGenerator[list[Rows]]:
    """Read streams, each up to the last event that one of its jobs knows; some at a time."""
    last = [max(job.known_position for job in jobs) for jobs in by_stream.values()]
    read: list[Rows] = []
    size_bytes = 0
    async with (
        conn.cursor(binary=True) as cursor,
        aclosing(_rows(cursor, [list(by_stream), last])) as rows,
    ):
        async for row in rows:
            if not read or read[-1][0][-1] != row[-1]:
                if size_bytes > FOLDED_BYTES_MAX:
                    yield read
                    read, size_bytes = [], 0
                read.append([])
            read[-1].append(row)
            size_bytes += len(row[3])
    if read:
        yield read


async def _rows(
    cursor: AsyncCursor[Any], parameters: Sequence[object]
) -> AsyncGenerator[tuple[Any, ...]]:
    async for row in cursor.stream(_HISTORIES, parameters, size=FETCH_ROWS):
        yield row


def _settle(
    loaded: asyncio.Future[Loaded], trigger: Trigger | UnjudgedError, doubt: Doubt | None
) -> None:
    if isinstance(trigger, UnjudgedError):
        loaded.set_exception(trigger)
    else:
        loaded.set_result(Loaded(trigger, doubt))
