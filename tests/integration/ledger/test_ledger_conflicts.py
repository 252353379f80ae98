"""The ledger where others write too, and where commits, connections and deliveries fail."""

from __future__ import annotations

import random
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Literal

import msgspec
import psycopg
import pytest
from eventsourcing.persistence import PersistenceError

from domain.aggregates.routing import route
from domain.event import Event
from ledger.application import Ledger, Receipt
from ledger.integrity.hash_chain import RECORDED, Row, link
from ledger.mapper import LedgerMapper
from ledger.recorder import LedgerRecorder
from tests.support.connected import connected
from tests.support.deliveries import receipts, renewals
from tests.support.log import Line, broken_links, lines, positions
from tests.support.outages import kill_at_random, locked
from tests.support.proxy import Scissors, cutting
from tests.support.waiting import until

if TYPE_CHECKING:
    from domain.delivery import Delivery

ROUNDS = 25
KILLS = 8
HANG_S = 60.0


@pytest.mark.parametrize("size", [1, 10])
def test_duplicates_sent_to_two_ledgers_at_once_end_as_one_event(database: str, size: int) -> None:
    together = Barrier(2, timeout=HANG_S)

    def record_all(seed: int) -> list[dict[Delivery, Receipt]]:
        order, answered = random.Random(seed), []
        with Ledger(database) as ledger:
            for turn in range(ROUNDS):
                batch = renewals(range(turn * size, turn * size + size), streams=4)
                order.shuffle(batch)
                together.wait()
                answered.append(dict(zip(batch, receipts(ledger.record(batch)), strict=True)))
        return answered

    with ThreadPoolExecutor(2) as both:
        one, other = both.map(record_all, (1, 2))
    stored = positions(database)
    assert len(stored) == ROUNDS * size
    for mine, theirs in zip(one, other, strict=True):
        for delivery, receipt in mine.items():
            at = stored[delivery.webhook_id, delivery.body]
            assert (receipt.position, theirs[delivery].position) == (at, at)
            assert {receipt.duplicate, theirs[delivery].duplicate} == {False, True}
    assert broken_links(lines(database)) == []


def test_a_writer_of_an_older_release_that_locks_the_table_is_let_pass(database: str) -> None:
    with ThreadPoolExecutor(1) as thread, Ledger(database) as ledger:
        receipts(ledger.record(renewals(range(3))))
        with connected(database) as conn:
            conn.execute("LOCK TABLE raphus.ledger_events IN EXCLUSIVE MODE")
            recording = thread.submit(ledger.record, renewals(range(3, 5)))
            # It has read where the log ends, and waits to append to it.
            until(lambda: waiting_for_the_table(database) == 1)
            append(conn, *renewals(range(9, 10), of="other"), after=lines(database)[-1])
        assert receipts(recording.result()) == [Receipt(5, False), Receipt(6, False)]
    assert [line.webhook_id for line in lines(database)][3:] == ["msg_9", "msg_3", "msg_4"]
    assert broken_links(lines(database)) == []


def waiting_for_the_table(conninfo: str) -> int:
    query = "SELECT count(*) FROM pg_locks WHERE relation = 'raphus.ledger_events'::regclass"
    with connected(conninfo) as conn:
        ((count,),) = conn.execute(f"{query} AND NOT granted".encode()).fetchall()
    return int(count)


def append(conn: psycopg.Connection, delivery: Delivery, *, after: Line) -> None:
    """Append a delivery to a stream of its own, as any release does."""
    to = route(delivery)
    stored = LedgerMapper().to_stored_event(Event(to.stream_id, 1, to.topic, delivery))
    row = Row(
        to.stream_id,
        1,
        to.topic,
        stored.state,
        after.position + 1,
        delivery.webhook_id,
        after.recorded_at,
    )
    conn.execute(
        "INSERT INTO raphus.ledger_events (originator_id, originator_version, topic, state,"
        " notification_id, webhook_id, recorded_at, hash) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        [*row[: len(RECORDED)], link(after.hash, row)],
    )


@pytest.mark.parametrize("size", [1, 5])
def test_four_ledgers_that_append_to_one_stream_lose_nothing(database: str, size: int) -> None:
    together = Barrier(4, timeout=HANG_S)

    def record_all(writer: int) -> list[Receipt]:
        mine, answered = renewals(range(writer * 100, writer * 100 + 40)), []
        with Ledger(database) as ledger:
            together.wait()
            for n in range(0, len(mine), size):
                answered += ledger.record(mine[n : n + size])
        return receipts(answered)

    with ThreadPoolExecutor(4) as all_four:
        answered = list(all_four.map(record_all, range(4)))
    everything = [receipt for some in answered for receipt in some]
    assert sorted(everything) == [Receipt(n, duplicate=False) for n in range(1, 161)]
    assert [line.originator_version for line in lines(database)] == list(range(1, 161))


@pytest.mark.parametrize(
    "webhook_id",
    [
        pytest.param("msg_\0", id="PostgreSQL has no NUL in texts"),
        pytest.param("msg_\ud800", id="half a surrogate pair is not a text"),
        pytest.param(
            "".join(map(chr, random.Random(1).choices(range(0x4E00, 0x9FFF), k=5000))),
            id="too long for an index",
        ),
    ],
)
def test_one_bad_delivery_does_not_fail_its_neighbours(
    database: str, ledger: Ledger, webhook_id: str
) -> None:
    deliveries = renewals(range(50), streams=7)
    bad = 17
    # Its body names no stream, so that the id is a part of the stream's id too.
    deliveries[bad] = msgspec.structs.replace(deliveries[bad], webhook_id=webhook_id, body=b"{}")
    answers = ledger.record(deliveries)
    assert isinstance(answers[bad], PersistenceError)
    good = [delivery for n, delivery in enumerate(deliveries) if n != bad]
    stored = positions(database)
    assert stored.keys() == {(delivery.webhook_id, delivery.body) for delivery in good}
    assert [answer.position for answer in receipts(answers[:bad] + answers[bad + 1 :])] == [
        stored[delivery.webhook_id, delivery.body] for delivery in good
    ]
    assert ledger.record(renewals(range(50, 51))) == [Receipt(50, duplicate=False)]


@pytest.mark.parametrize("lost", ["message", "answer"])
@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize("way", ["short", "long"])
def test_a_commit_that_is_lost_or_whose_answer_is_lost_ends_as_one_event_each(
    database: str,
    way: Literal["short", "long"],
    lost: Literal["message", "answer"],
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deliveries = renewals(range(20), streams=3)
    # What commits: on the short way it is the batch itself.
    scissors = Scissors(b"msg_0" if way == "short" else b"COMMIT\0", lost)
    if way == "long":
        monkeypatch.setattr(LedgerRecorder, "record_new", lambda *_: None)
    with cutting(database, scissors) as conninfo, Ledger(conninfo) as ledger:
        scissors.left = 2
        first = receipts(ledger.record(deliveries[:size]))
        assert scissors.left < 2
        second = receipts(ledger.record(deliveries))
    assert scissors.left == 0
    assert [receipt.position for receipt in first] == list(range(1, size + 1))
    assert [receipt.position for receipt in second] == list(range(1, 21))
    assert len(positions(database)) == 20


@pytest.mark.parametrize("repeated", [True, False])
def test_backends_killed_at_random_under_load_lose_and_double_nothing(
    database: str, repeated: bool
) -> None:
    record = record_while if repeated else record_new_while
    with ThreadPoolExecutor(3) as pool:
        killer = pool.submit(kill_at_random, database, KILLS, 3)
        one, other = pool.map(lambda of: record(killer, database, of), ("one", "other"))
    stored = positions(database)
    assert stored.keys() == {(sent.webhook_id, sent.body) for sent in one.keys() | other.keys()}
    for delivery, position in (*one.items(), *other.items()):
        assert stored[delivery.webhook_id, delivery.body] == position
    assert broken_links(lines(database)) == []


def record_while(killer: Future[None], database: str, of: str) -> dict[Delivery, int]:
    """Record until all the kills are done; what gets an error is sent again, as Dodo does."""
    acknowledged: dict[Delivery, int] = {}
    number = 0
    waiting: list[Delivery] = []
    with Ledger(database) as ledger:
        while waiting or not killer.done():
            # Half of it comes twice, and a tenth goes to both ledgers.
            fresh = range(number, number + 40)
            waiting += renewals(fresh, streams=9, of=of)[:36] + renewals(fresh, of="both")[36:]
            waiting = record_some(ledger, waiting, acknowledged)
            number += 20
    return acknowledged


def record_new_while(killer: Future[None], database: str, of: str) -> dict[Delivery, int]:
    """Record the same, where nothing comes twice but what got an error: batches are small."""
    acknowledged: dict[Delivery, int] = {}
    number = 0 if of == "one" else 10**6
    waiting: list[Delivery] = []
    with Ledger(database) as ledger:
        while waiting or not killer.done():
            waiting += renewals(range(number, number + 3), streams=9, of=of)
            waiting = record_some(ledger, waiting, acknowledged)
            number += 3
    return acknowledged


def record_some(
    ledger: Ledger, sent: list[Delivery], acknowledged: dict[Delivery, int]
) -> list[Delivery]:
    """Record deliveries, note the receipts, and return what got none."""
    pairs = list(zip(sent, ledger.record(sent), strict=True))
    acknowledged |= {one: answer.position for one, answer in pairs if isinstance(answer, Receipt)}
    return [one for one, answer in pairs if not isinstance(answer, Receipt)]


def test_a_log_locked_for_longer_than_the_patience_is_an_error_not_a_hang(
    database: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.application.PATIENCE_S", 0.0)
    deliveries = renewals(range(3))
    with locked(database):
        answers = ledger.record(deliveries)
    assert [isinstance(answer, PersistenceError) for answer in answers] == [True] * 3
    assert receipts(ledger.record(deliveries)) == [Receipt(n, duplicate=False) for n in (1, 2, 3)]
