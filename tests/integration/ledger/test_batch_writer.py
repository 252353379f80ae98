"""The writer: one thread, batches that grow by themselves, and an answer to everything."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from eventsourcing.persistence import PersistenceError

from ledger.application import Ledger, Receipt
from ledger.batch_writer import BATCH_BYTES_MAX, BATCH_MAX, QueueFullError, Settled, Writer
from tests.support.deliveries import receipts, renewals
from tests.support.log import lines, positions
from tests.support.outages import away, locked
from tests.support.waiting import GUARD_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domain.delivery import Delivery


WRITERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'raphus-writer'
"""


class Desk:
    """Where the writer's answers go; the token of a delivery is the delivery itself."""

    def __init__(self) -> None:
        self.batches: list[list[Settled[Delivery]]] = []
        self.commits_s: list[float] = []

    def resolve(self, settled: list[Settled[Delivery]], commit_s: float) -> None:
        self.batches.append(settled)
        self.commits_s.append(commit_s)

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]

    @property
    def settled(self) -> list[Settled[Delivery]]:
        return [answered for batch in self.batches for answered in batch]

    def has(self, answers: int) -> bool:
        return len(self.settled) == answers

    def acknowledged(self) -> dict[Delivery, int]:
        found: dict[Delivery, int] = {}
        for token, answer in self.settled:
            if isinstance(answer, Receipt):
                assert found.setdefault(token, answer.position) == answer.position
        return found


@pytest.fixture
def desk() -> Desk:
    return Desk()


def submit(writer: Writer[Delivery], deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        writer.submit(delivery, delivery)


@contextmanager
def running(writer: Writer[Delivery]) -> Iterator[None]:
    """Run the writer, and stop it, also where the test fails."""
    writer.start()
    try:
        yield
    finally:
        writer.stop()


def assert_all_recorded(database: str, desk: Desk, deliveries: Sequence[Delivery]) -> None:
    """Each was answered once, with a receipt, and stands where its receipt says."""
    assert Counter(token for token, _ in desk.settled) == Counter(deliveries)
    receipts(answer for _, answer in desk.settled)
    stored = positions(database)
    assert {(d.webhook_id, d.body): n for d, n in desk.acknowledged().items()} == stored


def test_what_waits_during_a_commit_becomes_the_next_batch(
    database: str, ledger: Ledger, desk: Desk
) -> None:
    deliveries = renewals(range(302), streams=9)
    writer = Writer(ledger, desk.resolve)
    with running(writer):
        with locked(database):
            submit(writer, deliveries[:1])
            until(lambda: writer.queued == 0)
            submit(writer, deliveries[1:301])
            assert writer.queued == 300
            assert desk.batches == []
        until(partial(desk.has, 301))
        submit(writer, deliveries[301:])
    assert desk.sizes == [1, 300, 1]
    assert all(commit_s > 0 for commit_s in desk.commits_s)
    assert_all_recorded(database, desk, deliveries)
    assert [line.webhook_id for line in lines(database)] == [d.webhook_id for d in deliveries]


@contextmanager
def having_answered(
    ledger: Ledger, desk: Desk, deliveries: Sequence[Delivery]
) -> Iterator[Writer[Delivery]]:
    """Run a writer that has answered these by one batch, and would wait for as many."""
    writer = Writer(ledger, desk.resolve)
    submit(writer, deliveries)
    with running(writer):
        until(partial(desk.has, len(deliveries)))
        yield writer


def test_those_who_were_answered_together_are_waited_for(
    database: str, ledger: Ledger, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.batch_writer.GATHER_S", GUARD_S)
    deliveries = renewals(range(6), streams=3)
    with having_answered(ledger, desk, deliveries[:3]) as writer:
        for delivery in deliveries[3:]:
            assert desk.sizes == [3]
            submit(writer, [delivery])
        until(partial(desk.has, 6))
    assert desk.sizes == [3, 3]
    assert_all_recorded(database, desk, deliveries)


def test_one_who_was_answered_alone_is_not_waited_for(
    database: str, ledger: Ledger, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.batch_writer.GATHER_S", GUARD_S)
    deliveries = renewals(range(3))
    writer = Writer(ledger, desk.resolve)
    with running(writer):
        for count, delivery in enumerate(deliveries, 1):
            submit(writer, [delivery])
            until(partial(desk.has, count))
    assert desk.sizes == [1, 1, 1]
    assert_all_recorded(database, desk, deliveries)


def test_those_who_do_not_come_again_hold_nobody_up(
    database: str, ledger: Ledger, desk: Desk
) -> None:
    deliveries = renewals(range(4))
    with having_answered(ledger, desk, deliveries[:3]) as writer:
        submit(writer, deliveries[3:])
        until(partial(desk.has, 4))
    assert desk.sizes == [3, 1]
    assert_all_recorded(database, desk, deliveries)


def test_a_batch_that_is_full_waits_for_nobody(
    database: str, ledger: Ledger, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.batch_writer.GATHER_S", GUARD_S)
    large = renewals(range(8), size_bytes=BATCH_BYTES_MAX // 4)
    writer = Writer(ledger, desk.resolve)
    submit(writer, large)
    with running(writer):
        until(partial(desk.has, 8))
    assert desk.sizes == [4, 4]
    assert_all_recorded(database, desk, large)


def test_who_stops_waits_for_nobody(
    database: str, ledger: Ledger, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.batch_writer.GATHER_S", 10 * GUARD_S)
    deliveries = renewals(range(4))
    with having_answered(ledger, desk, deliveries[:3]) as writer:
        submit(writer, deliveries[3:])
    assert_all_recorded(database, desk, deliveries)


@pytest.mark.parametrize(
    ("count", "size_bytes", "batches"),
    [
        pytest.param(2 * BATCH_MAX + 1, 0, [BATCH_MAX, BATCH_MAX, 1], id="deliveries"),
        pytest.param(9, BATCH_BYTES_MAX // 4, [4, 4, 1], id="bytes"),
    ],
)
def test_a_batch_has_limits(
    database: str, ledger: Ledger, desk: Desk, count: int, size_bytes: int, batches: list[int]
) -> None:
    deliveries = renewals(range(count), streams=50, size_bytes=size_bytes)
    writer = Writer(ledger, desk.resolve)
    submit(writer, deliveries)
    with running(writer):
        pass
    assert desk.sizes == batches
    assert_all_recorded(database, desk, deliveries)


def test_everything_submitted_before_stop_is_committed(
    database: str, ledger: Ledger, desk: Desk
) -> None:
    deliveries = renewals(range(1600), streams=40)
    writer = Writer(ledger, desk.resolve)
    with running(writer), ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda n: submit(writer, deliveries[n::8]), range(8)))
    assert writer.queued == 0
    assert_all_recorded(database, desk, deliveries)
    with pytest.raises(QueueFullError):
        submit(writer, renewals(range(1)))


def test_it_looks_and_writes_on_the_only_connection_that_there_is(
    database: str, ledger: Ledger, desk: Desk
) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        assert conn.execute(WRITERS).fetchone() == (0,)
        writer = Writer(ledger, desk.resolve)
        with running(writer):
            assert conn.execute(WRITERS).fetchone() == (1,)
            submit(writer, renewals(range(1)))
            until(partial(desk.has, 1))
            assert conn.execute(WRITERS).fetchone() == (1,)


def test_a_writer_with_nothing_to_do_stops(ledger: Ledger, desk: Desk) -> None:
    with running(Writer(ledger, desk.resolve)):
        pass
    assert desk.batches == []


@pytest.mark.parametrize("full", [{"queue_max": 4}, {"queue_bytes_max": 4000}])
def test_a_full_queue_refuses_until_there_is_room_again(
    database: str, ledger: Ledger, desk: Desk, full: dict[str, Any]
) -> None:
    deliveries = renewals(range(8), size_bytes=1000)
    writer = Writer(ledger, desk.resolve, **full)
    submit(writer, deliveries[:4])
    with pytest.raises(QueueFullError):
        submit(writer, deliveries[4:])
    assert writer.queued == 4
    with running(writer):
        until(partial(desk.has, 4))
        submit(writer, deliveries[4:])
    assert_all_recorded(database, desk, deliveries)


def test_a_database_that_comes_back_in_time_only_makes_receipts_late(
    database: str,
    ledger: Ledger,
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("ledger.application.PATIENCE_S", 20.0)
    deliveries = renewals(range(200), streams=7)
    writer = Writer(ledger, desk.resolve)
    with running(writer):
        submit(writer, deliveries[:100])
        with away(database):
            submit(writer, deliveries[100:])
            until(lambda: "the database is away" in caplog.text)
    assert_all_recorded(database, desk, deliveries)


def test_a_database_that_stays_away_makes_errors_and_loses_nothing_acknowledged(
    database: str, ledger: Ledger, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.application.PATIENCE_S", 0.2)
    deliveries = renewals(range(300), streams=7)
    writer = Writer(ledger, desk.resolve)
    with running(writer):
        submit(writer, deliveries[:100])
        with away(database):
            submit(writer, deliveries[100:200])
            until(partial(desk.has, 200))
            assert desk.acknowledged().keys() <= set(deliveries[:100])
        submitted = 200
        while waiting := [d for d in deliveries if d not in desk.acknowledged()]:
            submit(writer, waiting)  # what has no receipt is sent again, as Dodo does
            submitted += len(waiting)
            until(partial(desk.has, submitted))
    stored = positions(database)
    assert stored == {(d.webhook_id, d.body): n for d, n in desk.acknowledged().items()}
    assert len(stored) == 300


def test_an_unexpected_exception_settles_the_batch_and_the_writer_goes_on(
    database: str, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    class Defective(Ledger):
        name = Ledger.name
        defects = 1

        def record(self, deliveries: Sequence[Delivery]) -> list[Receipt | PersistenceError]:
            self.defects -= 1
            if self.defects == 0:
                raise ZeroDivisionError
            return super().record(deliveries)

    deliveries = renewals(range(20))
    with Defective(database) as ledger:
        writer = Writer(ledger, desk.resolve)
        submit(writer, deliveries[:10])
        with running(writer):
            until(partial(desk.has, 10))
            submit(writer, deliveries[10:])
    assert [token for token, _ in desk.settled] == deliveries
    answers = [answer for _, answer in desk.settled]
    assert all(isinstance(answer, PersistenceError) for answer in answers[:10])
    assert len(receipts(answers[10:])) == len(positions(database)) == 10
    assert "ZeroDivisionError" in caplog.text
