"""The processor time that each part of a running server takes: its processes, and PostgreSQL's."""

from __future__ import annotations

import statistics
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.benchmarks.measure import processor_s
from tests.benchmarks.sending import per_s
from tests.support.program import has_caught_up, processes_of
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import psycopg

    from tests.support.program import Program

_DOES: Final = {"takes requests": "requests", "follows the log": "follower"}
_BACKENDS: Final = (
    "SELECT pid, coalesce(nullif(application_name, ''), backend_type) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND (datname = %s OR datname IS NULL)"
)
Parts = dict[str, float]
"""Processor time by part; of a webhook, in µs."""


class Round(NamedTuple):
    """What a round told of a server: webhooks a second, and processor time a webhook by part."""

    per_s: float
    parts_us: Parts


def measured(
    server: Program, conn: psycopg.Connection, requests: Sequence[bytes], clients: int
) -> Round:
    """Send webhooks, each once, and measure until all of them are shown."""
    before = parts_s(server, conn)
    sent_per_s = per_s(port_of(server), requests, clients)
    with server.client() as client:
        until(lambda: has_caught_up(client))
    after = parts_s(server, conn)
    us = {part: 1e6 * (after[part] - before[part]) / len(requests) for part in after}
    return Round(sent_per_s, us)


def port_of(server: Program) -> int:
    """Return the port of loopback that a server listens on."""
    return int(server.url.rpartition(":")[2])


def medians_us(rounds: Sequence[Mapping[str, float]]) -> Parts:
    """Return the median of each part over rounds; one that is not in a round took nothing."""
    named = dict.fromkeys(part for one in rounds for part in one)
    return {part: statistics.median(one.get(part, 0.0) for one in rounds) for part in named}


def told(parts: Mapping[str, float]) -> str:
    """Say what a webhook takes in all, and of it each part that takes a microsecond."""
    each = [f"{part} {us:,.0f}" for part, us in parts.items() if us >= 1]
    return f"µs of processor time each: {sum(parts.values()):,.0f} in all, {', '.join(each)}"


def of_processes_us(pids: Iterable[int], work: Callable[[], object], requests: int) -> float:
    """Return what some processes take together for a request of some work, in µs."""
    pids = [*pids]
    before = sum(map(processor_s, pids))
    work()
    return 1e6 * (sum(map(processor_s, pids)) - before) / requests


def parts_s(server: Program, conn: psycopg.Connection) -> dict[str, float]:
    """Return the processor time that each part has taken so far, in seconds."""
    taken: dict[str, float] = defaultdict(float)
    for does, part in _DOES.items():
        for pid in processes_of(server, does):
            taken[part] += processor_s(pid)
    taken["supervisor" if taken else "server"] += processor_s(server.pid)
    for pid, name in conn.execute(_BACKENDS, [conn.info.dbname]).fetchall():
        with suppress(FileNotFoundError):  # one that vacuums comes and goes
            taken[f"PostgreSQL's {name.removeprefix('raphus-')}"] += processor_s(pid)
    return taken
