"""What the server counts, in Prometheus' format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from domain.aggregates.catalogue import KINDS
from domain.aggregates.routing import KINDS_BY_LOOK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from domain.timeline import Entry

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST.encode()
UNREAD: Final = "unread"
"""Stands for the type of a delivery whose body was not read, since it is not verified."""
OTHER: Final = "other"
"""Stands for the types that no aggregate takes, since they could be any number."""

# They would be a second line for every counter, of no use here.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations

_TYPES: Final = frozenset(type_ for kind in KINDS.values() for type_ in kind.machine.types)
_OF_FACTS: Final = _TYPES | KINDS_BY_LOOK.keys()
_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class _Typed(msgspec.Struct):
    type: str


_decode = msgspec.json.Decoder(_Typed).decode


def type_of(body: bytes) -> str:
    """Return the type of a verified body, or `other`."""
    try:
        type_ = _decode(body).type
    except (msgspec.MsgspecError, RecursionError):
        return OTHER
    return type_ if type_ in _TYPES else OTHER


class _Counts:
    """How often what has happened, by the type of the event."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.deliveries = Counter(
            "raphus_deliveries",
            "Webhooks by type and by what became of them: recorded, duplicate, unverified,"
            " too_large, busy or failed.",
            ["type", "outcome"],
            registry=registry,
        )
        self.facts = Counter(
            "raphus_facts",
            "Facts and looks by type and verdict, each counted when it is first projected.",
            ["type", "verdict"],
            registry=registry,
        )
        self.refused = Counter(
            "raphus_refused_requests",
            "Questions that are refused for who asks, by the code of the error.",
            ["code"],
            registry=registry,
        )


class _Writing:
    """How deliveries get into the log."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.queue = Gauge(
            "raphus_queue_deliveries", "Deliveries that wait to be committed.", registry=registry
        )
        self.batch = Histogram(
            "raphus_batch_deliveries", "Deliveries a commit.", buckets=_SIZES, registry=registry
        )
        self.commit = Histogram(
            "raphus_commit_seconds", "Time a commit takes.", buckets=_SECONDS, registry=registry
        )


class _Following:
    """How far the read models are behind the log, and whether they agree with it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.page_lag = Histogram(
            "raphus_projection_delay_seconds",
            "Time from the commit of an event until the read models show it, a page's oldest.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.lag = Gauge(
            "raphus_projection_lag_seconds",
            "Age of the oldest event that the read models do not show yet.",
            registry=registry,
        )
        self.log_position = Gauge(
            "raphus_log_position", "Position of the newest event.", registry=registry
        )
        self.projected_position = Gauge(
            "raphus_projected_position",
            "Position up to which the read models are written.",
            registry=registry,
        )
        self.agrees = Gauge(
            "raphus_checkpoint_agrees",
            "1 where the log is what the read models have followed, event by event; else 0.",
            registry=registry,
        )


class _Windmill:
    """What Windmill has yet to start, and by which routes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.jobs = Gauge(
            "raphus_windmill_jobs",
            "Jobs that Windmill has not started yet, by route and state: waiting or parked.",
            ["route", "state"],
            registry=registry,
        )
        self.routes_read = Gauge(
            "raphus_windmill_routes_read",
            "1 where the routes are those of their file; 0 where it is wrong, and they are older.",
            registry=registry,
        )


class _Anomalies:
    """What is wrong."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge(
            "raphus_anomalies",
            "Anomalies that are open now, by code, as listed at /v1/anomalies.",
            ["code"],
            registry=registry,
        )


class _Reconciling:
    """What Dodo has said of what is known here."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.objects = Gauge(
            "raphus_reconciled_objects",
            "Objects that the last reconciliation asked Dodo about, by outcome: agreed, lost,"
            " unknown, changed, missing, awaited or refreshed.",
            ["outcome"],
            registry=registry,
        )
        self.ended = Gauge(
            "raphus_reconciled_timestamp_seconds",
            "When the last reconciliation came to its end, in seconds since 1970.",
            registry=registry,
        )


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._counts = _Counts(self.registry)
        self._writing = _Writing(self.registry)
        self._following = _Following(self.registry)
        self._windmill = _Windmill(self.registry)
        self._anomalies = _Anomalies(self.registry)
        self._reconciling = _Reconciling(self.registry)

    def watch_queue(self, queued: Callable[[], int]) -> None:
        """Take the queue's length from here."""
        self._writing.queue.set_function(queued)

    def count_deliveries(self, type_: str, outcome: str, count: int = 1) -> None:
        """Count deliveries that have been answered."""
        self._counts.deliveries.labels(type_, outcome).inc(count)

    def count_refused(self, code: str) -> None:
        """Count a question that is refused for who asks."""
        self._counts.refused.labels(code).inc()

    def count_batch(self, size: int, commit_s: float) -> None:
        """Count a commit."""
        self._writing.batch.observe(size)
        self._writing.commit.observe(commit_s)

    def count_page(self, entries: Iterable[Entry], lag_s: float) -> None:
        """Count a page that the follower has written."""
        self._following.page_lag.observe(lag_s)
        for entry in entries:
            type_ = entry.type if entry.type in _OF_FACTS else OTHER
            self._counts.facts.labels(type_, entry.verdict or "none").inc()

    def show_progress(
        self, log_position: float, projected_position: float, lag_s: float, *, agrees: float
    ) -> None:
        """Take how far the log and the read models are, and whether they agree (0 or 1)."""
        self._following.log_position.set(log_position)
        self._following.projected_position.set(projected_position)
        self._following.lag.set(lag_s)
        self._following.agrees.set(agrees)

    def forget_progress(self) -> None:
        """Show that it is not known: a stale number would look like a healthy one."""
        unknown = float("nan")
        self.show_progress(unknown, unknown, unknown, agrees=unknown)

    def show_jobs(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Take how many jobs each route has in each state; what was shown before is forgotten."""
        self._windmill.jobs.clear()
        for route, jobs in counts.items():
            for state, number in jobs.items():
                self._windmill.jobs.labels(route, state).set(number)

    def show_anomalies(self, counts: Mapping[str, int]) -> None:
        """Take how many anomalies are open by code; what was shown before is forgotten."""
        self._anomalies.open.clear()
        for code, number in counts.items():
            self._anomalies.open.labels(code).set(number)

    def show_routes(self, *, read: bool) -> None:
        """Take whether the routes are those of their file."""
        self._windmill.routes_read.set(read)

    def show_reconciled(self, outcomes: Mapping[str, int], ended_at_s: float) -> None:
        """Take what came of the last reconciliation; what was shown before is forgotten."""
        self._reconciling.objects.clear()
        for outcome, number in outcomes.items():
            self._reconciling.objects.labels(outcome).set(number)
        self._reconciling.ended.set(ended_at_s)

    def exposition(self) -> bytes:
        """Return all of it as text."""
        return generate_latest(self.registry)
