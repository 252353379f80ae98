"""Following: what the log calls for is in the outbox once, whatever happens to the transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal

import pytest

from domain.state_machine import Verdict
from tests.support.connected import connected
from tests.support.histories import aggregates, said
from tests.support.projected import forget, project, record, simulated
from tests.support.proxy import Scissors, cutting
from tests.support.rebuilds import rebuilt, tamper
from tests.support.waiting import until
from tests.support.windmill import begin_at_the_beginning, outbox, write_routes
from workflows.outbox.follower import PAGE_EVENTS_MAX, Outbox, begin
from workflows.routes.routes_file import RoutesFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from domain.delivery import Delivery

CHECKPOINT: Final = """
    SELECT notification_id, events, hash = (
        SELECT hash FROM raphus.ledger_events AS log
        WHERE log.notification_id = tracking.notification_id
    ) FROM raphus.projections_tracking AS tracking WHERE application_name = 'windmill'
"""


@contextmanager
def following(conninfo: str, routes: Path) -> Iterator[Outbox]:
    """Follow in a thread until the block ends."""
    follower = Outbox(conninfo, RoutesFile(routes, required=True))
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


def checkpoint(conninfo: str) -> tuple[object, ...]:
    with connected(conninfo) as conn:
        row = conn.execute(CHECKPOINT).fetchone()
    assert row is not None
    return row


def taken(conninfo: str) -> bool:
    with connected(conninfo) as conn:
        row = conn.execute("SELECT max(notification_id) FROM raphus.ledger_events").fetchone()
    return row is not None and checkpoint(conninfo)[0] == row[0]


def fell_due(conninfo: str) -> list[tuple[object, ...]]:
    columns = "job_id, route, stream_id, webhook_id, type, position, known_position, state"
    return outbox(conninfo, columns)


def accepted(deliveries: list[Delivery]) -> set[str]:
    """Return the events that are not refused once all are known."""
    return {
        entry.webhook_id
        for one in aggregates(deliveries).values()
        for entry in one.timeline()
        if entry.verdict is not Verdict.REFUSED
    }


@pytest.mark.parametrize("lost", ["message", "answer"])
def test_rows_and_checkpoint_are_written_together_whatever_is_lost(
    database: str, tmp_path: Path, lost: Literal["message", "answer"]
) -> None:
    routes, deliveries = write_routes(tmp_path), simulated(20)
    assert len(deliveries) > PAGE_EVENTS_MAX
    begin(database)
    scissors = Scissors(b"COMMIT", lost, left=3)
    with cutting(database, scissors) as through, following(through, routes):
        for start in range(0, len(deliveries), 100):
            record(database, deliveries[start : start + 100])
            if scissors.left:  # each commit that is lost is of a page of its own
                until(lambda: taken(database))
        until(lambda: taken(database))
    assert scissors.left == 0
    last, events, is_whole = checkpoint(database)
    assert (events, is_whole) == (last, True)
    found = fell_due(database)
    ids = [row[3] for row in found]
    assert len(ids) == len(set(ids))
    assert accepted(deliveries) <= set(ids)
    # In one go, over the same log, it is the same.
    begin_at_the_beginning(database)
    with following(database, routes):
        until(lambda: taken(database))
    assert fell_due(database) == found


def test_what_is_known_already_is_for_replay(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    record(database, [said("subscription.active", 0, "msg_1", subscription_id="sub_1")])
    begin(database)
    begin(database)
    record(database, [said("subscription.renewed", 1, "msg_2", subscription_id="sub_1")])
    with following(database, routes):
        until(lambda: taken(database))
    assert [row[3] for row in fell_due(database)] == ["msg_2"]


def test_a_refused_fact_falls_due_when_the_missing_one_comes_and_behind_it(
    database: str, tmp_path: Path
) -> None:
    routes = write_routes(tmp_path)
    begin(database)
    told = [("active", 0), ("paused", 1), ("renewed", 3), ("unpaused", 2)]
    with following(database, routes):
        for word, minute in told:
            one = said(f"subscription.{word}", minute, f"msg_{word}", subscription_id="sub_1")
            record(database, [one])
            until(lambda: taken(database))
    assert outbox(database, "webhook_id, position, known_position") == [
        ("msg_active", 1, 1),
        ("msg_paused", 2, 2),
        ("msg_unpaused", 4, 4),
        ("msg_renewed", 3, 4),
    ]


def test_a_rebuild_of_the_read_models_fires_nothing(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    begin(database)
    with following(database, routes):
        tamper(database)
        until(lambda: taken(database))
        before = fell_due(database), checkpoint(database)
        assert before[0]
        assert not rebuilt(database).equal
        forget(database)
        project(database)
        record(database, [said("subscription.active", 0, "msg_1", subscription_id="sub_1")])
        until(lambda: taken(database))
    found = fell_due(database)
    assert found[:-1] == before[0]
    assert found[-1][3] == "msg_1"


def test_two_followers_take_each_event_once(database: str, tmp_path: Path) -> None:
    routes, deliveries = write_routes(tmp_path), simulated(10)
    begin(database)
    with following(database, routes), following(database, routes):
        for start in range(0, len(deliveries), 20):
            record(database, deliveries[start : start + 20])
        until(lambda: taken(database))
    last, events, is_whole = checkpoint(database)
    assert (events, is_whole) == (last, True)
    ids = [row[3] for row in fell_due(database)]
    assert len(ids) == len(set(ids))
    assert accepted(deliveries) <= set(ids)
