"""Benchmark: the server as several processes against one, and the processor time of each part."""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg

from tests.benchmarks.bodies import SECRET, deliveries, request
from tests.benchmarks.load import drive
from tests.benchmarks.measure import Result, processor_s
from tests.support.program import has_caught_up, processes_of, serving
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.program import Program

_CLIENTS: Final = {1: 400, 8: 1_600, 64: 4_000}
"""How many webhooks so many clients send in a round."""
_WORKERS: Final = (0, 1, 2)
_ROUNDS: Final = 3
_DOES: Final = {"takes requests": "requests", "follows the log": "follower"}
_BACKENDS: Final = "SELECT pid, application_name FROM pg_stat_activity WHERE datname = %s"


class _Round(NamedTuple):
    """What a round told: webhooks a second, and processor time a webhook by part, in µs."""

    per_s: float
    parts_us: dict[str, float]


def against_one(conninfo: str) -> list[Result]:
    """Take turns with servers of one process and of several, with few clients and with many."""
    rounds: dict[tuple[int, int], list[_Round]] = defaultdict(list)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        conn = stack.enter_context(psycopg.connect(conninfo, autocommit=True))
        for _ in range(_ROUNDS):
            for workers in _WORKERS:
                settings = {"RAPHUS_WORKERS": str(workers), "DODO_PAYMENTS_WEBHOOK_KEY": SECRET}
                with serving(folder / "home", DATABASE_URL=conninfo, **settings) as server:
                    for clients in _CLIENTS:
                        rounds[clients, workers].append(_round(server, conn, clients))
    return [
        _result(clients, workers, rounds[clients, workers], rounds[clients, 0])
        for clients in _CLIENTS
        for workers in _WORKERS
    ]


def _result(clients: int, workers: int, several: list[_Round], one: list[_Round]) -> Result:
    """Compare by the busiest process, which the others wait for where there are cores enough."""
    parts, of_one = _parts_us(several), _parts_us(one)
    busiest_us = _busiest_us(parts, workers)
    told = ", ".join(f"{part} {us:,.0f}" for part, us in parts.items() if us >= 1)
    per_s = statistics.median(each.per_s for each in several)
    detail = (
        f"{1e6 / busiest_us:,.0f} webhooks/s by the busiest; µs of processor time each:"
        f" {sum(parts.values()):,.0f} in all, {told}; {per_s:,.0f} webhooks/s by the clock"
    )
    counted = "1 client" if clients == 1 else f"{clients} clients"
    what = f"webhooks/s that the busiest process allows, {counted}, {_named(workers)} ÷ one process"
    return Result(what, _busiest_us(of_one, 0) / busiest_us, None, False, detail)


def _named(workers: int) -> str:
    return {0: "one process", 1: "1 worker"}.get(workers, f"{workers} workers")


def _parts_us(rounds: list[_Round]) -> dict[str, float]:
    return {
        part: statistics.median(each.parts_us.get(part, 0.0) for each in rounds)
        for part in rounds[0].parts_us
    }


def _busiest_us(parts_us: dict[str, float], workers: int) -> float:
    shared = {"requests": max(workers, 1)}
    return max(us / shared.get(part, 1) for part, us in parts_us.items())


def _round(server: Program, conn: psycopg.Connection, clients: int) -> _Round:
    port = int(server.url.rpartition(":")[2])
    requests = [request(one) for one in deliveries(_CLIENTS[clients])]
    drive(port, [request(one) for one in deliveries(2 * clients)], clients)  # all are connected
    before = _parts_s(server, conn)
    load = drive(port, requests, clients)
    with server.client() as client:
        until(lambda: has_caught_up(client))
    after = _parts_s(server, conn)
    parts_us = {part: 1e6 * (after[part] - before[part]) / len(requests) for part in after}
    return _Round(load.requests_per_s, parts_us)


def _parts_s(server: Program, conn: psycopg.Connection) -> dict[str, float]:
    """Return the processor time that each part has taken so far, in seconds."""
    taken: dict[str, float] = defaultdict(float)
    for does, part in _DOES.items():
        for pid in processes_of(server, does):
            taken[part] += processor_s(pid)
    taken["server" if not taken else "supervisor"] += processor_s(server.pid)
    for pid, name in conn.execute(_BACKENDS, [conn.info.dbname]).fetchall():
        if pid != conn.info.backend_pid:
            taken[f"PostgreSQL's {name.removeprefix('raphus-')}"] += processor_s(pid)
    return taken
