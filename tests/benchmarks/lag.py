"""Benchmark: how far the read models are behind the log, at half the rate it can take."""

from __future__ import annotations

import bisect
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

import psycopg

from tests.benchmarks import merchants
from tests.benchmarks.bodies import SECRET, deliveries, request
from tests.benchmarks.load import drive
from tests.benchmarks.measure import Result, percentile
from tests.benchmarks.parts import measured, parts_s, port_of
from tests.benchmarks.sending import SENT_BY
from tests.support.program import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from domain.delivery import Delivery
    from tests.support.program import Program

_TARGET_S: Final = 0.1
_CLIENTS: Final = 64
_WEBHOOKS: Final = 3_000
"""How many are sent to find the peak, and in each round at half of it."""
_ROUNDS: Final = 3
_HALF: Final = 0.5
_QUARTER: Final = 0.25
_PATIENCE_S: Final = 60.0


def of_new_objects(conninfo: str) -> list[Result]:
    """Measure it where each purchase is new."""
    return _measured(conninfo, "new objects", deliveries)


def of_old_subscriptions(conninfo: str) -> list[Result]:
    """Measure it with what subscriptions of up to two years bring next."""
    coming = merchants.after_two_years(conninfo, _WEBHOOKS * (2 * _ROUNDS + 1))
    return _measured(conninfo, "merchants of two years", coming)


def _measured(conninfo: str, what: str, make: Callable[[int], list[Delivery]]) -> list[Result]:
    """Measure, for each event, the time from its commit until a read shows it."""
    settings = {"RAPHUS_WORKERS": "", "DODO_PAYMENTS_WEBHOOK_KEY": SECRET}
    with (
        tempfile.TemporaryDirectory() as folder,
        psycopg.connect(conninfo, autocommit=True) as conn,
        serving(Path(folder) / "home", DATABASE_URL=conninfo, **settings) as server,
    ):
        peak = measured(server, conn, [*map(request, make(_WEBHOOKS))], _CLIENTS)

        def at(per_s: float) -> Lag:
            rounds = [
                _round(server, conn, [*map(request, make(_WEBHOOKS))], per_s)
                for _ in range(_ROUNDS)
            ]
            return Lag(per_s, *map(statistics.median, zip(*rounds, strict=True)))

        half, quarter = at(peak.per_s * _HALF), at(peak.per_s * _QUARTER)
    return [
        Result(f"projection lag p99 at half the peak ÷ 100 ms, {what}", *half.beside(1)),
        Result(f"projection lag p99 at a quarter of it ÷ 100 ms, {what}", *quarter.beside(None)),
    ]


@dataclass(frozen=True)
class Lag:
    """The lag at a rate, and how many cores that rate takes but for who sends."""

    per_s: float
    p50_s: float
    p99_s: float
    cores: float

    def beside(self, target: float | None) -> tuple[float, float | None, bool, str]:
        """Return the p99 beside the target's, and what was measured."""
        detail = (
            f"p50 {self.p50_s * 1e3:,.0f} ms, p99 {self.p99_s * 1e3:,.0f} ms at"
            f" {self.per_s:,.0f} webhooks/s, which take {self.cores:.1f} of {os.cpu_count()} cores"
            f" and are sent by our own generator; the peak by {SENT_BY}"
        )
        return self.p99_s / _TARGET_S, target, True, detail


def _round(
    server: Program, conn: psycopg.Connection[Any], requests: list[bytes], per_s: float
) -> tuple[float, float, float]:
    """Send so many a second; return the median lag, its 99th percentile, and the cores taken."""
    before = parts_s(server, conn)
    lags_s = _lags_s(server, conn, requests, per_s)
    after = parts_s(server, conn)
    taken_s = sum(after[part] - before.get(part, 0.0) for part in after)
    return percentile(lags_s, 50), percentile(lags_s, 99), taken_s / len(requests) * per_s


def _lags_s(
    server: Program, conn: psycopg.Connection[Any], requests: list[bytes], per_s: float
) -> list[float]:
    """Send so many a second, and return the lag of each, shortest first."""
    first = _last(conn)
    watcher = _Watcher(conn.info.dsn, first + len(requests))
    watcher.start()
    drive(port_of(server), requests, _CLIENTS, per_s=per_s)
    watcher.join(_PATIENCE_S)
    return watcher.lags_s(conn, first)


class _Watcher(Thread):
    """Notes when each position was shown, until the last one is."""

    def __init__(self, conninfo: str, last: int) -> None:
        super().__init__(daemon=True)
        self._conn = psycopg.connect(conninfo, autocommit=True)
        self._conn.execute("LISTEN projections")
        self._last = last
        self._shown: list[tuple[int, float]] = []

    def run(self) -> None:
        for told in self._conn.notifies(timeout=_PATIENCE_S):
            self._shown.append((int(told.payload), time.time()))
            if self._shown[-1][0] >= self._last:
                break
        self._conn.close()

    def lags_s(self, conn: psycopg.Connection[Any], first: int) -> list[float]:
        """Return the lags of all events after a position, shortest first."""
        select = (
            "SELECT notification_id, extract(epoch FROM recorded_at)::float8"
            " FROM raphus.ledger_events WHERE notification_id > %s AND notification_id <= %s"
        )
        positions = [position for position, _ in self._shown]
        rows = conn.execute(select, [first, positions[-1]]).fetchall()
        return sorted(
            self._shown[bisect.bisect_left(positions, position)][1] - recorded_at
            for position, recorded_at in rows
        )


def _last(conn: psycopg.Connection[Any]) -> int:
    row = conn.execute("SELECT max(notification_id) FROM raphus.ledger_events").fetchone()
    return int(row[0]) if row and row[0] else 0
