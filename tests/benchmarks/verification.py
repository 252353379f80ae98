"""Benchmark: proving the log by its chain, against reading it."""

from __future__ import annotations

import psycopg

from ledger.integrity.verify import verify
from tests.benchmarks.measure import Result, medians, seconds
from tests.benchmarks.projections import fill
from tests.benchmarks.rebuild import copy_out

_CUSTOMERS = 3_000


def against_copy_out(conninfo: str) -> Result:
    """Measure events/s of `raphus verify`, and of a bare COPY of the log."""
    events = fill(conninfo, _CUSTOMERS)
    verifying_s, copying_s = medians(
        lambda: seconds(lambda: _verify(conninfo)), lambda: seconds(lambda: copy_out(conninfo))
    )
    detail = f"{events / verifying_s:,.0f} against {events / copying_s:,.0f} events/s"
    what = "verify the log ÷ COPY OUT of the log, discarded"
    return Result(what, copying_s / verifying_s, None, False, detail)


def _verify(conninfo: str) -> None:
    with psycopg.connect(conninfo) as conn:
        assert verify(conn).fault is None
