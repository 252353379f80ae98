"""The ledger: each delivery exactly once, as an application of eventsourcing."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, cast

import msgspec
import pytest
from eventsourcing.application import AggregateNotFoundError, Application
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.application import Ledger, Receipt
from tests.support.connected import connected
from tests.support.deliveries import receipts, renewals
from tests.support.histories import said
from tests.support.log import broken_links, lines, positions
from tests.support.waiting import until

if TYPE_CHECKING:
    from domain.delivery import Delivery
    from ledger.recorder import LedgerRecorder


def with_body(delivery: Delivery, body: bytes) -> Delivery:
    return msgspec.structs.replace(delivery, body=body)


def test_deliveries_get_positions_in_the_order_of_arrival(database: str, ledger: Ledger) -> None:
    deliveries = renewals(range(20), streams=3)
    random.Random(1).shuffle(deliveries)
    answers = ledger.record(deliveries[:7]) + ledger.record(deliveries[7:])
    assert answers == [Receipt(position, duplicate=False) for position in range(1, 21)]
    assert [line.webhook_id for line in lines(database)] == [d.webhook_id for d in deliveries]


def test_a_delivery_sent_again_gets_its_first_position(database: str, ledger: Ledger) -> None:
    first, second, third = renewals(range(3), streams=2)
    ledger.record([first, second])
    assert ledger.record([second, third, first]) == [
        Receipt(2, duplicate=True),
        Receipt(3, duplicate=False),
        Receipt(1, duplicate=True),
    ]
    assert len(lines(database)) == 3


def test_a_delivery_sent_again_with_another_signature_is_a_duplicate(ledger: Ledger) -> None:
    (delivery,) = renewals(range(1))
    resigned = msgspec.structs.replace(
        delivery, webhook_timestamp="1777637000", webhook_signature="v1,YW5vdGhlcg=="
    )
    assert ledger.record([delivery, resigned])[1] == Receipt(1, duplicate=True)
    assert ledger.record([resigned]) == [Receipt(1, duplicate=True)]


def test_a_delivery_twice_in_one_batch_is_recorded_once(database: str, ledger: Ledger) -> None:
    first, second = renewals(range(2))
    answers = receipts(ledger.record([first, second, first, second, first]))
    assert [answer.position for answer in answers] == [1, 2, 1, 2, 1]
    assert [answer.duplicate for answer in answers] == [False, False, True, True, True]
    assert len(lines(database)) == 2


def test_another_body_under_a_known_webhook_id_is_appended(database: str, ledger: Ledger) -> None:
    (first,) = renewals(range(1))
    second, third = with_body(first, first.body + b" "), with_body(first, b"not even JSON")
    elsewhere = with_body(first, first.body.replace(b"sub_0", b"sub_elsewhere"))
    assert ledger.record([first]) == [Receipt(1, duplicate=False)]
    assert ledger.record([second, third]) == [
        Receipt(2, duplicate=False),
        Receipt(3, duplicate=False),
    ]
    assert ledger.record([elsewhere, second, first]) == [
        Receipt(4, duplicate=False),
        Receipt(2, duplicate=True),
        Receipt(1, duplicate=True),
    ]
    assert [line.webhook_id for line in lines(database)] == [first.webhook_id] * 4


def test_the_same_body_under_another_webhook_id_is_another_event(ledger: Ledger) -> None:
    (first,) = renewals(range(1))
    assert ledger.record([first, msgspec.structs.replace(first, webhook_id="msg_other")]) == [
        Receipt(1, duplicate=False),
        Receipt(2, duplicate=False),
    ]


def test_no_deliveries_get_no_answers(database: str, ledger: Ledger) -> None:
    assert ledger.record([]) == []
    assert lines(database) == []


POOL = renewals(range(6), streams=2)
POOL += [with_body(delivery, delivery.body + b"\n") for delivery in POOL]


@given(st.lists(st.lists(st.sampled_from(POOL), max_size=8), max_size=5))
@settings(max_examples=30)
def test_any_batches_are_answered_as_a_dictionary_would(
    database: str, ledger: Ledger, batches: list[list[Delivery]]
) -> None:
    with connected(database) as conn:
        conn.execute("TRUNCATE raphus.ledger_events")
    known: dict[Delivery, int] = {}
    for batch in batches:
        expected = []
        for delivery in batch:
            expected.append(Receipt(known.get(delivery, len(known) + 1), delivery in known))
            known.setdefault(delivery, len(known) + 1)
        assert ledger.record(batch) == expected
    assert broken_links(lines(database)) == []
    assert positions(database) == {(d.webhook_id, d.body): n for d, n in known.items()}


def test_it_is_an_application_whose_repository_gives_aggregates_back(ledger: Ledger) -> None:
    deliveries = [
        said("subscription.active", 0, subscription_id="sub_1", status="active"),
        said("subscription.on_hold", 5, subscription_id="sub_1", status="on_hold"),
        said("subscription.active", 1, "msg_other", subscription_id="sub_2", status="active"),
    ]
    ledger.record(deliveries)
    assert isinstance(ledger, Application)
    subscription = ledger.aggregate("subscription/bus_1/sub_1")
    assert [event.delivery for event in subscription.events] == deliveries[:2]
    assert [event.position for event in subscription.events] == [1, 2]
    assert [known.entity.status for known in subscription.entities()] == ["on_hold"]
    assert subscription.version == 2


@pytest.mark.parametrize(
    "stream_id", ["subscription/bus_1/sub_2", "payment/bus_1/sub_1", "", "no such kind/1"]
)
def test_a_stream_of_which_nothing_is_recorded_is_not_found(ledger: Ledger, stream_id: str) -> None:
    ledger.record([said("subscription.active", subscription_id="sub_1")])
    with pytest.raises(AggregateNotFoundError):
        ledger.aggregate(stream_id)


def test_the_librarys_notification_log_pages_through_the_events(ledger: Ledger) -> None:
    ledger.record(renewals(range(25), streams=4))
    found, section_id = [], "1,10"
    while section_id:
        section = ledger.notification_log[section_id]
        found += [notification.id for notification in section.items]
        section_id = section.next_id or ""
    assert found == list(range(1, 26))
    assert [n.id for n in ledger.notification_log.select(3, 4)] == [3, 4, 5, 6]
    assert ledger.recorder.max_notification_id() == 25


def listeners(conninfo: str) -> int:
    listening = "query LIKE 'LISTEN %' AND datname = current_database()"
    with connected(conninfo) as conn:
        query = f"SELECT count(*) FROM pg_stat_activity WHERE {listening}"
        ((count,),) = conn.execute(query.encode()).fetchall()
    return int(count)


def test_the_librarys_subscription_gives_every_event_from_the_first_on(
    database: str, ledger: Ledger
) -> None:
    ledger.record(renewals(range(3)))
    with ledger.recorder.subscribe(gt=0) as subscription:
        for position in (1, 2, 3):
            assert next(subscription).id == position
        # It reads what is there before it begins to listen, and would not hear of it between.
        until(lambda: listeners(database) == 1)
        ledger.record(renewals(range(3, 5)))
        for position in (4, 5):
            assert next(subscription).id == position


LIBRARYS_VARIABLES = {
    "AGGREGATE_CACHE_MAXSIZE": "10",
    "COMPRESSOR_TOPIC": "zlib",
    "CREATE_TABLE": "yes",
    "IS_SNAPSHOTTING_ENABLED": "y",
    "ORIGINATOR_ID_TYPE": "uuid",
    "PERSISTENCE_MODULE": "eventsourcing.popo",
    "POSTGRES_DBNAME": "elsewhere",
    "POSTGRES_ENABLE_DB_FUNCTIONS": "y",
    "POSTGRES_SCHEMA": "elsewhere",
    "POSTGRES_SINGLE_ROW_TRACKING": "n",
}


@pytest.mark.parametrize("name", LIBRARYS_VARIABLES)
def test_the_librarys_variables_change_nothing(
    database: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = everything_in(database)
    for prefix in ("", "LEDGER_"):
        monkeypatch.setenv(prefix + name, LIBRARYS_VARIABLES[name])
    with Ledger(database) as ledger:
        for number in range(3):
            expected = [Receipt(number + 1, duplicate=False)]
            assert ledger.record(renewals(range(number, number + 1))) == expected
            assert ledger.aggregate("subscription/bus_1/sub_0").version == number + 1
        assert cast("LedgerRecorder", ledger.recorder).datastore.enable_db_functions is False
    assert everything_in(database) == before
    assert broken_links(lines(database)) == []


def everything_in(database: str) -> list[tuple[str, ...]]:
    with connected(database) as conn:
        return conn.execute(
            "SELECT 'relation', oid::regclass::text FROM pg_class"
            " WHERE relnamespace::regnamespace::text NOT LIKE 'pg_%'"
            " UNION ALL SELECT 'function', oid::regprocedure::text FROM pg_proc"
            " WHERE pronamespace::regnamespace::text NOT LIKE 'pg_%'"
            " UNION ALL SELECT 'schema', nspname FROM pg_namespace"
            " ORDER BY 1, 2"
        ).fetchall()
