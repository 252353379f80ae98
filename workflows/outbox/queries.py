"""What people see of the outbox, and how parked jobs are made to wait again."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, get_args

import msgspec

from postgres.statement import Statement
from projections.bound import events_of_business
from projections.listing import BigInt, Moment
from workflows.outbox.table import CHANNEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

State = Literal["waiting", "parked", "cancelled", "started", "succeeded", "failed", "unknown"]
STATES: Final[tuple[str, ...]] = get_args(State)


class QueuedJob(msgspec.Struct, frozen=True):
    """What a route has to send for an event, and how far it is.

    `waiting` to be sent; `parked`: it could not be, see `problem`, and waits for `retry`;
    `cancelled` by the route's own transformation; `started`: Windmill has it; then `succeeded`,
    `failed` with Windmill's error in `problem`, or `unknown`: its outcome was never told. What an
    endpoint has taken has `succeeded`; `problem` tells then what was odd about its answer.
    """

    job_id: str
    route: str
    type: str
    webhook_id: str
    aggregate_id: str
    position: str
    replay: int
    state: State
    attempts: int
    problem: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class RecordedAttempt(msgspec.Struct, frozen=True):
    """One request that was made for a job; `status` is null where there was no answer."""

    job_id: str
    route: str
    number: int
    attempted_at: datetime
    took_ms: int
    status: int | None
    answer: str


class Count(NamedTuple):
    """How many jobs of a route are in which state.

    `failed_last_day` are those that were told to have failed in the last 24 hours, of the last
    10,000 that have failed at all.
    """

    waiting: int
    parked: int
    started: int
    failed_last_day: int


class Last(NamedTuple):
    """The place of an attempt in the list of them."""

    at: Moment
    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
    number: BigInt


_FILTERS: Final[Mapping[str, str]] = {
    "route": "o.route = %(route)s",
    "state": "o.state = %(state)s",
    "webhook_id": "o.webhook_id = %(webhook_id)s",
    "job_id": "o.job_id = %(job_id)s",
}
_JOBS: Final = """
    SELECT o.due, o.job_id::text, o.route, o.type, o.webhook_id, o.stream_id, o.position::text,
        o.replay, o.state, o.attempts, o.problem, o.created_at, o.started_at, o.ended_at
    FROM raphus.windmill_outbox AS o WHERE
"""
_ATTEMPTS: Final = """
    SELECT a.job_id::text, o.route, a.number, a.attempted_at, a.took_ms, a.status, a.answer
    FROM raphus.windmill_attempts AS a JOIN raphus.windmill_outbox AS o USING (job_id) WHERE
"""
_PARKED: Final = """
    SELECT count(*) FROM raphus.windmill_outbox AS o WHERE o.state = 'parked' AND
"""
# The numbers are drawn in the order of the old ones: jobs of an aggregate keep theirs.
_RETRY: Final = """
    WITH again AS (
        SELECT parked.job_id,
            nextval(pg_get_serial_sequence('raphus.windmill_outbox', 'due')) AS due
        FROM (
            SELECT o.job_id FROM raphus.windmill_outbox AS o WHERE o.state = 'parked' AND {where}
            ORDER BY o.due FOR UPDATE
        ) AS parked
    ), retried AS (
        UPDATE raphus.windmill_outbox AS o SET state = 'waiting', problem = NULL,
            created_at = clock_timestamp(), due = again.due
        FROM again WHERE o.job_id = again.job_id RETURNING o.job_id
    )
    SELECT count(*), pg_notify(%(channel)s, '')::text FROM retried
"""
# Each route costs a few look-ups in indexes that hold no job that has succeeded.
_COUNTS: Final = """
    SELECT named.route,
        (SELECT count(*) FROM raphus.windmill_outbox AS o
            WHERE o.route = named.route AND o.state = 'waiting'),
        (SELECT count(*) FROM raphus.windmill_outbox AS o
            WHERE o.route = named.route AND o.state = 'parked'),
        coalesce(under_way.jobs, 0),
        (SELECT count(*) FROM (
            SELECT o.ended_at FROM raphus.windmill_outbox AS o
            WHERE o.route = named.route AND o.state = 'failed' ORDER BY o.due DESC LIMIT 10000
        ) AS last WHERE last.ended_at > clock_timestamp() - interval '1 day')
    FROM unnest(%(routes)s::text[]) AS named (route)
    LEFT JOIN (
        SELECT route, count(*) AS jobs FROM raphus.windmill_outbox
        WHERE state = 'started' GROUP BY route
    ) AS under_way USING (route)
"""


def jobs(
    given: Mapping[str, object], *, before: int | None, limit: int, business_id: str | None = None
) -> Statement:
    """Select jobs that meet all filters, the last to fall due first, after a cursor."""
    behind = "" if before is None else " AND o.due < %(before)s"
    sql = f"{_JOBS}{_where(given, business_id)}{behind} ORDER BY o.due DESC LIMIT %(limit)s"
    return Statement(sql, {**given, "before": before, "limit": limit, "bound_to": business_id})


def attempts(
    given: Mapping[str, object], *, before: Last | None, limit: int, business_id: str | None = None
) -> Statement:
    """Select attempts of jobs that meet all filters, the last first, after a cursor."""
    behind = " AND (a.attempted_at, a.job_id, a.number) < (%(at)s, %(id)s::uuid, %(number)s)"
    order = " ORDER BY a.attempted_at DESC, a.job_id DESC, a.number DESC LIMIT %(limit)s"
    place = before._asdict() if before else {}
    sql = f"{_ATTEMPTS}{_where(given, business_id)}{behind if before else ''}{order}"
    return Statement(sql, {**given, **place, "limit": limit, "bound_to": business_id})


def retry(given: Mapping[str, object], business_id: str | None = None) -> Statement:
    """Let parked jobs that meet all filters wait again, behind those that wait; count them."""
    sql = _RETRY.format(where=_where(given, business_id))
    return Statement(sql, {**given, "channel": CHANNEL, "bound_to": business_id})


def counts(routes: Sequence[str]) -> Statement:
    """Select the name and the `Count` of each of these routes."""
    return Statement(_COUNTS, {"routes": list(routes)})


def parked(business_id: str | None = None) -> Statement:
    """Count the jobs that could not be started and wait for a retry."""
    sql = f"{_PARKED}{_where({}, business_id)}"
    return Statement(sql, {"bound_to": business_id})


def read_job(row: Sequence[Any]) -> QueuedJob:
    """Read a row of `jobs`, whose first column is the cursor."""
    return QueuedJob(*row[1:])


def read_attempt(row: Sequence[Any]) -> RecordedAttempt:
    """Read a row of `attempts`."""
    return RecordedAttempt(*row)


def read_counts(rows: Iterable[Sequence[Any]]) -> dict[str, Count]:
    """Read the rows of `counts`, by the names of the routes."""
    return {name: Count(*numbers) for name, *numbers in rows}


def _where(given: Mapping[str, object], business_id: str | None) -> str:
    own = events_of_business("o", business_id, stream="stream_id")
    return " AND ".join(["true", *(_FILTERS[name] for name in given)]) + own
