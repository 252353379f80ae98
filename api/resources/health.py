"""Whether the process lives, whether it is ready, and what it counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec
import psycopg

from api.http.errors import ApiError, not_now
from api.http.operations import Operation
from api.http.questions import Query
from api.http.responses import Content
from api.metrics import MEDIA_TYPE
from domain.anomalies.catalogue import CODES
from ledger.clock import doubt
from ledger.following.checkpoint import CHECKPOINT, Checkpoint
from ledger.following.pages import disagreement
from ledger.integrity.hash_chain import GENESIS
from migrations import runner
from postgres.statement import Statement
from projections.read_models import anomalies
from projections.read_models.anomalies import Instant
from reconciliation import queries as reconciliations
from workflows.outbox import queries as outbox

if TYPE_CHECKING:
    from api.services import Services

_MIGRATIONS: Final = len(runner.read())
_NOT_FOLLOWED: Final = "the read models do not follow the log; the server's log tells why"


class Alive(msgspec.Struct):
    """The process answers."""

    status: Literal["ok"]


class Ready(msgspec.Struct):
    """The server takes webhooks and answers reads.

    `follower` tells whether this server writes the read models or another does. `lag_s` is the
    age in seconds of the oldest event that they do not show yet. `warnings` tell, by what they
    are about, what a person should see to before it does harm.
    """

    status: Literal["ready"]
    follower: Literal["leading", "standing by"]
    queued: int
    log_position: str
    projected_position: str
    lag_s: float
    warnings: dict[str, str]


class LogStatus(NamedTuple):
    """How far the log and the read models are, and the age of the first event not shown.

    `log_hash` is the log's at the checkpoint, None where the log has no such event. `database_at`
    is the database's clock, `head_at` when the newest event was recorded.
    """

    log_position: int
    projected_position: int
    lag_s: float
    migrations: int
    hash: bytes
    events: int
    log_hash: bytes | None
    database_at: datetime
    head_at: datetime | None

    @property
    def disagreement(self) -> str | None:
        """How the checkpoint and the log differ; None where they agree."""
        followed = Checkpoint(self.projected_position, self.hash, self.events)
        return disagreement(followed, self.log_hash)

    @property
    def doubt(self) -> str | None:
        """What is wrong with the clocks; None while they agree."""
        return doubt(self.database_at, datetime.now(UTC), self.head_at)


_LOG_STATUS: Final = Statement(
    "SELECT (SELECT coalesce(max(notification_id), 0) FROM raphus.ledger_events),"  # noqa: S608
    " shown.position,"
    " coalesce((SELECT greatest(extract(epoch FROM clock_timestamp() - recorded_at)::float8, 0)"
    " FROM raphus.ledger_events WHERE notification_id = shown.position + 1), 0),"
    " (SELECT count(*) FROM raphus.migrations), shown.hash, shown.events,"
    " CASE WHEN shown.position = 0 THEN %(genesis)s ELSE (SELECT log.hash"
    " FROM raphus.ledger_events AS log WHERE notification_id = shown.position) END,"
    " clock_timestamp(), (SELECT recorded_at FROM raphus.ledger_events"
    " ORDER BY notification_id DESC LIMIT 1)"
    f" FROM ({CHECKPOINT.sql}) AS shown (position, hash, events)",
    {**CHECKPOINT.params, "genesis": GENESIS},
)


async def _log_status(services: Services) -> LogStatus:
    try:
        row = await services.database.row(_LOG_STATUS)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise not_now("not_ready", "the migrations are not applied") from error
    if row is None:
        raise not_now("not_ready", "the checkpoint of the read models is missing")
    return msgspec.convert(row, LogStatus)


async def _healthz(_services: Services, _query: Query) -> Alive:
    return Alive("ok")


async def _readyz(services: Services, _query: Query) -> Ready:
    writer, share = services.writer, services.share
    _must_be_well(processes=None if share.has_begun else "not all of them run yet")
    # Without asking the database: it may be away, and many may ask us.
    _must_be_well(writer=writer.problem, queue="it is full" if writer.is_full else None)
    status = await _log_status(services)
    _must_be_well(
        migrations="some are not applied" if status.migrations < _MIGRATIONS else None,
        # What exactly fails is for the log: everybody may ask this.
        follower=_NOT_FOLLOWED if services.follower.problem else None,
        checkpoint=status.disagreement,
    )
    follower: Literal["leading", "standing by"]
    follower = "leading" if services.follower.leading else "standing by"
    shown = str(status.log_position), str(status.projected_position), status.lag_s
    policy = services.rules.policy
    policy.current()
    warned = {**share.absent, "clock": status.doubt, "policy": policy.problem}
    warnings = {about: problem for about, problem in warned.items() if problem}
    return Ready("ready", follower, services.metrics.queued, *shown, warnings)


def _must_be_well(**problems: str | None) -> None:
    present = {name: problem for name, problem in problems.items() if problem}
    if present:
        raise not_now("not_ready", f"not ready: {', '.join(present)}", present, retry_s=5)


async def _metrics(services: Services, _query: Query) -> Content:
    metrics, routes = services.metrics, services.rules.routes
    names = [route.name for route in routes.current()]
    metrics.show_routes(read=routes.problem is None)
    try:
        status = await _log_status(services)
    except ApiError:
        metrics.forget_progress()  # the counters are worth having without the database, too
        metrics.show_jobs({})
        metrics.show_anomalies({})
        metrics.show_reconciled({}, float("nan"))
    else:
        metrics.show_progress(*status[:3], agrees=status.disagreement is None)
        metrics.show_jobs(await _jobs(services, names))
        metrics.show_anomalies(await _anomalies(services))
        metrics.show_reconciled(*await _reconciled(services))
    return Content(metrics.exposition(), MEDIA_TYPE)


async def _jobs(services: Services, routes: list[str]) -> dict[str, dict[str, int]]:
    """Count the jobs of routes that are not started; none of a route where it takes too long."""
    try:
        rows = await services.database.rows(outbox.counts(routes)) if routes else []
    except ApiError:
        return {}
    counts = outbox.read_counts(rows)
    return {
        name: {"waiting": count.waiting, "parked": count.parked} for name, count in counts.items()
    }


async def _anomalies(services: Services) -> dict[str, int]:
    """Count what is wrong now, by code; nothing where it takes too long."""
    try:
        rows = await services.database.rows(anomalies.counts(Instant(datetime.now(UTC), None)))
    except ApiError:
        return {}
    return dict.fromkeys(CODES, 0) | dict(msgspec.convert(rows, list[tuple[str, int]]))


async def _reconciled(services: Services) -> tuple[dict[str, int], float]:
    """Read what came of the last reconciliation; nothing, where there was none."""
    try:
        row = await services.database.row(reconciliations.LATEST)
    except ApiError:
        row = None
    if row is None:
        return {}, float("nan")
    return msgspec.convert(row, tuple[dict[str, int], float])


HEALTHZ: Final = Operation["Services", Query, Alive](
    path="/healthz",
    name="healthz",
    summary="Tell that the process lives.",
    handle=_healthz,
    takes=Query,
    answers=Alive,
    secured=False,
)
READYZ: Final = Operation["Services", Query, Ready](
    path="/readyz",
    name="readyz",
    summary="Tell whether webhooks can be taken and reads be answered.",
    handle=_readyz,
    takes=Query,
    answers=Ready,
    secured=False,
)
METRICS: Final = Operation["Services", Query, Content](
    path="/metrics",
    name="metrics",
    summary="Give the counters, in Prometheus' text format.",
    handle=_metrics,
    takes=Query,
    answers=Content,
    media_types=("text/plain",),
    of_all=True,
)
