"""Benchmark: the server as several processes against one, and the processor time of each part."""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from tests.benchmarks.bodies import SECRET, deliveries, request
from tests.benchmarks.cores import limits_per_s
from tests.benchmarks.cores import told as limits_told
from tests.benchmarks.measure import Result
from tests.benchmarks.parts import measured, medians_us, port_of, told
from tests.benchmarks.sending import SENT_BY, per_s
from tests.support.program import serving

if TYPE_CHECKING:
    from tests.benchmarks.parts import Round
    from tests.support.program import Program

_CLIENTS: Final = {1: 400, 8: 1_600, 64: 4_000}
"""How many webhooks so many clients send in a round."""
_WORKERS: Final = (0, 1, 2)
_ROUNDS: Final = 3
_CORES: Final = (8, 32)
"""How many cores the arithmetic is done for."""


def against_one(conninfo: str) -> list[Result]:
    """Take turns with servers of one process and of several, with few clients and with many."""
    rounds: dict[tuple[int, int], list[Round]] = defaultdict(list)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        conn = stack.enter_context(psycopg.connect(conninfo, autocommit=True))
        for _ in range(_ROUNDS):
            for workers in _WORKERS:
                settings = {"RAPHUS_WORKERS": str(workers), "DODO_PAYMENTS_WEBHOOK_KEY": SECRET}
                with serving(folder / "home", DATABASE_URL=conninfo, **settings) as server:
                    for clients in _CLIENTS:
                        rounds[clients, workers].append(_round(server, conn, clients))
    results = [
        _result(clients, workers, rounds[clients, workers], rounds[clients, 0])
        for clients in _CLIENTS
        for workers in _WORKERS
    ]
    most = rounds[max(_CLIENTS), max(_WORKERS)]
    return results + [_on_cores(cores, most) for cores in _CORES]


def _result(clients: int, workers: int, several: list[Round], one: list[Round]) -> Result:
    """Compare by the busiest process, which the others wait for where there are cores enough."""
    parts, of_one = (medians_us([each.parts_us for each in rounds]) for rounds in (several, one))
    busiest_us = _busiest_us(parts, workers)
    by_the_clock = statistics.median(each.per_s for each in several)
    detail = (
        f"{1e6 / busiest_us:,.0f} webhooks/s by the busiest; {told(parts)};"
        f" {by_the_clock:,.0f} webhooks/s by the clock, sent by {SENT_BY}"
    )
    counted = "1 client" if clients == 1 else f"{clients} clients"
    what = f"webhooks/s that the busiest process allows, {counted}, {_named(workers)} ÷ one process"
    return Result(what, _busiest_us(of_one, 0) / busiest_us, None, False, detail)


def _on_cores(cores: int, rounds: list[Round]) -> Result:
    """Do the arithmetic with what several workers took, and compare with that for two cores."""
    parts = medians_us([each.parts_us for each in rounds])
    limits, of_two = (limits_per_s(parts, number) for number in (cores, 2))
    name = f"webhooks/s that {cores} cores allow by these costs ÷ that 2 do, by arithmetic"
    ratio = min(limits.values()) / min(of_two.values())
    return Result(name, ratio, None, False, f"webhooks/s by {limits_told(limits)}")


def _named(workers: int) -> str:
    return {0: "one process", 1: "1 worker"}.get(workers, f"{workers} workers")


def _busiest_us(parts_us: dict[str, float], workers: int) -> float:
    shared = {"requests": max(workers, 1)}
    return max(us / shared.get(part, 1) for part, us in parts_us.items())


def _round(server: Program, conn: psycopg.Connection, clients: int) -> Round:
    requests = [request(one) for one in deliveries(_CLIENTS[clients])]
    some = [request(one) for one in deliveries(2 * clients)]
    per_s(port_of(server), some, clients)  # all are connected to a worker, and warm
    return measured(server, conn, requests, clients)
