"""The writer: batches that grow by themselves, and an answer to everything."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
from eventsourcing.persistence import PersistenceError

from ledger.application import Ledger
from ledger.batch_writer import BATCH_BYTES_MAX, BATCH_MAX, QueueFullError
from tests.support.connected import connected
from tests.support.deliveries import receipts, renewals
from tests.support.desk import Desk, desk_of
from tests.support.log import lines, positions
from tests.support.outages import away, locked
from tests.support.waiting import GUARD_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domain.delivery import Delivery
    from ledger.application import Recording
    from postgres.prepared import Question


WRITERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'raphus-writer'
"""


@pytest.fixture
def desk(ledger: Ledger) -> Iterator[Desk]:
    with desk_of(ledger) as opened:
        yield opened


def assert_all_recorded(database: str, desk: Desk, deliveries: Sequence[Delivery]) -> None:
    """Each was answered once, with a receipt, and stands where its receipt says."""
    assert Counter(delivery for delivery, _ in desk.settled) == Counter(deliveries)
    receipts(answer for _, answer in desk.settled)
    stored = positions(database)
    assert {(d.webhook_id, d.body): n for d, n in desk.acknowledged().items()} == stored


def test_what_waits_during_a_commit_becomes_the_next_batch(database: str, desk: Desk) -> None:
    deliveries = renewals(range(302), streams=9)
    with desk.running():
        with locked(database):
            desk.submit(deliveries[:1])
            until(lambda: desk.writer.queued == 0)
            desk.submit(deliveries[1:301])
            assert desk.writer.queued == 300
            assert desk.batches == []
        until(partial(desk.has, 301))
        desk.submit(deliveries[301:])
    assert desk.sizes == [1, 300, 1]
    assert all(commit_s > 0 for commit_s in desk.commits_s)
    assert_all_recorded(database, desk, deliveries)
    assert [line.webhook_id for line in lines(database)] == [d.webhook_id for d in deliveries]


@contextmanager
def having_answered(desk: Desk, deliveries: Sequence[Delivery]) -> Iterator[None]:
    """Run a writer that has answered these by one batch, and would wait for as many."""
    desk.submit(deliveries)
    with desk.running():
        until(partial(desk.has, len(deliveries)))
        yield


def test_those_who_were_answered_together_are_waited_for(
    database: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.batch_writer.GATHER_S", GUARD_S)
    deliveries = renewals(range(6), streams=3)
    with having_answered(desk, deliveries[:3]):
        for delivery in deliveries[3:]:
            assert desk.sizes == [3]
            desk.submit([delivery])
        until(partial(desk.has, 6))
    assert desk.sizes == [3, 3]
    assert_all_recorded(database, desk, deliveries)


def test_one_who_was_answered_alone_is_not_waited_for(
    database: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.batch_writer.GATHER_S", GUARD_S)
    deliveries = renewals(range(3))
    with desk.running():
        for count, delivery in enumerate(deliveries, 1):
            desk.submit([delivery])
            until(partial(desk.has, count))
    assert desk.sizes == [1, 1, 1]
    assert_all_recorded(database, desk, deliveries)


def test_those_who_do_not_come_again_hold_nobody_up(database: str, desk: Desk) -> None:
    deliveries = renewals(range(4))
    with having_answered(desk, deliveries[:3]):
        desk.submit(deliveries[3:])
        until(partial(desk.has, 4))
    assert desk.sizes == [3, 1]
    assert_all_recorded(database, desk, deliveries)


def test_a_batch_that_is_full_waits_for_nobody(
    database: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.batch_writer.GATHER_S", GUARD_S)
    large = renewals(range(8), size_bytes=BATCH_BYTES_MAX // 4)
    desk.submit(large)
    with desk.running():
        until(partial(desk.has, 8))
    assert desk.sizes == [4, 4]
    assert_all_recorded(database, desk, large)


def test_who_stops_waits_for_nobody(
    database: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.batch_writer.GATHER_S", 10 * GUARD_S)
    deliveries = renewals(range(4))
    with having_answered(desk, deliveries[:3]):
        desk.submit(deliveries[3:])
    assert_all_recorded(database, desk, deliveries)


@pytest.mark.parametrize(
    ("count", "size_bytes", "batches"),
    [
        pytest.param(2 * BATCH_MAX + 1, 0, [BATCH_MAX, BATCH_MAX, 1], id="deliveries"),
        pytest.param(9, BATCH_BYTES_MAX // 4, [4, 4, 1], id="bytes"),
    ],
)
def test_a_batch_has_limits(
    database: str, desk: Desk, count: int, size_bytes: int, batches: list[int]
) -> None:
    deliveries = renewals(range(count), streams=50, size_bytes=size_bytes)
    desk.submit(deliveries)
    with desk.running():
        pass
    assert desk.sizes == batches
    assert_all_recorded(database, desk, deliveries)


def test_everything_submitted_before_stop_is_committed(database: str, desk: Desk) -> None:
    deliveries = renewals(range(1600), streams=40)
    with desk.running():
        for first in range(0, 1600, 100):
            desk.submit(deliveries[first : first + 100])
    assert desk.writer.queued == 0
    assert_all_recorded(database, desk, deliveries)
    with pytest.raises(QueueFullError):
        desk.submit(renewals(range(1)))


def test_it_looks_and_writes_on_the_only_connection_that_there_is(
    database: str, desk: Desk
) -> None:
    with connected(database, autocommit=True) as conn:
        assert conn.execute(WRITERS).fetchone() == (0,)
        with desk.running():
            assert conn.execute(WRITERS).fetchone() == (1,)
            desk.submit(renewals(range(1)))
            until(partial(desk.has, 1))
            assert conn.execute(WRITERS).fetchone() == (1,)


def test_a_writer_with_nothing_to_do_stops(desk: Desk) -> None:
    with desk.running():
        pass
    assert desk.batches == []


@pytest.mark.parametrize("full", [{"queue_max": 4}, {"queue_bytes_max": 4000}])
def test_a_full_queue_refuses_until_there_is_room_again(
    database: str, ledger: Ledger, full: dict[str, int]
) -> None:
    deliveries = renewals(range(8), size_bytes=1000)
    with desk_of(ledger, **full) as desk:
        desk.submit(deliveries[:4])
        with pytest.raises(QueueFullError):
            desk.submit(deliveries[4:])
        assert desk.writer.queued == 4
        with desk.running():
            until(partial(desk.has, 4))
            desk.submit(deliveries[4:])
        assert_all_recorded(database, desk, deliveries)


def test_a_database_that_comes_back_in_time_only_makes_receipts_late(
    database: str,
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("ledger.application.PATIENCE_S", 20.0)
    deliveries = renewals(range(200), streams=7)
    with desk.running():
        desk.submit(deliveries[:100])
        with away(database):
            desk.submit(deliveries[100:])
            until(lambda: "the database is away" in caplog.text)
    assert_all_recorded(database, desk, deliveries)


def test_a_database_that_stays_away_makes_errors_and_loses_nothing_acknowledged(
    database: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.application.PATIENCE_S", 0.2)
    deliveries = renewals(range(300), streams=7)
    with desk.running():
        desk.submit(deliveries[:100])
        with away(database):
            desk.submit(deliveries[100:200])
            until(partial(desk.has, 200))
            assert desk.acknowledged().keys() <= set(deliveries[:100])
        submitted = 200
        while waiting := [d for d in deliveries if d not in desk.acknowledged()]:
            desk.submit(waiting)  # what has no receipt is sent again, as Dodo does
            submitted += len(waiting)
            until(partial(desk.has, submitted))
    stored = positions(database)
    assert stored == {(d.webhook_id, d.body): n for d, n in desk.acknowledged().items()}
    assert len(stored) == 300


def test_an_unexpected_exception_settles_the_batch_and_the_writer_goes_on(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Defective(Ledger):
        name = Ledger.name
        defects = 1

        def record(
            self, deliveries: Sequence[Delivery], asked: Question | None = None
        ) -> list[Recording]:
            self.defects -= 1
            if self.defects == 0:
                raise ZeroDivisionError
            return super().record(deliveries, asked)

    deliveries = renewals(range(20))
    with Defective(database) as ledger, desk_of(ledger) as desk:
        desk.submit(deliveries[:10])
        with desk.running():
            until(partial(desk.has, 10))
            desk.submit(deliveries[10:])
        assert [delivery for delivery, _ in desk.settled] == deliveries
        answers = [answer for _, answer in desk.settled]
    assert all(isinstance(answer, PersistenceError) for answer in answers[:10])
    assert len(receipts(answers[10:])) == len(positions(database)) == 10
    assert "ZeroDivisionError" in caplog.text
