"""The operations on Windmill's routes and outbox, over HTTP and on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from api.http.cursors import Cursor
from api.http.errors import ApiError
from api.http.operations import Operation
from api.http.pagination import LIMIT, Item, Page, page
from api.http.parameters import Declared, one_of, text, uuid
from workflows.outbox import queries as outbox
from workflows.outbox.queries import STATES, Last, QueuedJob, RecordedAttempt
from workflows.routes.route import ShownRoute

if TYPE_CHECKING:
    from api.http.parameters import Arguments
    from api.queries.read_side import ReadSide
    from postgres.statement import Row

ROUTE: Final = text("route", "Only of this route.")
STATE: Final = one_of("state", "Only of jobs in this state.", STATES)
WEBHOOK_ID: Final = text("webhook_id", "Only of this webhook.")
JOB_ID: Final = uuid("job_id", "Only of this job.")
_FILTERS: Final = (ROUTE, STATE, WEBHOOK_ID, JOB_ID)
JOBS_CURSOR: Final = Cursor("windmill outbox", int)
ATTEMPTS_CURSOR: Final = Cursor("windmill attempts", Last)


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
    """How many parked jobs wait to be started again."""

    retried: int


async def _routes(read_side: ReadSide, _arguments: Arguments) -> Routes:
    routes, problem = read_side.routes.current(), read_side.routes.problem
    rows = await read_side.database.rows(outbox.counts([route.name for route in routes]))
    counts = outbox.read_counts(rows)
    items = [
        RouteNow(**msgspec.structs.asdict(route.show()), **counts[route.name]._asdict())
        for route in routes
    ]
    return Routes(items, problem)


async def _outbox(read_side: ReadSide, arguments: Arguments) -> Page[QueuedJob]:
    before, limit = arguments[JOBS_CURSOR.parameter], arguments[LIMIT]
    given, business_id = arguments.among(_FILTERS), read_side.business_id
    statement = outbox.jobs(given, before=before, limit=limit + 1, business_id=business_id)
    return page(await read_side.database.rows(statement), limit, _read_job, JOBS_CURSOR)


async def _attempts(read_side: ReadSide, arguments: Arguments) -> Page[RecordedAttempt]:
    before, limit = arguments[ATTEMPTS_CURSOR.parameter], arguments[LIMIT]
    given, business_id = arguments.among(_FILTERS), read_side.business_id
    statement = outbox.attempts(given, before=before, limit=limit + 1, business_id=business_id)
    return page(await read_side.database.rows(statement), limit, _read_attempt, ATTEMPTS_CURSOR)


async def _retry(read_side: ReadSide, arguments: Arguments) -> Retried:
    asked = arguments.among((ROUTE, WEBHOOK_ID, JOB_ID))
    if not asked:
        raise ApiError(400, "missing_parameter", "say which: route, webhook_id or job_id")
    statement = outbox.retry(asked, read_side.business_id)
    ((retried, _),) = await read_side.database.change(statement)
    return Retried(int(str(retried)))


def _read_job(row: Row) -> Item[int, QueuedJob]:
    return Item(int(str(row[0])), outbox.read_job(row))


def _read_attempt(row: Row) -> Item[Last, RecordedAttempt]:
    attempt = outbox.read_attempt(row)
    return Item(Last(attempt.attempted_at, attempt.job_id, attempt.number), attempt)


LIST_ROUTES: Final = Operation["ReadSide", Routes](
    path="/v1/windmill/routes",
    name="list_windmill_routes",
    summary="List the routes: which events start which workflow, and how their jobs fare.",
    handle=_routes,
    answers=Routes,
    of_all=True,
)
LIST_OUTBOX: Final = Operation["ReadSide", Page[QueuedJob]](
    path="/v1/windmill/outbox",
    name="list_windmill_outbox",
    summary="List the jobs that events call for, the last first.",
    handle=_outbox,
    answers=Page[QueuedJob],
    takes=Declared(query=(*_FILTERS, LIMIT, JOBS_CURSOR.parameter)),
)
LIST_ATTEMPTS: Final = Operation["ReadSide", Page[RecordedAttempt]](
    path="/v1/windmill/attempts",
    name="list_windmill_attempts",
    summary="List the requests that were to start jobs, the last first.",
    handle=_attempts,
    answers=Page[RecordedAttempt],
    takes=Declared(query=(*_FILTERS, LIMIT, ATTEMPTS_CURSOR.parameter)),
)
RETRY: Final = Operation["ReadSide", Retried](
    path="/v1/windmill/retry",
    name="retry_windmill_jobs",
    summary="Let parked jobs wait to be started again: of a route, of a webhook, or one.",
    handle=_retry,
    answers=Retried,
    takes=Declared(query=(ROUTE, WEBHOOK_ID, JOB_ID)),
    may_fail={400: "The query is not as declared, or says nothing of which jobs are meant."},
    method="POST",
    scope="admin",
)
OPERATIONS: Final = (LIST_ROUTES, LIST_OUTBOX, LIST_ATTEMPTS, RETRY)
