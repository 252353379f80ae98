"""What the server counts, in Prometheus' format."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

from api.counters import (
    BATCH,
    COLUMNS,
    COMMIT,
    DELAY,
    DELIVERIES,
    FACTS,
    OTHER,
    QUEUE,
    REFUSED,
    TYPES,
    Counters,
)
from telemetry.board import alone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

    from projections.live.projector import Projected
    from telemetry.board import Board

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST.encode()


class _Typed(msgspec.Struct):
    type: str


_decode = msgspec.json.Decoder(_Typed).decode


def type_of(body: bytes) -> str:
    """Return the type of a verified body, or `other`."""
    try:
        type_ = _decode(body).type
    except (msgspec.MsgspecError, RecursionError):
        return OTHER
    return type_ if type_ in TYPES else OTHER


class _Processes:
    """What the system tells of each process that runs, under the names that are usual for one."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """Give them (`prometheus_client`'s Collector)."""
        families: dict[str, Metric] = {}
        for name, row in self._board.rows.items():
            if row.runs:
                one = ProcessCollector(pid=partial(int, row.pid), registry=None)
                for metric in one.collect():
                    of_all = families.setdefault(metric.name, _labelled(metric))
                    for sample in metric.samples:
                        of_all.add_sample(sample.name, {"process": name}, sample.value)
        yield from families.values()


def _labelled(metric: Metric) -> Metric:
    kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
    return kind(metric.name, metric.documentation, labels=["process"])


class _Following:
    """How far the read models are behind the log, and whether they agree with it."""

    def __init__(self, registry: CollectorRegistry) -> None:
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
    """The numbers of one server, of which each of its processes counts some."""

    def __init__(self, board: Board | None = None) -> None:
        board = board or alone("server", COLUMNS)
        self.registry = CollectorRegistry()
        self._counters = Counters(board)
        self.registry.register(_Processes(board))
        self.registry.register(self._counters)
        self._following = _Following(self.registry)
        self._windmill = _Windmill(self.registry)
        self._anomalies = _Anomalies(self.registry)
        self._reconciling = _Reconciling(self.registry)

    @property
    def queued(self) -> int:
        """How many deliveries wait for their commit to begin."""
        return int(self._counters.shown(QUEUE))

    def show_queue(self, queued: int) -> None:
        """Take how many of them wait in this process."""
        self._counters.show(QUEUE, queued)

    def count_deliveries(self, type_: str, outcome: str, count: int = 1) -> None:
        """Count deliveries that have been answered."""
        self._counters.count(DELIVERIES, type_, outcome, by=count)

    def count_refused(self, code: str) -> None:
        """Count a question that is refused for who asks."""
        self._counters.count(REFUSED, code)

    def count_batch(self, size: int, commit_s: float) -> None:
        """Count a commit."""
        self._counters.observe(BATCH, size)
        self._counters.observe(COMMIT, commit_s)

    def count_page(self, page: Projected) -> None:
        """Count a page that the follower has written."""
        self._counters.observe(DELAY, page.lag_s)
        for entry in page.entries:
            self._counters.count(FACTS, entry.type, entry.verdict or "none")

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
