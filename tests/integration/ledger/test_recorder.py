"""The recorder: positions, hashes, times and bytes, as they stand in PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, LiteralString, cast

import pytest
from eventsourcing.persistence import IntegrityError
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from domain.delivery import Delivery
from ledger.application import Ledger, Receipt
from ledger.mapper import StoredDelivery
from tests.support.connected import connected
from tests.support.deliveries import renewals
from tests.support.histories import delivery, said
from tests.support.log import broken_links, lines
from tests.support.samples import rehearsals, samples
from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.event import Event
    from ledger.mapper import RecordedEvent
    from ledger.recorder import LedgerRecorder


@pytest.fixture
def recorder(ledger: Ledger) -> LedgerRecorder:
    return cast("LedgerRecorder", ledger.recorder)


def stored(stream_id: str, version: int, state: bytes = b"\1") -> StoredDelivery:
    return StoredDelivery(stream_id, version, "payment.succeeded", state, f"msg_{version}", "")


def over_tcp(conninfo: str) -> str:
    with connected(conninfo) as conn:
        port = conn.execute("SHOW port").fetchone()
    assert port is not None
    return make_conninfo(conninfo, host="127.0.0.1", port=port[0])


def test_a_refused_batch_leaves_nothing_behind_not_even_a_gap(
    database: str, recorder: LedgerRecorder
) -> None:
    assert recorder.insert_events([stored("payment/b/1", 1), stored("payment/b/1", 2)]) == [1, 2]
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored("payment/b/2", 1), stored("payment/b/1", 2)])
    assert recorder.insert_events([stored("payment/b/1", 3)]) == [3]
    assert [(line.originator_id, line.position) for line in lines(database)] == [
        ("payment/b/1", 1),
        ("payment/b/1", 2),
        ("payment/b/1", 3),
    ]


def test_an_empty_batch_is_no_transaction(database: str, recorder: LedgerRecorder) -> None:
    assert recorder.insert_events([]) == []
    assert lines(database) == []


def test_the_chain_of_hashes_holds_from_the_first_row_to_the_last(
    database: str, ledger: Ledger
) -> None:
    for first in range(0, 60, 15):
        ledger.record(renewals(range(first, first + 15), streams=4))
    log = lines(database)
    assert len(log) == 60
    assert broken_links(log) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("originator_id", "'subscription/bus_1/sub_other'"),
        ("originator_version", "originator_version + 100"),
        ("topic", "'subscription.cancelled'"),
        ("state", "set_byte(state, 5, 255 - get_byte(state, 5))"),
        ("webhook_id", "'msg_other'"),
        ("recorded_at", "recorded_at - interval '1 microsecond'"),
        ("hash", "sha256(hash)"),
    ],
)
def test_whatever_is_changed_in_a_row_breaks_the_chain_there(
    database: str, ledger: Ledger, column: LiteralString, value: LiteralString
) -> None:
    ledger.record(renewals(range(5), streams=2))
    with connected(database) as conn:
        change = SQL("UPDATE raphus.ledger_events SET {} = {} WHERE notification_id = 3")
        conn.execute(change.format(Identifier(column), SQL(value)))
    assert broken_links(lines(database))[0] == 3


def test_a_removed_row_breaks_the_chain(database: str, ledger: Ledger) -> None:
    ledger.record(renewals(range(5)))
    with connected(database) as conn:
        conn.execute("DELETE FROM raphus.ledger_events WHERE notification_id = 3")
    assert broken_links(lines(database)) == [4]


def test_recorded_at_is_the_servers_clock(database: str, ledger: Ledger) -> None:
    with connected(database, autocommit=True) as conn:
        before = conn.execute("SELECT clock_timestamp()").fetchone()
        ledger.record(renewals(range(3)))
        after = conn.execute("SELECT clock_timestamp()").fetchone()
    assert before is not None
    assert after is not None
    assert all(before[0] <= line.recorded_at <= after[0] for line in lines(database))


def test_recorded_at_never_goes_back_even_if_the_clock_does(database: str, ledger: Ledger) -> None:
    ledger.record(renewals(range(2)))
    with connected(database) as conn:  # the clock is an hour behind what it said then
        conn.execute(
            "UPDATE raphus.ledger_events SET recorded_at = recorded_at + interval '1 hour'"
            " WHERE notification_id = 2"
        )
    ledger.record(renewals(range(2, 4)))
    ledger.record(renewals(range(4, 5)))
    first, *later = [line.recorded_at for line in lines(database)]
    assert later == [first + timedelta(hours=1)] * 4


def test_every_sample_body_comes_back_to_the_byte(database: str, ledger: Ledger) -> None:
    bodies = samples() | rehearsals()
    deliveries = [delivery(body, f"msg_{name}") for name, body in bodies.items()]
    assert ledger.record(deliveries) == [
        Receipt(position, duplicate=False) for position in range(1, len(bodies) + 1)
    ]
    assert [line.delivery[3] for line in lines(database)] == list(bodies.values())
    notifications = ledger.recorder.select_notifications(1, len(bodies))
    events = [cast("Event", ledger.mapper.to_domain_event(n)) for n in notifications]
    assert [event.delivery for event in events] == deliveries


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)


@given(st.lists(st.builds(Delivery, TEXTS, TEXTS, TEXTS, st.binary(max_size=5000)), max_size=20))
@settings(max_examples=50)
def test_any_bytes_and_any_texts_come_back_as_they_came(
    ledger: Ledger, deliveries: list[Delivery]
) -> None:
    for sent, receipt in zip(deliveries, ledger.record(deliveries), strict=True):
        assert isinstance(receipt, Receipt)
        (found,) = ledger.recorder.select_notifications(receipt.position, 1)
        kept = cast("Event", ledger.mapper.to_domain_event(found)).delivery
        assert (kept.webhook_id, kept.body) == (sent.webhook_id, sent.body)
        assert kept == sent or receipt.duplicate


@pytest.mark.parametrize("socket", ["unix", "tcp"])
@pytest.mark.parametrize(("count", "size_bytes"), [(500, 20_000), (5_000, 2_300)])
def test_a_large_batch_does_not_hang(
    database: str, socket: str, count: int, size_bytes: int
) -> None:
    deliveries = renewals(range(count), streams=count, size_bytes=size_bytes)
    with Ledger(database if socket == "unix" else over_tcp(database)) as ledger:
        answers = ledger.record(deliveries)
        assert answers == [Receipt(n, duplicate=False) for n in range(1, count + 1)]
        again = ledger.record(deliveries)
    assert again == [Receipt(n, duplicate=True) for n in range(1, count + 1)]


def test_a_commit_wakes_those_who_listen(database: str, ledger: Ledger) -> None:
    with connected(database, autocommit=True) as conn:
        conn.execute("LISTEN ledger_events")
        ledger.record(renewals(range(3)))
        heard = [notice.channel for notice in conn.notifies(timeout=GUARD_S, stop_after=1)]
    assert heard == ["ledger_events"]


def numbers(found: Sequence[RecordedEvent]) -> list[int]:
    return [notification.id for notification in found]


def test_notifications_are_selected_by_position_and_topic(
    ledger: Ledger, recorder: LedgerRecorder
) -> None:
    even, odd = "subscription.renewed", "loyalty_stamp.collected"
    deliveries = renewals(range(10), streams=3)
    for n in range(0, 10, 2):  # positions 1, 3, 5, 7, 9
        other = deliveries[n].body.replace(even.encode(), odd.encode())
        deliveries[n] = delivery(other, deliveries[n].webhook_id)
    ledger.record(deliveries)
    select = recorder.select_notifications
    assert numbers(select(None, 100)) == list(range(1, 11))
    assert numbers(select(4, 3)) == [4, 5, 6]
    assert numbers(select(4, 3, inclusive_of_start=False)) == [5, 6, 7]
    assert numbers(select(None, 3, inclusive_of_start=False)) == [1, 2, 3]
    assert numbers(select(3, 100, stop=5)) == [3, 4, 5]
    assert numbers(select(1, 100, topics=[odd])) == [1, 3, 5, 7, 9]
    assert numbers(select(3, 2, stop=9, topics=(odd,), inclusive_of_start=False)) == [5, 7]
    assert numbers(select(1, 100, topics=[even, odd])) == list(range(1, 11))
    assert numbers(select(11, 100)) == []
    assert {n.topic for n in select(1, 100, topics=[even])} == {even}


def test_a_streams_events_are_selected_by_version(ledger: Ledger, recorder: LedgerRecorder) -> None:
    ledger.record(renewals(range(12), streams=2))  # the stream's versions 1 … 6 at 1, 3 … 11
    stream = "subscription/bus_1/sub_0"
    assert numbers(recorder.select_events(stream)) == [1, 3, 5, 7, 9, 11]
    assert numbers(recorder.select_events(stream, gt=2, lte=4)) == [5, 7]
    assert numbers(recorder.select_events(stream, desc=True, limit=2)) == [11, 9]
    assert numbers(recorder.select_events("subscription/bus_1/sub_unknown")) == []
    ends = recorder.select_ends([(stream, "msg_none"), ("payment/bus_1/none", "msg_none")])
    assert ends.held == []
    assert ends.versions == {
        stream: 6,
        "payment/bus_1/none": 0,
    }
    assert (ends.last, ends.late) == (12, False)


def test_notices_of_topics_are_found_behind_a_position(
    ledger: Ledger, recorder: LedgerRecorder
) -> None:
    ledger.record([*renewals(range(2)), said("nobody.knows"), said("other.thing")])

    def late(topics: list[str], after: int) -> bool:
        return recorder.select_ends([("payment/bus_1/none", "msg_none")], topics, after).late

    assert late(["nobody.knows"], 0)
    assert late(["x", "nobody.knows"], 2)
    assert not late(["nobody.knows"], 3)
    # What an aggregate has taken is no notice.
    assert not late(["subscription.renewed"], 0)
    assert not late([], 0)
