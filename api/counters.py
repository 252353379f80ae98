"""What is counted, where each process of a server writes its counts, and the sums of all of them.

The labels of a counter are known beforehand, so each count has its place on the board: what a
process has counted is there when it has died, and its successor counts on.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, product
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

from domain.aggregates.announcement import FAMILY_OF
from domain.aggregates.catalogue import KINDS
from domain.aggregates.routing import KINDS_BY_LOOK
from domain.state_machine import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client import Metric

    from telemetry.board import Board

UNREAD: Final = "unread"
"""Stands for the type of a delivery whose body was not read, since it is not verified."""
OTHER: Final = "other"
"""Stands for what is none of the values that are known, since it could be any number of them."""

TYPES: Final = frozenset(type_ for kind in KINDS.values() for type_ in kind.machine.types)
_OUTCOMES: Final = ("recorded", "duplicate", "unverified", "too_large", "busy", "failed")
_CODES: Final = (
    *("unauthorized", "insufficient_scope", "bound_to_business", "loopback_only", "cross_site"),
    *("unavailable", "busy", "too_slow"),
)
_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Counter(NamedTuple):
    """Counts by labels, each of which has a few values; the first has `other` for every other."""

    name: str
    help: str
    labels: dict[str, tuple[str, ...]]

    @property
    def columns(self) -> int:
        """How many numbers it has."""
        return len(self.keys())

    def keys(self) -> list[tuple[str, ...]]:
        """Return the values of its labels, in the order of its columns."""
        return list(product(*self.labels.values()))

    def family(self, sums: Sequence[float]) -> Metric:
        """Return it as Prometheus has it; what has never been counted is left out."""
        family = CounterMetricFamily(self.name, self.help, labels=list(self.labels))
        for key, value in zip(self.keys(), sums, strict=True):
            if value:
                family.add_metric(key, value)
        return family


class Histogram(NamedTuple):
    """Counts by size, up to each bound, and adds the sizes up."""

    name: str
    help: str
    bounds: tuple[float, ...]

    @property
    def columns(self) -> int:
        """How many numbers it has: its buckets with that beyond all bounds, and the sum."""
        return len(self.bounds) + 2

    def family(self, sums: Sequence[float]) -> Metric:
        """Return it as Prometheus has it: each bucket holds those before it, too."""
        *buckets, total = sums
        bounds = [*(str(float(bound)) for bound in self.bounds), "+Inf"]
        counted = list(zip(bounds, accumulate(buckets), strict=True))
        family = HistogramMetricFamily(self.name, self.help)
        family.add_metric([], counted, sum_value=total)
        return family


class Gauge(NamedTuple):
    """A number that goes up and down; those of all processes that run are added up."""

    name: str
    help: str
    columns: int = 1

    def family(self, sums: Sequence[float]) -> Metric:
        """Return it as Prometheus has it."""
        return GaugeMetricFamily(self.name, self.help, value=sums[0])


DELIVERIES: Final = Counter(
    "raphus_deliveries",
    "Webhooks by type and by what became of them: recorded, duplicate, unverified, too_large, busy"
    " or failed.",
    {"type": (*sorted(TYPES), UNREAD, OTHER), "outcome": _OUTCOMES},
)
FACTS: Final = Counter(
    "raphus_facts",
    "Facts, looks and announcements by type and verdict, each when it is first projected.",
    {
        "type": (*sorted(TYPES | KINDS_BY_LOOK.keys() | FAMILY_OF.keys()), OTHER),
        "verdict": (*(str(verdict.value) for verdict in Verdict), "none"),
    },
)
REFUSED: Final = Counter(
    "raphus_refused_requests",
    "Questions that are refused for who asks, by the code of the error.",
    {"code": (*_CODES, OTHER)},
)
BATCH: Final = Histogram("raphus_batch_deliveries", "Deliveries a commit.", _SIZES)
COMMIT: Final = Histogram("raphus_commit_seconds", "Time a commit takes.", _SECONDS)
DELAY: Final = Histogram(
    "raphus_projection_delay_seconds",
    "Time from the commit of an event until the read models show it, a page's oldest.",
    _SECONDS,
)
QUEUE: Final = Gauge("raphus_queue_deliveries", "Deliveries that wait to be committed.")

_ALL: Final[tuple[Counter | Histogram | Gauge, ...]] = (
    *(DELIVERIES, FACTS, REFUSED),
    *(BATCH, COMMIT, DELAY),
    QUEUE,
)
_BEGINS: Final = dict(
    zip(
        [each.name for each in _ALL],
        accumulate((each.columns for each in _ALL), initial=0),
        strict=False,
    )
)
_COLUMN_OF: Final = {
    each.name: {key: _BEGINS[each.name] + number for number, key in enumerate(each.keys())}
    for each in _ALL
    if isinstance(each, Counter)
}
COLUMNS: Final = sum(each.columns for each in _ALL)
"""How many numbers of its own a process has on the board."""


class Counters:
    """The counts of one process, and the sums of all."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._own = board.own.own
        self._lock = Lock()  # threads of this process; no other one writes here
        self.show(QUEUE, 0)  # a process that was here before may have died with some

    def count(self, counter: Counter, *values: str, by: int = 1) -> None:
        """Count under these values of the labels."""
        columns = _COLUMN_OF[counter.name]
        column = columns.get(values)
        if column is None:
            column = columns[OTHER, *values[1:]]
        with self._lock:
            self._own[column] += by

    def observe(self, histogram: Histogram, size: float) -> None:
        """Count something by its size."""
        begins = _BEGINS[histogram.name]
        with self._lock:
            self._own[begins + bisect_left(histogram.bounds, size)] += 1
            self._own[begins + histogram.columns - 1] += size

    def show(self, gauge: Gauge, value: float) -> None:
        """Take this process' part of a number."""
        self._own[_BEGINS[gauge.name]] = value

    def shown(self, gauge: Gauge) -> float:
        """Return the sum over the processes that run."""
        return sum(row.own[_BEGINS[gauge.name]] for row in self._board.running)

    def collect(self) -> Iterator[Metric]:
        """Give all of it, added up over all processes (`prometheus_client`'s Collector)."""
        rows = [row.own for row in self._board.rows.values()]
        for each in _ALL:
            if isinstance(each, Gauge):
                yield each.family([self.shown(each)])
            else:
                begins = _BEGINS[each.name]
                yield each.family(_sums(rows, range(begins, begins + each.columns)))


def _sums(rows: Iterable[memoryview[float]], columns: range) -> list[float]:
    parts = (row[columns.start : columns.stop] for row in rows)
    return [sum(column) for column in zip(*parts, strict=True)]
