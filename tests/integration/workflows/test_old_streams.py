"""Jobs about what has a long history: found and loaded from stored folds, as from the first event.

The follower of the read models stores the folds, and may be ahead of the outbox, or behind it.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest

from ledger.application import Ledger
from ledger.mapper import LedgerMapper
from postgres.connections import FOLLOWING, connect, connect_async
from projections.folds import store
from tests.support.connected import connected
from tests.support.deliveries import receipts
from tests.support.histories import said
from tests.support.projected import following, go_to_the_end, project, record, simulated
from tests.support.windmill import begin_at_the_beginning, outbox, write_routes
from workflows.dispatch.trigger_loader import TriggerLoader
from workflows.outbox.follower import Outbox, begin
from workflows.outbox.table import Job
from workflows.routes.routes_file import RoutesFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from domain.delivery import Delivery
    from domain.event import Event
    from workflows.trigger import Trigger

LONG: Final = 300
FEW: Final = 40
WORDS: Final = ("renewed", "updated", "on_hold", "active")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Note the events that are read."""
    events: list[Event] = []
    decode = LedgerMapper.decode

    def noting(self: LedgerMapper, *columns: object) -> Event:
        events.append(decode(self, *columns))  # type: ignore[arg-type]
        return events[-1]

    monkeypatch.setattr(LedgerMapper, "decode", noting)
    return events


@pytest.fixture(autouse=True)
def _kept_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "KEPT_EVENTS", FEW // 4)


def life(numbers: range, *, late_min: int = 0) -> list[Delivery]:
    return [
        said(
            f"subscription.{WORDS[number % 4] if number else 'active'}",
            2 * number - late_min,
            f"msg_{number}",
            subscription_id="sub_1",
            status="on_hold" if number % 4 == 2 else "active",
            quantity=number // 8,
        )
        for number in numbers
    ]


def followed(database: str, routes: Path) -> list[tuple[Any, ...]]:
    """Take what there is into the outbox, and return what it holds."""
    file = RoutesFile(routes, required=True)
    taking = Outbox(database, file)
    with closing(connect(database, FOLLOWING, "test")) as conn:
        while taking.take(conn, file.current()).events:
            pass
    return outbox(database, "stream_id, webhook_id, position, known_position")


def job(row: tuple[Any, ...]) -> Job:
    stream_id, webhook_id, position, known_position = row
    return Job(uuid4(), "all", stream_id, webhook_id, position, known_position, 0, 0, 0.0)


def loaded(database: str, rows: Sequence[tuple[Any, ...]]) -> list[Trigger]:
    """Load a job for each row of the outbox, all at once."""

    async def load() -> list[Trigger]:
        conn, loader = await connect_async(database, FOLLOWING, "test"), TriggerLoader()
        async with conn:
            running = asyncio.create_task(loader.run(conn))
            found = await asyncio.gather(*map(loader.load, map(job, rows)))
            running.cancel()
        return [one.trigger for one in found]

    return asyncio.run(load())


def without_folds(database: str) -> None:
    with connected(database) as conn:
        conn.execute("DELETE FROM raphus.folds")
        conn.execute("DELETE FROM raphus.earlier_folds")


def test_one_more_event_is_read_with_few_of_those_before_it(
    database: str, tmp_path: Path, decoded: list[Event]
) -> None:
    record(database, life(range(LONG)))
    project(database)
    begin(database)
    record(database, life(range(LONG, LONG + 2)))
    decoded.clear()
    rows = followed(database, write_routes(tmp_path))
    assert [row[1] for row in rows] == [f"msg_{LONG}", f"msg_{LONG + 1}"]
    assert len(decoded) <= FEW
    for is_behind in (True, False):
        decoded.clear()
        triggers = loaded(database, rows)
        assert [one.webhook_id for one in triggers] == [row[1] for row in rows]
        assert len(decoded) <= FEW, f"the read models are behind the outbox: {is_behind}"
        project(database)
        record(database, life(range(LONG + 2, LONG + 20)))
        project(database)


def test_whoever_is_ahead_the_jobs_are_those_of_the_whole_histories(
    database: str, tmp_path: Path
) -> None:
    routes = write_routes(tmp_path)
    begin(database)
    late = [*life(range(60)), *life(range(60, 64), late_min=101), *life(range(64, 90))]
    told = [*late, *simulated(8)]
    with Ledger(database) as ledger, following(database) as follower:
        for first in range(0, len(told), 30):
            receipts(ledger.record(told[first : first + 30]))
            if first % 60 == 0:
                go_to_the_end(follower)
            if first % 90 == 0:
                followed(database, routes)
    rows = followed(database, routes)
    assert len(rows) > LONG
    project(database)
    triggers = loaded(database, rows)
    without_folds(database)
    assert loaded(database, rows) == triggers
    begin_at_the_beginning(database)
    assert followed(database, routes) == rows


def test_what_comes_late_is_judged_where_it_belongs_also_before_the_read_models_know_of_it(
    database: str, tmp_path: Path
) -> None:
    record(database, life(range(60)))
    project(database)
    begin(database)
    late = life(range(60, 64), late_min=101)
    again = said("subscription.updated", 200, "msg_8", subscription_id="sub_1")
    record(database, [*late, again, *life(range(110, 112))])
    rows = followed(database, write_routes(tmp_path))
    triggers = loaded(database, rows)
    without_folds(database)
    begin_at_the_beginning(database)
    assert followed(database, write_routes(tmp_path))[-len(rows) :] == rows
    assert loaded(database, rows) == triggers
