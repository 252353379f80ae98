"""Fields: the newest observation speaks, and links are remembered."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations

import pytest

from domain.aggregates.license_key import LicenseKeyEntity
from domain.aggregates.payment import PaymentEntity
from domain.aggregates.subscription import SubscriptionEntity
from domain.delivery import Delivery
from domain.periods import periods
from tests.support.histories import NOON, aggregates, of_one, rendered, said
from tests.support.samples import Json


def _subscription(*deliveries: Delivery) -> SubscriptionEntity:
    (known,) = of_one(*deliveries).entities()
    assert isinstance(known.entity, SubscriptionEntity)
    return known.entity


def _payment(*deliveries: Delivery) -> PaymentEntity:
    (known,) = of_one(*deliveries).entities()
    assert isinstance(known.entity, PaymentEntity)
    return known.entity


def _license_key(*deliveries: Delivery) -> LicenseKeyEntity:
    (known,) = of_one(*deliveries).entities()
    assert isinstance(known.entity, LicenseKeyEntity)
    return known.entity


def _told(word: str, minute: int, webhook_id: str | None = None, **data: object) -> Delivery:
    return said(f"subscription.{word}", minute, webhook_id, **{"subscription_id": "sub_1"} | data)


def test_fields_come_from_the_newest_observation_whichever_arrives_last() -> None:
    small = _told("active", 0, quantity=1, currency="USD", product_id="pdt_small")
    large = _told("plan_changed", 9, quantity=5, currency="EUR", product_id="pdt_large")
    for order in permutations([small, large]):
        entity = _subscription(*order)
        assert (entity.quantity, entity.currency) == (5, "EUR")
        assert entity.product_id == "pdt_large"


def test_a_field_that_the_newest_observation_leaves_out_is_not_made_up_from_an_older_one() -> None:
    entity = _subscription(
        _told("active", 0, next_billing_date="2026-06-01T12:00:00Z", quantity=3),
        _told("cancelled", 9),
    )
    assert (entity.next_billing_date, entity.quantity) == (None, None)


def test_a_refused_fact_still_tells_the_newest_fields() -> None:
    entity = _subscription(
        _told("cancelled", 0, quantity=1),
        _told("renewed", 9, quantity=2),
    )
    assert (entity.refused, entity.quantity) == (1, 2)


@pytest.mark.parametrize("gone", [None, {}, {"customer_id": None}, {"customer_id": 7}, "cus_2", []])
def test_a_customer_once_known_stays_known(gone: Json) -> None:
    entity = _subscription(
        _told("active", 0, customer={"customer_id": "cus_1"}),
        _told("updated", 9, customer=gone),
        _told("updated", 10),
    )
    assert entity.customer_id == "cus_1"


def test_the_last_known_customer_is_the_newest_that_was_told() -> None:
    entity = _subscription(
        _told("active", 0, customer={"customer_id": "cus_1"}),
        _told("updated", 5, customer={"customer_id": "cus_2"}),
        _told("updated", 9, customer=None),
    )
    assert entity.customer_id == "cus_2"


def test_a_customer_told_by_a_late_arrival_only_is_known() -> None:
    late = _told("active", 0, customer={"customer_id": "cus_1"})
    assert _subscription(_told("updated", 9), late).customer_id == "cus_1"


def test_a_payment_remembers_its_subscription() -> None:
    entity = _payment(
        said("payment.processing", 0, payment_id="pay_1", subscription_id="sub_1"),
        said("payment.succeeded", 1, payment_id="pay_1", subscription_id=None),
    )
    assert entity.subscription_id == "sub_1"


def test_a_licence_key_remembers_its_payment_subscription_and_customer() -> None:
    told = {"payment_id": "pay_1", "subscription_id": "sub_1", "customer_id": "cus_1"}
    forgotten = dict.fromkeys(told)
    (known,) = of_one(
        said("license_key.created", 0, id="lic_1", **told),
        said("license_key.created", 1, id="lic_1", **forgotten),
    ).entities()
    assert isinstance(known.entity, LicenseKeyEntity)
    assert known.entity.payment_id == "pay_1"
    assert known.entity.subscription_id == "sub_1"
    assert known.entity.customer_id == "cus_1"


@pytest.mark.parametrize(
    ("data", "customer_id", "subscription_id", "payment_id"),
    [
        ({}, None, None, None),
        ({"customer": {"customer_id": "c"}}, "c", None, None),
        ({"customer_id": "c"}, "c", None, None),
        ({"customer": {"customer_id": "c"}, "customer_id": "flat"}, "c", None, None),
        ({"customer": {"name": "no id"}, "customer_id": "flat"}, "flat", None, None),
        ({"subscription_id": "s", "subscription_ids": ["t"]}, None, "s", None),
        ({"subscription_id": None, "subscription_ids": ["s", "t"]}, None, "s", None),
        ({"subscription_ids": [None, 5, "s"]}, None, "s", None),
        ({"subscription_ids": {"s": 1}, "payment_id": "p"}, None, None, "p"),
        ({"payment_id": 5, "subscription_id": [], "customer": [], "customer_id": {}}, *[None] * 3),
    ],
)
def test_links_are_found_wherever_dodo_writes_them(
    data: dict[str, Json],
    customer_id: str | None,
    subscription_id: str | None,
    payment_id: str | None,
) -> None:
    told: dict[str, object] = {"id": "lic_1", **data}
    entity = _license_key(said("license_key.created", 0, None, **told))
    assert (entity.customer_id, entity.subscription_id, entity.payment_id) == (
        customer_id,
        subscription_id,
        payment_id,
    )


def test_the_retry_of_a_webhook_with_a_later_status_is_the_newer_observation_in_every_order() -> (
    None
):
    bodies = [
        _told("active", 0, "msg_1", status="active", quantity=1),
        _told("active", 0, "msg_1", status="on_hold", quantity=2),
        _told("active", 0, "msg_1", status="cancelled", quantity=3),
    ]
    assert len({rendered(aggregates(order)) for order in permutations(bodies)}) == 1
    entity = _subscription(*bodies)
    assert (entity.status, entity.folded_status, entity.quantity) == ("cancelled", "active", 3)
    assert len(of_one(*bodies).timeline()) == 1


def test_bodies_under_one_webhook_id_that_disagree_on_the_time_tell_of_the_earliest() -> None:
    bodies = [_told("on_hold", minute, "msg_1") for minute in (7, 3, 5)]
    for order in permutations(bodies):
        (entry,) = of_one(*order).timeline()
        assert entry.occurred_at is not None
        assert (entry.occurred_at - NOON).total_seconds() == 180


def test_two_bodies_under_one_webhook_id_complement_each_others_links() -> None:
    bodies = [
        _told("active", 0, "msg_1", customer={"customer_id": "cus_1"}),
        _told("active", 0, "msg_1", status="active"),
    ]
    for order in permutations(bodies):
        entity = _subscription(*order)
        assert (entity.customer_id, entity.observed_status) == ("cus_1", "active")


def test_two_bodies_under_one_webhook_id_about_two_things_are_two_facts() -> None:
    streams = aggregates(
        [
            said("subscription.active", 0, "msg_1", subscription_id="sub_1"),
            said("subscription.active", 0, "msg_1", subscription_id="sub_2"),
        ]
    )
    assert sorted(streams) == ["subscription/bus_1/sub_1", "subscription/bus_1/sub_2"]


def test_created_at_is_dodos_own_else_the_first_facts() -> None:
    told = _told("updated", 9, created_at="2026-04-30T10:00:00+02:00")
    assert _subscription(told).created_at == datetime(2026, 4, 30, 8, tzinfo=UTC)
    assert _subscription(_told("updated", 9), _told("active", 0)).created_at == NOON
    assert _subscription(_told("active", 0, created_at="soon")).created_at == NOON


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("Month", "Month"),
        ("month", "Month"),
        ("YEAR", "Year"),
        ("week", "Week"),
        ("day", "Day"),
        ("Months", "Months"),
        ("fortnight", "fortnight"),
        ("", ""),
        (3, None),
        (None, None),
    ],
)
def test_a_unit_of_time_has_one_spelling_however_it_is_written(
    value: Json, read: str | None
) -> None:
    entity = _subscription(
        _told("active", 0, payment_frequency_interval=value, subscription_period_interval=value)
    )
    assert (entity.payment_frequency_interval, entity.subscription_period_interval) == (read, read)


def test_another_spelling_of_a_unit_begins_no_period() -> None:
    told = [
        _told("active", 0, payment_frequency_interval="Month"),
        _told("updated", 1, payment_frequency_interval="month"),
    ]
    (one,) = periods(of_one(*told))
    assert one.payment_frequency_interval == "Month"
