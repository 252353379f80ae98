"""Benchmark: how far the read models are behind the log, at half the rate it can take."""

from __future__ import annotations

import bisect
import time
from threading import Thread
from typing import TYPE_CHECKING

import psycopg

from tests.benchmarks.bodies import deliveries, request
from tests.benchmarks.load import drive
from tests.benchmarks.measure import Result
from tests.benchmarks.servers import real, serving

if TYPE_CHECKING:
    from typing import Any

_TARGET_S = 0.1
_CLIENTS = 64
_PEAK_REQUESTS = 3_000
_HALF = 0.5
_DURATION_S = 8
_PATIENCE_S = 60.0


def at_half_the_peak(conninfo: str) -> Result:
    """Measure, for each event, the time from its commit until a read shows it."""
    with serving(real, conninfo) as port, psycopg.connect(conninfo, autocommit=True) as conn:
        requests = [request(one) for one in deliveries(_PEAK_REQUESTS)]
        per_s = drive(port, requests, _CLIENTS).requests_per_s * _HALF
        _await_shown(conn)
        first = _last(conn)
        requests = [request(one) for one in deliveries(int(per_s * _DURATION_S))]
        watcher = _Watcher(conninfo, first + len(requests))
        watcher.start()
        drive(port, requests, _CLIENTS, per_s=per_s)
        watcher.join(_PATIENCE_S)
        lags_s = watcher.lags_s(conn, first)
    p50_ms, p99_ms = (lags_s[int(len(lags_s) * part)] * 1e3 for part in (0.5, 0.99))
    detail = f"p50 {p50_ms:,.0f} ms, p99 {p99_ms:,.0f} ms at {per_s:,.0f} webhooks/s"
    what = "projection lag p99 at half the peak ÷ 100 ms"
    return Result(what, p99_ms / 1e3 / _TARGET_S, 1, True, detail)


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


def _await_shown(conn: psycopg.Connection[Any]) -> None:
    select = "SELECT notification_id FROM raphus.projections_tracking WHERE application_name = %s"
    give_up_at = time.monotonic() + _PATIENCE_S
    while conn.execute(select, ["ledger"]).fetchone() != (_last(conn),):
        if time.monotonic() > give_up_at:
            raise TimeoutError("the follower does not keep up")
        time.sleep(0.05)
