"""The writer: one thread, batches that grow by themselves, and an answer to everything."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from eventsourcing.persistence import PersistenceError

from domain.ledger import Ledger, Receipt
from domain.writer import BATCH_BYTES_MAX, BATCH_MAX, QueueFullError, Settled, Writer
from tests.integration.deliveries import receipts, renewals
from tests.integration.log import lines, positions
from tests.integration.outages import away, locked
from tests.integration.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.delivery import Delivery


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
    writer.start()
    with locked(database):
        submit(writer, deliveries[:1])
        until(lambda: writer.queued == 0)
        submit(writer, deliveries[1:301])
        assert writer.queued == 300
        assert desk.batches == []
    until(lambda: len(desk.settled) == 301)
    submit(writer, deliveries[301:])
    writer.stop()
    assert desk.sizes == [1, 300, 1]
    assert all(commit_s > 0 for commit_s in desk.commits_s)
    assert_all_recorded(database, desk, deliveries)
    assert [line.webhook_id for line in lines(database)] == [d.webhook_id for d in deliveries]


def test_a_batch_has_a_limit_in_deliveries(database: str, ledger: Ledger, desk: Desk) -> None:
    deliveries = renewals(range(2 * BATCH_MAX + 1), streams=50)
    writer = Writer(ledger, desk.resolve)
    submit(writer, deliveries)
    writer.start()
    writer.stop()
    assert desk.sizes == [BATCH_MAX, BATCH_MAX, 1]
    assert_all_recorded(database, desk, deliveries)


def test_a_batch_has_a_limit_in_bytes(database: str, ledger: Ledger, desk: Desk) -> None:
    deliveries = renewals(range(9), size_bytes=BATCH_BYTES_MAX // 4)
    writer = Writer(ledger, desk.resolve)
    submit(writer, deliveries)
    writer.start()
    writer.stop()
    assert desk.sizes == [4, 4, 1]
    assert_all_recorded(database, desk, deliveries)


def test_everything_submitted_before_stop_is_committed(
    database: str, ledger: Ledger, desk: Desk
) -> None:
    deliveries = renewals(range(1600), streams=40)
    writer = Writer(ledger, desk.resolve)
    writer.start()
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda n: submit(writer, deliveries[n::8]), range(8)))
    writer.stop()
    assert writer.queued == 0
    assert_all_recorded(database, desk, deliveries)
    with pytest.raises(QueueFullError):
        submit(writer, renewals(range(1)))


def test_a_writer_with_nothing_to_do_stops(ledger: Ledger, desk: Desk) -> None:
    writer = Writer(ledger, desk.resolve)
    writer.start()
    writer.stop()
    assert desk.batches == []


def test_a_queue_is_full_by_the_number_of_deliveries(
    database: str, ledger: Ledger, desk: Desk
) -> None:
    deliveries = renewals(range(15))
    writer = Writer(ledger, desk.resolve, queue_max=10)
    submit(writer, deliveries[:10])
    with pytest.raises(QueueFullError):
        submit(writer, deliveries[10:])
    assert writer.queued == 10
    writer.start()
    until(lambda: len(desk.settled) == 10)
    submit(writer, deliveries[10:])  # there is room again
    writer.stop()
    assert_all_recorded(database, desk, deliveries)


def test_a_queue_is_full_by_the_size_of_the_bodies(
    database: str, ledger: Ledger, desk: Desk
) -> None:
    deliveries = renewals(range(8), size_bytes=1000)
    writer = Writer(ledger, desk.resolve, queue_bytes_max=4000)
    submit(writer, deliveries[:4])
    with pytest.raises(QueueFullError):
        submit(writer, deliveries[4:])
    assert writer.queued == 4
    writer.start()
    until(lambda: len(desk.settled) == 4)
    submit(writer, deliveries[4:])
    writer.stop()
    assert_all_recorded(database, desk, deliveries)


def test_a_database_that_comes_back_in_time_only_makes_receipts_late(
    database: str, ledger: Ledger, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.ledger.AWAY_S", 60.0)
    deliveries = renewals(range(200), streams=7)
    writer = Writer(ledger, desk.resolve)
    writer.start()
    submit(writer, deliveries[:100])
    with away(database):
        submit(writer, deliveries[100:])
        until(lambda: writer.queued == 0)
    writer.stop()
    assert_all_recorded(database, desk, deliveries)


def test_a_database_that_stays_away_makes_errors_and_loses_nothing_acknowledged(
    database: str, ledger: Ledger, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.ledger.AWAY_S", 0.2)
    deliveries = renewals(range(300), streams=7)
    writer = Writer(ledger, desk.resolve)
    writer.start()
    submit(writer, deliveries[:100])
    with away(database):
        submit(writer, deliveries[100:200])
        until(lambda: len(desk.settled) == 200)
        assert desk.acknowledged().keys() <= set(deliveries[:100])
    waiting = [*deliveries[200:], *(d for d in deliveries[:200] if d not in desk.acknowledged())]
    while waiting:  # what had no receipt is sent again, as Dodo does
        answered = len(desk.settled) + len(waiting)
        submit(writer, waiting)
        until(lambda expected=answered: len(desk.settled) == expected)
        waiting = [delivery for delivery in waiting if delivery not in desk.acknowledged()]
    writer.stop()
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
        writer.start()
        until(lambda: len(desk.settled) == 10)
        submit(writer, deliveries[10:])
        writer.stop()
    assert [token for token, _ in desk.settled] == deliveries
    answers = [answer for _, answer in desk.settled]
    assert all(isinstance(answer, PersistenceError) for answer in answers[:10])
    assert len(receipts(answers[10:])) == len(positions(database)) == 10
    assert "ZeroDivisionError" in caplog.text
