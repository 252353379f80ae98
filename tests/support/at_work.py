"""A sender that several tests share, each of which looks at an event of its own."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.projected import record
from tests.support.windmill import attempts, event, outbox, sending, task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.windmill_stand_in import StandIn


class AtWork(NamedTuple):
    """A database for whose events jobs are started, and the target of its only route."""

    database: str
    target: StandIn
    numbers: Iterator[int]

    def tell(self) -> str:
        """Record an event of another subscription, and return its webhook-id."""
        number = next(self.numbers)
        record(self.database, [event(number, f"sub_{number}")])
        return f"msg_{number}"

    def job(self, webhook_id: str, columns: str = "state") -> tuple[Any, ...]:
        """Read columns of its row in the outbox; there are none before it has fallen due."""
        rows = outbox(self.database, f"webhook_id, {columns}")
        return next((row[1:] for row in rows if row[0] == webhook_id), ())

    def attempts(self, webhook_id: str) -> list[tuple[Any, ...]]:
        """Read the attempts at its job."""
        return [row for row in attempts(self.database) if row[0] == webhook_id]


@contextmanager
def at_work(database: str, routes: Path, target: StandIn) -> Iterator[AtWork]:
    """Start jobs in a thread, with quick limits, until the block ends."""
    with sending(task(database, routes, target)):
        yield AtWork(database, target, count(1))
