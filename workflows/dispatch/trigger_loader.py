"""Reads the triggers of jobs from the log, grouping the jobs that asked during the last read."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from domain.aggregate import place_in_log
from domain.aggregates.factory import aggregate
from domain.aggregates.routing import is_notice
from ledger.following.pages import ANY_VERSION, FETCH_ROWS, READ, parameters_of
from ledger.mapper import LedgerMapper
from projections.folds import store
from projections.folds.origin import Origin, origins_of, read_behind
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
    ByStream: TypeAlias = Mapping[str, list[Job]]
    Judged: TypeAlias = "dict[UUID, Trigger | UnjudgedError]"
    Origins: TypeAlias = Mapping[str, Origin]
    Rows: TypeAlias = list[tuple[Any, ...]]

TOGETHER_MAX: Final = 100
"""So many jobs are loaded at once."""
FOLDED_BYTES_MAX: Final = 2 * 2**20
"""So much is read before it is folded: whole streams, and one at the least."""
_NOT_THERE: Final = "the event is not in the log any more"

_HOMES: Final = """
    SELECT e.originator_id, h.stream_id FROM raphus.ledger_events AS e
    JOIN raphus.homes AS h ON h.position = e.notification_id WHERE e.originator_id = ANY (%s)
"""


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
        by_stream = await _by_stream(conn, [job for job, _ in asked])
        before = {one: min(job.position for job in jobs) - 1 for one, jobs in by_stream.items()}
        origins = origins_of(await store.last_before_async(conn, before))
        judged = await self._judged(conn, by_stream, origins)
        if late := {one: by_stream[one] for one in origins if _is_doubted(by_stream[one], judged)}:
            judged |= await self._judged(conn, late, {})
        doubts = await outbox.doubts(conn, [job.job_id for job, _ in asked if job.attempts])
        for job, loaded in asked:
            if not loaded.done():  # who asked may have gone
                trigger = judged.get(job.job_id, UnjudgedError(_NOT_THERE))
                _settle(loaded, trigger, doubts.get(job.job_id))

    async def _judged(
        self, conn: AsyncConnection[Any], by_stream: ByStream, origins: Origins
    ) -> Judged:
        """Judge the jobs of streams, each folded from its origin: but for those in doubt of it."""
        judged: Judged = {}
        async with aclosing(_streams(conn, by_stream, origins)) as parts:
            async for part in parts:
                # Folding takes its time, in which answers come in.
                judged |= await asyncio.to_thread(self._judge_all, part, by_stream, origins)
        return judged

    def _judge_all(self, streams: Iterable[Rows], by_stream: ByStream, origins: Origins) -> Judged:
        judged: Judged = {}
        for rows in streams:
            stream_id = rows[0][0]
            for job in by_stream[stream_id]:
                verdict = self._judge(job, rows, origins.get(stream_id, Origin()))
                if verdict is not None:
                    judged[job.job_id] = verdict
        return judged

    def _judge(self, job: Job, rows: Rows, origin: Origin) -> Trigger | UnjudgedError | None:
        """Judge a job; None where its stream has to be folded from its first event on."""
        try:
            # A job of what was a notice when it fell due is one of its aggregate now.
            known = [row for row in rows if row[4] <= job.known_position]
            events = [self._mapper.decode(*columns) for *columns, _ in known]
            stream = aggregate(rows[0][0], sorted(events, key=place_in_log), origin.base)
            if not origin.leads_to(
                stream, {version for *_, told in known for version in told or ()}
            ):
                return None
            trigger = judging.trigger(stream, job.webhook_id, job.position)
        except Exception as error:  # noqa: BLE001 -- one event must not stop all others
            return UnjudgedError(f"the event cannot be judged: {origin_of(error)}")
        return trigger._replace(replay=job.replay) if trigger else UnjudgedError(_NOT_THERE)


def _is_doubted(jobs: Iterable[Job], judged: Judged) -> bool:
    return any(job.job_id not in judged for job in jobs)


async def _by_stream(conn: AsyncConnection[Any], jobs: Iterable[Job]) -> ByStream:
    """Return jobs by the streams to which their events belong by what is understood now."""
    by_stream: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        by_stream[job.stream_id].append(job)
    if notices := [stream_id for stream_id in by_stream if is_notice(stream_id)]:
        for notice, home in await (await conn.execute(_HOMES, [notices])).fetchall():
            by_stream[home] += by_stream.pop(notice, [])
    return by_stream


async def _streams(
    conn: AsyncConnection[Any], by_stream: ByStream, origins: Origins
) -> AsyncGenerator[list[Rows]]:
    """Read streams, each up to the last event that one of its jobs knows; some at a time."""
    last = {one: max(job.known_position for job in jobs) for one, jobs in by_stream.items()}
    touched = read_behind(origins, dict.fromkeys(by_stream, ANY_VERSION))
    read: list[Rows] = []
    size_bytes = 0
    async with (
        conn.cursor(binary=True) as cursor,
        aclosing(_rows(cursor, parameters_of(touched, last.__getitem__))) as rows,
    ):
        async for row in rows:
            if not read or read[-1][0][0] != row[0]:
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
    async for row in cursor.stream(READ, parameters, size=FETCH_ROWS):
        yield row


def _settle(
    loaded: asyncio.Future[Loaded], trigger: Trigger | UnjudgedError, doubt: Doubt | None
) -> None:
    if isinstance(trigger, UnjudgedError):
        loaded.set_exception(trigger)
    else:
        loaded.set_result(Loaded(trigger, doubt))
