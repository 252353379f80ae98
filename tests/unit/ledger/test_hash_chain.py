"""The chain: nothing that was stored can be changed, moved or dropped unnoticed."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.integrity.hash_chain import GENESIS, Row, link

ROW = Row(
    originator_id="payment/bus_1/pay_1",
    originator_version=2,
    topic="payment.succeeded",
    state=b"\x01state",
    notification_id=7,
    webhook_id="msg_1",
    recorded_at=datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC),
)
CHANGED = (
    ROW._replace(originator_id="payment/bus_1/pay_2"),
    ROW._replace(originator_version=3),
    ROW._replace(topic="payment.failed"),
    ROW._replace(state=b"\x01State"),
    ROW._replace(notification_id=8),
    ROW._replace(webhook_id="msg_2"),
    ROW._replace(recorded_at=ROW.recorded_at + timedelta(microseconds=1)),
    ROW._replace(content_hash=bytes(32)),
)
# What stands at the border of two columns, moved across it.
SHIFTED = (
    ROW._replace(originator_id="payment/bus_1/pay_1payment", topic=".succeeded"),
    ROW._replace(topic="payment.succeededmsg", webhook_id="_1"),
    ROW._replace(webhook_id="msg_1\x01", state=b"state"),
    ROW._replace(originator_version=7, notification_id=2),
)
_TEXTS = st.text(max_size=4)
_ROWS = st.builds(
    Row,
    originator_id=_TEXTS,
    originator_version=st.integers(1, 3),
    topic=_TEXTS,
    state=st.binary(max_size=4),
    notification_id=st.integers(1, 3),
    webhook_id=_TEXTS,
    recorded_at=st.datetimes(timezones=st.just(UTC)),
    content_hash=st.none(),
)


def _head(*rows: Row) -> bytes:
    return reduce(link, rows, GENESIS)


def test_the_first_row_is_chained_to_32_zero_bytes() -> None:
    assert bytes(32) == GENESIS


def test_a_hash_covers_the_hash_before_it_and_every_column_so_old_logs_stay_verifiable() -> None:
    # By hand: 7, then 2026-05-01T12:00:00.25Z in microseconds, then 2, eight bytes each; the
    # lengths of the three texts in two bytes each; then the three, and the state's hash.
    header = (
        b"\x00\x00\x00\x00\x00\x00\x00\x07"
        + (1_777_636_800_250_000).to_bytes(8, "big")
        + b"\x00\x00\x00\x00\x00\x00\x00\x02"
        + b"\x00\x13\x00\x11\x00\x05"
    )
    said = b"payment/bus_1/pay_1payment.succeededmsg_1" + hashlib.sha256(b"\x01state").digest()
    assert link(GENESIS, ROW) == hashlib.sha256(bytes(32) + header + said).digest()


@pytest.mark.parametrize("changed", CHANGED, ids=Row._fields)
def test_changing_any_column_changes_the_hash(changed: Row) -> None:
    assert link(GENESIS, changed) != link(GENESIS, ROW)


@pytest.mark.parametrize("shifted", SHIFTED)
def test_moving_text_from_a_column_to_its_neighbour_changes_the_hash(shifted: Row) -> None:
    assert link(GENESIS, shifted) != link(GENESIS, ROW)


@given(_ROWS, _ROWS)
def test_two_rows_have_one_hash_only_if_they_are_the_same_row(one: Row, other: Row) -> None:
    assert (link(GENESIS, one) == link(GENESIS, other)) == (one == other)


def test_an_emptied_state_is_chained_as_what_it_was() -> None:
    was = hashlib.sha256(ROW.state).digest()
    assert link(GENESIS, ROW._replace(state=b"\x02emptied", content_hash=was)) == link(GENESIS, ROW)
    assert link(GENESIS, ROW._replace(state=b"\x02emptied")) != link(GENESIS, ROW)


def test_changing_the_hash_before_changes_the_hash() -> None:
    assert link(b"\x01" + GENESIS[1:], ROW) != link(GENESIS, ROW)
    assert link(link(GENESIS, ROW), ROW) != link(GENESIS, ROW)


def test_a_change_anywhere_shows_in_the_last_hash() -> None:
    rows = [ROW._replace(notification_id=position) for position in (1, 2, 3)]
    head = _head(*rows)
    assert _head(rows[0]._replace(state=b"\x01other"), *rows[1:]) != head
    assert _head(rows[0], rows[1]._replace(webhook_id="msg_9"), rows[2]) != head


def test_rows_in_another_order_have_another_last_hash() -> None:
    first, second = ROW, ROW._replace(state=b"\x01later")
    assert _head(first, second) != _head(second, first)


def test_a_dropped_or_a_repeated_row_changes_the_last_hash() -> None:
    rows = [ROW._replace(notification_id=position) for position in (1, 2, 3)]
    assert _head(rows[0], rows[2]) != _head(*rows)
    assert _head(*rows[1:]) != _head(*rows)
    assert _head(*rows, rows[2]) != _head(*rows)


def test_the_time_of_recording_counts_as_an_instant_whatever_its_offset() -> None:
    in_delhi = timezone(timedelta(hours=5, minutes=30))
    elsewhere = ROW._replace(recorded_at=ROW.recorded_at.astimezone(in_delhi))
    assert link(GENESIS, elsewhere) == link(GENESIS, ROW)
