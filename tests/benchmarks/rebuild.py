"""Benchmark: the rebuild of all read models, against less work, more work, and more events."""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import time
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from domain.aggregates.factory import aggregate
from ledger.mapper import COLUMNS, LedgerMapper
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.rebuild import rebuild
from projections.rebuild.workers import cores
from tests.benchmarks.measure import Result, medians, seconds
from tests.benchmarks.projections import fill, run_the_librarys

if TYPE_CHECKING:
    from collections.abc import Sequence

_CUSTOMERS = 3_000
_ROUNDS = 3
_TIMES = 10
_CUSTOMERS_OF_ONE = 250
_SHOW_ALL = """
    UPDATE raphus.projections_tracking AS t
    SET notification_id = log.notification_id, events = log.notification_id, hash = log.hash
    FROM (SELECT * FROM raphus.ledger_events ORDER BY notification_id DESC LIMIT 1) AS log
    WHERE application_name = 'ledger'
"""


_LOG = f"SELECT {COLUMNS} FROM raphus.housed_events ORDER BY originator_id, notification_id"


class _Taken(NamedTuple):
    time_s: float
    memory_bytes: int


def against_copy_out_and_the_librarys_runner(conninfo: str) -> list[Result]:
    """Measure events/s of a rebuild that finds every row missing, or none, and of parts of it.

    Reading is a bare COPY of the log; folding is all that this interpreter does of a rebuild, on
    every core; following is the library's runner, an event a transaction.
    """
    events = fill(conninfo, _CUSTOMERS)
    copying_s, librarys_s, rebuilding_s, comparing_s, folding_s = medians(
        lambda: seconds(lambda: copy_out(conninfo)),
        lambda: events / run_the_librarys(conninfo),
        lambda: _rebuild_from_nothing(conninfo),
        lambda: seconds(lambda: _rebuild(conninfo)),
        lambda: _fold(conninfo),
        rounds=_ROUNDS,
    )
    per_s = events / rebuilding_s
    what = "full rebuild of all read models"
    of_folding = "the fold alone on all cores"
    each = f"{folding_s / events * 1e6:,.0f} µs of processor time an event"
    folded_per_s = events * cores() / folding_s
    return [
        Result(
            f"{what} ÷ {of_folding}",
            per_s / folded_per_s,
            0.4,
            False,
            f"{per_s:,.0f} against {folded_per_s:,.0f} events/s; {each}",
        ),
        Result(
            f"rebuild where nothing differs ÷ {of_folding}",
            events / comparing_s / folded_per_s,
            0.6,
            False,
            f"{events / comparing_s:,.0f} against {folded_per_s:,.0f} events/s",
        ),
        Result(
            f"{what} ÷ COPY OUT of the log, discarded",
            copying_s / rebuilding_s,
            0.5,
            False,
            f"{per_s:,.0f} against {events / copying_s:,.0f} events/s;"
            f" {events / comparing_s:,.0f} where nothing differs",
        ),
        Result(
            f"{what} ÷ the library's ProjectionRunner",
            librarys_s / rebuilding_s,
            None,
            False,
            f"{per_s:,.0f} against {events / librarys_s:,.0f} events/s",
        ),
    ]


def of_ten_times_the_events(conninfo: str) -> list[Result]:
    """Measure the time and the memory of both, each in a process that does nothing else."""
    events = _fill(conninfo, _CUSTOMERS_OF_ONE)
    ones = [_in_a_process(conninfo) for _ in range(_ROUNDS)]
    ten_events = _fill(conninfo, _TIMES * _CUSTOMERS_OF_ONE)
    ten = _in_a_process(conninfo)
    time_s = sorted(one.time_s for one in ones)[_ROUNDS // 2]
    memory = sorted(one.memory_bytes for one in ones)[_ROUNDS // 2]
    what = f"rebuild of {_TIMES}× the events ÷ rebuild of 1×"
    times = f"{ten.time_s:.1f} against {time_s:.1f} s, {ten_events:,} against {events:,} events"
    mib = f"{ten.memory_bytes / 2**20:,.0f} against {memory / 2**20:,.0f} MiB"
    return [
        Result(f"{what}, time", ten.time_s / time_s, 11, True, times),
        Result(
            f"{what}, peak memory",
            ten.memory_bytes / memory,
            1.5,
            True,
            f"{mib}, the largest process",
        ),
    ]


def _fill(conninfo: str, customers: int) -> int:
    """Record a merchant's history, and return how long the log is then."""
    fill(conninfo, customers)
    with psycopg.connect(conninfo) as conn:
        ((last,),) = conn.execute("SELECT max(notification_id) FROM raphus.ledger_events")
        return int(last)


def _empty(conninfo: str) -> None:
    """Let the read models claim to show all, and have nothing."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute(_SHOW_ALL)
        for model in READ_MODELS:
            conn.execute(f"TRUNCATE raphus.{model.table}")


def copy_out(conninfo: str) -> None:
    """Read the log with COPY, in no order, and discard it."""
    with (
        psycopg.connect(conninfo) as conn,
        conn.cursor() as curs,
        curs.copy("COPY raphus.ledger_events TO STDOUT (FORMAT BINARY)") as copy,
    ):
        for _ in copy:
            pass


def _fold(conninfo: str) -> float:
    """Return the processor time in s that it takes to fold the log, once read, into all rows."""
    with psycopg.connect(conninfo) as conn:
        log = conn.execute(_LOG, binary=True).fetchall()
    mapper = LedgerMapper()
    gc.disable()
    began = time.process_time()
    for stream_id, rows in groupby(log, key=itemgetter(0)):
        folded = aggregate(stream_id, [mapper.decode(*row) for row in rows])
        kind = stream_id.partition("/")[0]
        for model in READ_MODELS:
            if kind in model.streams:
                model.rows(folded)
    took_s = time.process_time() - began
    gc.enable()
    return took_s


def _rebuild(conninfo: str) -> None:
    rebuild(conninfo, READ_MODELS, check=False, progress=_ignore)


def _rebuild_from_nothing(conninfo: str) -> float:
    _empty(conninfo)
    return seconds(lambda: _rebuild(conninfo))


def _ignore(_phase: str, _done: int, _total: int) -> None:
    pass


def _in_a_process(conninfo: str) -> _Taken:
    command = [sys.executable, "-m", __name__, conninfo]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return _Taken(*json.loads(output))


def main(arguments: Sequence[str]) -> None:
    """Rebuild, and print the time taken and the memory of the largest process."""
    time_s = _rebuild_from_nothing(arguments[0])
    print(json.dumps([time_s, max(_own_peak_bytes(), _peak_bytes(resource.RUSAGE_CHILDREN))]))


def _own_peak_bytes() -> int:
    # On Linux getrusage says of us what the process was that started us, if that was larger.
    status = Path("/proc/self/status")
    if not status.exists():
        return _peak_bytes(resource.RUSAGE_SELF)
    fields = dict(line.split(":", 1) for line in status.read_text("utf-8").splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024


def _peak_bytes(who: int) -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(who).ru_maxrss * unit


if __name__ == "__main__":
    main(sys.argv[1:])
