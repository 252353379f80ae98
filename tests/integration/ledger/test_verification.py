"""Verification: what it says of whole logs, and what it finds against a head kept elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest
from standardwebhooks import Webhook

from ledger.integrity.diagnosis import Fault
from ledger.integrity.hash_chain import GENESIS
from ledger.integrity.signatures import UNVERIFIED_MAX, StoredSignatures
from ledger.integrity.verify import PROGRESS_EVENTS, Head, Verified, head, verify
from tests.support.connected import connected
from tests.support.deliveries import renewals
from tests.support.log import lines
from tests.support.tampered import (
    EVENTS,
    PLACE,
    changed,
    fault,
    inserted,
    rechain,
    record,
    removed,
    swapped,
    tamper,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domain.delivery import Delivery
    from ledger.application import Ledger

SECRET = "whsec_dGhlIHNlY3JldCBpbiBoYW5k"


@pytest.fixture
def log(database: str, ledger: Ledger) -> str:
    """Give the database, with a log of 60 events."""
    record(ledger)
    return database


def verified(conninfo: str, against: Head | None = None) -> Verified:
    with connected(conninfo) as conn:
        return verify(conn, against=against)


def missing(conninfo: str, against: Head) -> Fault:
    """Tell of the head, which must not be of this log."""
    found = verified(conninfo, against).missing
    assert found is not None
    return found


def last(conninfo: str) -> Head:
    with connected(conninfo) as conn:
        return head(conn)


def test_an_untouched_log_of_several_batches_is_whole(log: str) -> None:
    end = lines(log)[-1]
    assert verified(log) == Verified(Head(EVENTS, end.hash), EVENTS, None, None)
    assert last(log) == Head(EVENTS, end.hash)


def test_an_empty_log_is_whole_and_ends_at_position_0(database: str) -> None:
    assert verified(database) == Verified(Head(0, GENESIS), 0, None, None)
    assert verified(database, against=last(database)).missing is None


def test_events_removed_from_the_end_show_only_against_a_head(log: str) -> None:
    kept, end = lines(log)[PLACE - 1], last(log)
    tamper(log, removed(PLACE + 1, EVENTS + 1))
    shorter = Head(PLACE, kept.hash)
    assert verified(log) == Verified(shorter, PLACE, None, None)
    assert verified(log, against=shorter).missing is None
    found = verified(log, against=end)
    problem = (
        f"this log does not contain the head {end}: it ends at {PLACE}, so events were removed"
        " from its end, or the head is another log's"
    )
    assert found == Verified(shorter, PLACE, None, Fault(PLACE + 1, problem))


def test_an_emptied_log_shows_only_against_a_head(log: str) -> None:
    end = last(log)
    tamper(log, "TRUNCATE raphus.ledger_events;")
    assert verified(log).fault is None
    assert missing(log, end).position == 1


def test_a_rewritten_end_with_new_hashes_shows_only_against_a_head(log: str) -> None:
    heads = [Head(line.position, line.hash) for line in lines(log)]
    tamper(log, changed("state = set_byte(state, 150, 33)"))
    rechain(log, PLACE)
    assert verified(log).fault is None
    with connected(log) as conn:
        lost = [kept.position for kept in heads if verify(conn, against=kept).missing]
    assert lost == [*range(PLACE, EVENTS + 1)]
    found = missing(log, heads[-1])
    assert found.position == EVENTS
    assert found.problem == (
        f"this log does not contain the head {heads[-1]}: history was rewritten, there or before,"
        " or the head is another log's"
    )


def test_every_head_that_the_log_ever_had_is_contained(log: str) -> None:
    heads = [Head(line.position, line.hash) for line in lines(log)]
    with connected(log) as conn:
        for kept in [Head(0, GENESIS), *heads]:
            assert verify(conn, against=kept).missing is None


def test_the_head_of_another_log_is_not_contained(log: str) -> None:
    for position in (0, 1, EVENTS):
        found = missing(log, Head(position, b"\xee" * 32))
        assert (found.position, "does not contain" in found.problem) == (position, True)


def test_the_head_of_what_is_proved_is_told_where_the_chain_breaks(log: str) -> None:
    before = lines(log)[PLACE - 2]
    tamper(log, changed("topic = 'another'"))
    found = verified(log)
    assert (found.head, found.events) == (Head(PLACE - 1, before.hash), PLACE - 1)


def test_what_breaks_the_chain_before_the_head_is_told_too(log: str) -> None:
    end = last(log)
    tamper(log, removed(PLACE, PLACE + 1) + removed(50, EVENTS + 1))
    assert fault(log).problem == f"1 row was removed, up to position {PLACE}"
    assert verified(log, against=end).fault == fault(log)
    assert missing(log, end).position == 50


def test_progress_is_told_on_the_way_and_ends_with_the_last_event(
    database: str, ledger: Ledger
) -> None:
    total = 2 * PROGRESS_EVENTS + 77
    for first in range(0, total, 500):
        ledger.record(renewals(range(first, min(first + 500, total)), streams=99))
    told: list[tuple[int, int]] = []
    with connected(database) as conn:
        result = verify(conn, progress=lambda done, of: told.append((done, of)))
    assert (result.fault, result.events) == (None, total)
    steps = [0, PROGRESS_EVENTS, 2 * PROGRESS_EVENTS, total]
    assert told == [(done, total) for done in steps]


def test_the_connection_is_free_again_though_the_walk_ended_early(
    database: str, ledger: Ledger
) -> None:
    # Far more than what is on its way over the connection when the fault is told.
    ledger.record(renewals(range(500), size_bytes=20_000))
    tamper(database, swapped(PLACE, PLACE + 1))
    with connected(database) as conn:
        found = [verify(conn).fault for _ in range(2)]
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert [f.position for f in found if f] == [PLACE, PLACE]


def test_what_is_recorded_meanwhile_is_left_for_the_next_time(log: str, ledger: Ledger) -> None:
    def meanwhile(done: int, total: int) -> None:
        ledger.record(renewals(range(done + total, done + total + 5), of="meanwhile"))

    with connected(log) as conn:
        first, second = verify(conn, progress=meanwhile), verify(conn)
    assert (first.fault, first.events) == (None, EVENTS)
    assert (second.fault, second.events) == (None, EVENTS + 10)


def signed(deliveries: Iterable[Delivery], secret: str) -> list[Delivery]:
    signer, sent_at = Webhook(secret), datetime(2026, 5, 1, 12, tzinfo=UTC)
    return [
        type(one)(
            one.webhook_id,
            str(int(sent_at.timestamp())),
            signer.sign(one.webhook_id, sent_at, one.body.decode()),
            one.body,
        )
        for one in deliveries
    ]


def test_signatures_are_counted_and_the_first_that_fail_are_named(
    database: str, ledger: Ledger
) -> None:
    old = "whsec_YW4gb2xkIHNlY3JldA=="
    ledger.record(signed(renewals(range(10)), SECRET))
    ledger.record(signed(renewals(range(10, 40)), old))
    ledger.record(signed(renewals(range(40, 50)), SECRET))
    with connected(database) as conn:
        counted = verify(conn, signatures=StoredSignatures([SECRET]))
        both = verify(conn, signatures=StoredSignatures([SECRET, old])).signatures
    assert counted.fault is None
    assert counted.signatures is not None
    assert (counted.signatures.verified, counted.signatures.unverified) == (20, 30)
    named = [unverified.position for unverified in counted.signatures.first_unverified]
    assert named == [*range(11, 11 + UNVERIFIED_MAX)]
    assert both == (50, 0, 0, ())


def test_a_forged_event_under_new_hashes_is_not_signed(log: str) -> None:
    # The chain alone cannot tell it from an event of the ledger's.
    tamper(
        log, inserted(EVENTS + 1) + "UPDATE raphus.ledger_events SET recorded_at = '2026-05-01';"
    )
    rechain(log, 1)
    with connected(log) as conn:
        result = verify(conn, signatures=StoredSignatures([SECRET]))
    assert result.fault is None
    assert result.signatures is not None
    assert result.signatures.unverified == EVENTS + 1
