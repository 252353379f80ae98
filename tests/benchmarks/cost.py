"""What some work costs each time: by the clock, in our processor time, and in PostgreSQL's."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.benchmarks.measure import processor_s

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

_NAMED: Final = "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND datname = %s"


@dataclass
class Cost:
    """What something took, each time; PostgreSQL's is that of the backend with a pid.

    A process' time is counted in ticks, so only the sum or the mean of it tells.
    """

    pid: int
    elapsed_s: list[float] = field(default_factory=list)
    ours_s: list[float] = field(default_factory=list)
    servers_s: list[float] = field(default_factory=list)

    def measure(self, work: Callable[[], object]) -> None:
        """Do the work, and note what it took."""
        servers_s, ours_s, began = processor_s(self.pid), time.process_time(), time.perf_counter()
        work()
        self.elapsed_s.append(time.perf_counter() - began)
        self.ours_s.append(time.process_time() - ours_s)
        self.servers_s.append(processor_s(self.pid) - servers_s)


def cost_of(conn: psycopg.Connection, name: str) -> Cost:
    """Return the cost of what works over the one connection with a name, to the same database."""
    ((pid,),) = conn.execute(_NAMED, [name, conn.info.dbname]).fetchall()
    return Cost(int(pid))
