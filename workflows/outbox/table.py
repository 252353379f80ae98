"""The statements that add jobs, read them, and record what became of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID, uuid5

import msgspec

from workflows.targets.attempt import NOTHING_SENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from psycopg import AsyncConnection, Connection

    from workflows.outbox.due_facts import Due
    from workflows.targets.attempt import Attempt

CHANNEL: Final = "windmill"
"""Notified when rows have been added, or wait again."""
PROBLEM_CHARS_MAX: Final = 1_000
HELD_BACK: Final = "held back"
"""Begins the `answer` of an attempt that was not made: see `Doubt`."""
ERASED: Final = "erased"
"""Stands for a problem that may have quoted a body which was emptied since."""
_WITNESSES_MAX: Final = 200
# Any UUID will do, as long as it never changes: job ids are made from it.
_NAMESPACE: Final = UUID("6f4b1c7e-2d2b-5a55-9d3c-8a1f5e0c7b42")

_ADD: Final = """
    INSERT INTO raphus.windmill_outbox
        (job_id, route, stream_id, webhook_id, type, position, known_position, replay)
    SELECT job_id, route, stream_id, webhook_id, type, position, known_position, replay
    FROM json_to_recordset(%s::json) AS new (
        place bigint, job_id uuid, route text, stream_id text, webhook_id text, type text,
        position bigint, known_position bigint, replay integer
    ) ORDER BY place
    ON CONFLICT (job_id) DO NOTHING
"""
# The database's clock wrote created_at, so the same clock says how long a job has waited.
_WAITING: Final = """
    SELECT job_id, route, stream_id, webhook_id, position, known_position, replay, attempts,
        extract(epoch FROM clock_timestamp() - created_at)::float8
    FROM raphus.windmill_outbox
    WHERE state = 'waiting' AND route = %s AND stream_id <> ALL (%s) ORDER BY due LIMIT %s
"""
# One statement, so all or nothing. The join leaves out jobs that somebody has deleted meanwhile.
# A job that is known to be started stays so, even if another process has given it up; and one
# that was given up waits again only after `retry`. It is a CASE so that the planner, which may not
# know yet how many jobs wait, cannot read all of them by their own index. What is delivered starts
# and ends at one instant, which a clock that goes on within the statement would not tell.
_RECORD: Final = """
    WITH recorded AS (
        INSERT INTO raphus.windmill_attempts
            (job_id, number, attempted_at, took_ms, status, answer)
        SELECT new.* FROM json_to_recordset(%s::json) AS new (
            job_id uuid, number integer, attempted_at timestamptz, took_ms integer,
            status integer, answer text
        ) JOIN raphus.windmill_outbox USING (job_id) ON CONFLICT DO NOTHING
    )
    UPDATE raphus.windmill_outbox AS o SET
        attempts = greatest(o.attempts, new.attempts),
        state = new.state,
        problem = new.problem,
        started_at = CASE WHEN new.state IN ('started', 'succeeded') THEN statement_timestamp() END,
        ended_at = CASE new.state WHEN 'succeeded' THEN statement_timestamp() END,
        ask_at = CASE new.state WHEN 'started' THEN statement_timestamp() + interval '1 second' END
    FROM json_to_recordset(%s::json)
        AS new (job_id uuid, attempts integer, state text, problem text)
    WHERE o.job_id = new.job_id AND CASE o.state
        WHEN 'waiting' THEN true WHEN 'parked' THEN new.state IN ('started', 'succeeded')
        ELSE false END
"""
# Whatever is not a refusal leaves open whether the job was started. Who retries a job that was
# held back was told why by then, so attempts before that one raise no doubt.
_DOUBTS: Final = """
    SELECT unclear.job_id, unclear.since, witness.job_id
    FROM unnest(%(job_ids)s::uuid[]) AS asked (job_id)
    CROSS JOIN LATERAL (
        SELECT asked.job_id, min(attempted_at) AS since FROM raphus.windmill_attempts AS a
        WHERE a.job_id = asked.job_id AND a.number > coalesce((
            SELECT max(told.number) FROM raphus.windmill_attempts AS told
            WHERE told.job_id = asked.job_id AND told.status IS NULL
            AND starts_with(told.answer, %(held_back)s)
        ), 0)
        AND CASE WHEN status IS NULL THEN NOT starts_with(answer, %(nothing_sent)s)
            ELSE status NOT BETWEEN 400 AND 499 OR status = 408 END
    ) AS unclear
    LEFT JOIN LATERAL (
        SELECT w.job_id FROM (
            SELECT a.job_id FROM raphus.windmill_attempts AS a
            WHERE a.attempted_at < unclear.since
            ORDER BY a.attempted_at DESC, a.job_id DESC, a.number DESC LIMIT %(looked_at)s
        ) AS earlier
        JOIN raphus.windmill_outbox AS w USING (job_id)
        WHERE w.state IN ('succeeded', 'failed') AND w.ended_at < unclear.since
        AND w.route = (SELECT route FROM raphus.windmill_outbox WHERE job_id = asked.job_id)
        ORDER BY w.ended_at DESC LIMIT 1
    ) AS witness ON true
    WHERE unclear.since IS NOT NULL
"""
_TOLD: Final = f"""
    SELECT count(*) FROM raphus.windmill_outbox AS o WHERE o.stream_id = ANY (%s)
    AND (o.problem <> '{ERASED}' OR EXISTS (
        SELECT FROM raphus.windmill_attempts AS a WHERE a.job_id = o.job_id AND a.answer <> ''
    ))
"""  # noqa: S608 -- constants
# What an answer begins with tells whether a job may have been started: that stays.
_EMPTY_ANSWERS: Final = f"""
    UPDATE raphus.windmill_attempts AS a SET answer = CASE
        WHEN starts_with(a.answer, '{NOTHING_SENT}') THEN '{NOTHING_SENT}'
        WHEN starts_with(a.answer, '{HELD_BACK}') THEN '{HELD_BACK}' ELSE '' END
    FROM raphus.windmill_outbox AS o WHERE o.job_id = a.job_id AND o.stream_id = ANY (%s)
"""  # noqa: S608 -- constants
_EMPTY_PROBLEMS: Final = f"""
    UPDATE raphus.windmill_outbox SET problem = '{ERASED}'
    WHERE stream_id = ANY (%s) AND problem <> '{ERASED}'
"""  # noqa: S608 -- constants


class Job(NamedTuple):
    """A job that waits to be started, since `since_s` on this process's monotonic clock."""

    job_id: UUID
    route: str
    stream_id: str
    webhook_id: str
    position: int
    known_position: int
    replay: int
    attempts: int
    since_s: float


class Doubt(NamedTuple):
    """Since when a job may have been started without our knowing.

    `witness` is a job of the same route that had ended by then: for as long as Windmill knows
    that one, it would know this one.
    """

    since: datetime
    witness: UUID | None


class JobProgress(NamedTuple):
    """What has come of a job: its state now, the attempt that led there, and what is wrong."""

    job_id: UUID
    route: str
    state: str
    attempts: int
    attempt: Attempt | None = None
    problem: str | None = None


def job_id_of(route: str, stream_id: str, webhook_id: str, replay: int) -> UUID:
    """Return the id of the job that a route starts for an event: always the same one."""
    parts = [route, stream_id, webhook_id] + ([replay] if replay else [])
    return uuid5(_NAMESPACE, msgspec.json.encode(parts).decode())


def add(conn: Connection[Any], stream_id: str, due: Iterable[tuple[str, Due]]) -> None:
    """Add, in the caller's transaction, the jobs that routes start for what has fallen due.

    One that is there already is left alone.
    """
    add_all(conn, ((stream_id, route, due_job) for route, due_job in due))


def add_all(conn: Connection[Any], due: Iterable[tuple[str, str, Due]]) -> None:
    """Do the same for several streams at once: each with its stream and its route, in order."""
    rows = [
        {
            "place": place,
            "job_id": job_id_of(route, stream_id, trigger.webhook_id, trigger.replay),
            "route": route,
            "stream_id": stream_id,
            "webhook_id": trigger.webhook_id,
            "type": trigger.type,
            "position": trigger.position,
            "known_position": known_position,
            "replay": trigger.replay,
        }
        for place, (stream_id, route, (trigger, known_position)) in enumerate(due)
    ]
    if rows:
        conn.execute(_ADD, [msgspec.json.encode(rows).decode()])
        conn.execute("SELECT pg_notify(%s, '')", [CHANNEL])


def told(conn: Connection[Any], stream_ids: Sequence[str]) -> int:
    """Count the jobs of streams of which a problem or an answer is kept, which may quote bodies."""
    ((jobs,),) = conn.execute(_TOLD, [list(stream_ids)]).fetchall()
    return int(jobs)


def lock(conn: Connection[Any]) -> None:
    """Let nobody else write here until the caller's transaction ends; all may read.

    Whoever records an attempt waits for this table before he has touched any row.
    """
    conn.execute("LOCK TABLE raphus.windmill_outbox IN SHARE ROW EXCLUSIVE MODE")


def empty(conn: Connection[Any], stream_ids: Sequence[str]) -> None:
    """Empty what is kept of problems and answers of the jobs of streams; the table is locked."""
    conn.execute(_EMPTY_ANSWERS, [list(stream_ids)])
    conn.execute(_EMPTY_PROBLEMS, [list(stream_ids)])


async def waiting(
    conn: AsyncConnection[Any], route: str, limit: int, not_of: Sequence[str] = ()
) -> list[Job]:
    """Return the jobs of a route that are to be started, in order, but for some streams' jobs."""
    read_at_s = time.monotonic()
    cursor = await conn.execute(_WAITING, [route, list(not_of), limit], prepare=True)
    rows = await cursor.fetchall()
    return [Job._make((*row[:-1], read_at_s - row[-1])) for row in rows]


async def doubts(conn: AsyncConnection[Any], job_ids: Sequence[UUID]) -> dict[UUID, Doubt]:
    """Return, of jobs that have been tried, those that may have been started."""
    if not job_ids:
        return {}
    asked = {
        "job_ids": list(job_ids),
        "held_back": HELD_BACK,
        "nothing_sent": NOTHING_SENT,
        "looked_at": _WITNESSES_MAX,
    }
    cursor = await conn.execute(_DOUBTS, asked, prepare=True)
    return {job_id: Doubt(*rest) for job_id, *rest in await cursor.fetchall()}


async def record(conn: AsyncConnection[Any], recorded: Sequence[JobProgress]) -> None:
    """Record what has come of jobs, all or nothing."""
    attempts = [
        {
            "job_id": progress.job_id,
            "number": progress.attempts,
            "attempted_at": progress.attempt.attempted_at,
            "took_ms": progress.attempt.took_ms,
            "status": progress.attempt.status,
            "answer": storable(progress.attempt.answer),
        }
        for progress in recorded
        if progress.attempt
    ]
    states = [
        {
            "job_id": progress.job_id,
            "attempts": progress.attempts,
            "state": progress.state,
            "problem": progress.problem and storable(progress.problem[:PROBLEM_CHARS_MAX]),
        }
        for progress in {progress.job_id: progress for progress in recorded}.values()
    ]
    rows = [msgspec.json.encode(some).decode() for some in (attempts, states)]
    await conn.execute(_RECORD, rows, prepare=True)


def storable(text: str) -> str:
    """Return a text without what PostgreSQL cannot store: NUL, and halves of characters."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()
