"""The operations on routes and their outbox, over HTTP and on the command line."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final, Generic

import msgspec
import psycopg
from msgspec import Meta

from api.http.cursors import Cursor
from api.http.errors import ApiError, InvalidParameterError, not_now
from api.http.operations import Operation
from api.http.pagination import Item, Page, page
from api.http.parameters import Flag, Instant, Text, Uuid, one_of
from api.http.places import Places
from api.http.questions import Key, Paged, Query
from postgres.failures import reason_of
from telemetry.progress import silent
from workflows.outbox import queries as outbox
from workflows.outbox.queries import STATES, Last, QueuedJob, RecordedAttempt, State
from workflows.outbox.replay import Asked, Replayed, TooLongError, replay
from workflows.routes.conditions import read_glob
from workflows.routes.route import ShownRoute

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide
    from postgres.statement import Row

_Route = Annotated[Text | None, Meta(description="Only of this route.")]
_State = Annotated[State | None, one_of(STATES), Meta(description="Only of jobs in this state.")]
_WebhookId = Annotated[Text | None, Meta(description="Only of this webhook.")]
_JobId = Annotated[Uuid | None, Meta(description="Only of this job.")]
JOBS_CURSOR: Final = Cursor("outbox", int)
ATTEMPTS_CURSOR: Final = Cursor("attempts", Last)
REPLAYS_MAX: Final = 2
"""At a time, in one process."""
REPLAYED_MAX: Final = 50_000
"""A replay that looks at more events of the log takes longer than anybody waits for an answer."""


class _JobsQuery(Paged[Key], Generic[Key], frozen=True, kw_only=True):
    route: _Route = None
    state: _State = None
    webhook_id: _WebhookId = None
    job_id: _JobId = None

    def filters(self) -> dict[str, object]:
        return self.given("route", "state", "webhook_id", "job_id")


class OutboxQuery(_JobsQuery[int], frozen=True, kw_only=True):
    """Asks for a page of the jobs."""

    cursor: Annotated[int | None, JOBS_CURSOR.meta] = None


class AttemptsQuery(_JobsQuery[Last], frozen=True, kw_only=True):
    """Asks for a page of the attempts."""

    cursor: Annotated[Last | None, ATTEMPTS_CURSOR.meta] = None


class RetryQuery(Query, frozen=True, kw_only=True):
    """Says which jobs are meant."""

    route: _Route = None
    webhook_id: _WebhookId = None
    job_id: _JobId = None


class Recorded(Query, frozen=True, kw_only=True):
    """Says when what is meant was recorded."""

    since: Annotated[
        Instant | None, Meta(description="Only what was recorded at this time or later.")
    ] = None
    until: Annotated[
        Instant | None, Meta(description="Only what was recorded up to this time.")
    ] = None


class ReplayQuery(Recorded, frozen=True, kw_only=True):
    """Says which events of the past are meant, and for which route."""

    route: Annotated[
        Text | None, Meta(description="For this route, an old or a new one; it must be said.")
    ] = None
    type: Annotated[
        Text | None, Meta(description="Only events of matching types, such as refund.*")
    ] = None
    again: Annotated[Flag, Meta(description="Send also what was sent, once more.")] = False
    dry_run: Annotated[Flag, Meta(description="Only tell what would be done.")] = False


class RouteNow(ShownRoute, frozen=True, kw_only=True):
    """A route, and how its jobs fare.

    `waiting` and `parked` are jobs that are not started yet, `started` those that have not ended
    as far as is known. `failed_last_day` are of the last 24 hours, and 10,000 at the most.
    """

    waiting: int
    parked: int
    started: int
    failed_last_day: int


class Routes(msgspec.Struct, frozen=True):
    """The routes in force, in the file's order.

    `problem` tells what is wrong with their file; then they are those of when it was last right.
    """

    items: list[RouteNow]
    problem: str | None


class Retried(msgspec.Struct, frozen=True):
    """How many parked jobs wait to be sent again."""

    retried: int


async def _routes(read_side: ReadSide, _query: Query) -> Routes:
    file = read_side.rules.routes
    routes, problem = file.current(), file.problem
    rows = await read_side.database.rows(outbox.counts([route.name for route in routes]))
    counts = outbox.read_counts(rows)
    items = [
        RouteNow(**msgspec.structs.asdict(route.show()), **counts[route.name]._asdict())
        for route in routes
    ]
    return Routes(items, problem)


async def _outbox(read_side: ReadSide, query: OutboxQuery) -> Page[QueuedJob]:
    before, limit = query.cursor, query.limit
    statement = outbox.jobs(
        query.filters(), before=before, limit=limit + 1, business_id=read_side.business_id
    )
    return page(await read_side.database.rows(statement), limit, _read_job, JOBS_CURSOR)


async def _attempts(read_side: ReadSide, query: AttemptsQuery) -> Page[RecordedAttempt]:
    before, limit = query.cursor, query.limit
    statement = outbox.attempts(
        query.filters(), before=before, limit=limit + 1, business_id=read_side.business_id
    )
    return page(await read_side.database.rows(statement), limit, _read_attempt, ATTEMPTS_CURSOR)


async def _retry(read_side: ReadSide, query: RetryQuery) -> Retried:
    asked = query.given("route", "webhook_id", "job_id")
    if not asked:
        raise ApiError(400, "missing_parameter", "say which: route, webhook_id or job_id")
    statement = outbox.retry(asked, read_side.business_id)
    ((retried, _),) = await read_side.database.change(statement)
    return Retried(int(str(retried)))


_REPLAYS: Final = Places("replays", REPLAYS_MAX, retry_s=10)


async def _replay(read_side: ReadSide, query: ReplayQuery) -> Replayed:
    asked, conninfo = _asked(read_side, query), read_side.database.conninfo
    # It takes a thread, of which others have need, too.
    with _REPLAYS.one():
        try:
            return await asyncio.to_thread(
                replay, conninfo, asked, dry_run=query.dry_run, progress=silent
            )
        except TooLongError as error:
            told = f"{error}: choose a shorter time, or use raphus routes replay"
            raise ApiError(400, "too_much", told) from error
        except psycopg.Error as error:
            told = f"nothing is replayed: {reason_of(error)}"
            raise not_now("unavailable", told) from error


def _asked(read_side: ReadSide, query: ReplayQuery) -> Asked:
    if query.route is None:
        raise ApiError(400, "missing_parameter", "say for which route")
    route = read_side.rules.routes.current().named(query.route)
    if route is None:
        raise InvalidParameterError("route", "must be the name of a route of the file")
    if not route.enabled:
        raise ApiError(409, "route_off", f"the route {route.name} is off: enabled = false")
    if query.since and query.until and query.until < query.since:
        raise InvalidParameterError("until", "must not lie before since")
    try:
        types = None if query.type is None else read_glob(query.type)
    except ValueError as error:
        raise InvalidParameterError("type", str(error)) from error
    return Asked(route, query.since, query.until, types, query.again, REPLAYED_MAX)


def _read_job(row: Row) -> Item[int, QueuedJob]:
    return Item(int(str(row[0])), outbox.read_job(row))


def _read_attempt(row: Row) -> Item[Last, RecordedAttempt]:
    attempt = outbox.read_attempt(row)
    return Item(Last(attempt.attempted_at, attempt.job_id, attempt.number), attempt)


LIST_ROUTES: Final = Operation["ReadSide", Query, Routes](
    path="/v1/routes",
    name="list_routes",
    summary="List the routes: which events are sent to which target, and how their jobs fare.",
    handle=_routes,
    takes=Query,
    answers=Routes,
    of_all=True,
)
LIST_OUTBOX: Final = Operation["ReadSide", OutboxQuery, Page[QueuedJob]](
    path="/v1/routes/outbox",
    name="list_outbox",
    summary="List the jobs that events call for, the last first.",
    handle=_outbox,
    takes=OutboxQuery,
    answers=Page[QueuedJob],
)
LIST_ATTEMPTS: Final = Operation["ReadSide", AttemptsQuery, Page[RecordedAttempt]](
    path="/v1/routes/attempts",
    name="list_attempts",
    summary="List the requests that were made for jobs, the last first.",
    handle=_attempts,
    takes=AttemptsQuery,
    answers=Page[RecordedAttempt],
)
RETRY: Final = Operation["ReadSide", RetryQuery, Retried](
    path="/v1/routes/retry",
    name="retry_jobs",
    summary="Let parked jobs wait to be sent again: of a route, of a webhook, or one.",
    handle=_retry,
    takes=RetryQuery,
    answers=Retried,
    may_fail={400: "The query is not as declared, or says nothing of which jobs are meant."},
    method="POST",
    scope="admin",
)
REPLAY: Final = Operation["ReadSide", ReplayQuery, Replayed](
    path="/v1/routes/replay",
    name="replay_jobs",
    summary="Send events of the past, or tell which would be sent. In its time no more"
    f" than {REPLAYED_MAX:,} events may have been recorded.",
    handle=_replay,
    takes=ReplayQuery,
    answers=Replayed,
    may_fail={
        400: "The query is not as declared, or means too many events.",
        409: "The route is off.",
    },
    method="POST",
    scope="admin",
    of_all=True,
)
OPERATIONS: Final = (LIST_ROUTES, LIST_OUTBOX, LIST_ATTEMPTS, RETRY, REPLAY)
