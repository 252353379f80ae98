"""The fields of subscriptions, payments and refunds that are structures, lists or links."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.aggregates.payment import CartItem, PaymentEntity, ServicePeriod
from domain.aggregates.refund import RefundEntity
from domain.aggregates.subscription import (
    Addon,
    Canceller,
    Discount,
    ScheduledChange,
    SubscriptionEntity,
)
from tests.support.histories import of_one, said

JUNE = datetime(2026, 6, 1, tzinfo=UTC)


def subscription(**data: object) -> SubscriptionEntity:
    (known,) = of_one(
        said("subscription.updated", 0, None, subscription_id="sub_1", **data)
    ).entities()
    assert isinstance(known.entity, SubscriptionEntity)
    return known.entity


def payment(**data: object) -> PaymentEntity:
    (known,) = of_one(said("payment.succeeded", 0, None, payment_id="pay_1", **data)).entities()
    assert isinstance(known.entity, PaymentEntity)
    return known.entity


def test_a_subscription_has_its_addons_discounts_and_what_is_to_come() -> None:
    discount = {"discount_id": "dsc_1", "code": "MAY", "type": "percentage", "amount": 1000}
    entity = subscription(
        addons=[{"addon_id": "adn_1", "quantity": 2}],
        discounts=[discount | {"cycles_remaining": 3, "expires_at": "2026-06-01T00:00:00Z"}],
        scheduled_change={
            "id": "sch_1",
            "product_id": "pdt_2",
            "quantity": 1,
            "addons": [{"addon_id": "adn_2", "name": "More", "quantity": 1}],
            "effective_at": "2026-06-01T00:00:00Z",
        },
        cancelled_by={"actor_type": "customer", "email": "SECRET", "name": "SECRET"},
        cancellation_feedback="unused",
        trial_amount=100,
        tax_id="DE1",
    )
    assert entity.addons == (Addon("adn_1", 2),)
    assert entity.discounts == (Discount("dsc_1", "MAY", "percentage", 1000, 3, None, JUNE),)
    assert entity.scheduled_change == ScheduledChange(
        "sch_1", "pdt_2", 1, (Addon("adn_2", 1),), JUNE, None
    )
    assert entity.cancelled_by == Canceller("customer")
    assert (entity.cancellation_feedback, entity.trial_amount) == ("unused", 100)
    assert "SECRET" not in repr(entity)


@pytest.mark.parametrize("odd", [None, "x", 5, {"addon_id": []}, [5, "x", None]])
def test_what_is_no_structure_counts_as_absent(odd: object) -> None:
    entity = subscription(addons=odd, discounts=odd, scheduled_change=odd)
    assert (entity.addons, entity.discounts) == ((), ())
    assert entity.scheduled_change is None or entity.scheduled_change.id is None


def test_a_list_is_bounded_and_an_odd_item_is_left_out_alone() -> None:
    entity = subscription(addons=[{"addon_id": f"a_{n}"} for n in range(1_000)])
    assert len(entity.addons) == 100
    mixed = subscription(addons=[{"addon_id": "a_1", "quantity": "many"}, 5, {"addon_id": 7}])
    assert mixed.addons == (Addon("a_1", None), Addon(None, None))


def test_a_payment_for_several_subscriptions_belongs_to_all_of_them() -> None:
    entity = payment(subscription_id=None, subscription_ids=["sub_1", "sub_2", "sub_1", 5])
    assert entity.subscription_ids == ("sub_1", "sub_2")
    assert payment(subscription_id="sub_1").subscription_ids == ("sub_1",)
    assert payment().subscription_ids == ()


def test_a_payment_has_its_periods_its_cart_and_its_country() -> None:
    period = {"subscription_id": "sub_1", "starts_at": "2026-06-01T00:00:00Z", "ends_at": None}
    entity = payment(
        charge_type="renewal",
        service_periods=[period | {"proration_factor": "0.5"}],
        retry_attempt=2,
        card_network="visa",
        card_issuing_country="DE",
        error_message="declined",
        invoice_url="https://example.com/1",
        product_cart=[{"product_id": "pdt_1", "quantity": 3}, {"product_id": "pdt_2"}],
        billing={"country": "AT", "street": "SECRET"},
        refund_status="partial",
    )
    assert entity.service_periods == (ServicePeriod("sub_1", JUNE, None, "0.5"),)
    assert entity.cart == (CartItem("pdt_1", 3), CartItem("pdt_2", None))
    assert entity.product_ids == ("pdt_1", "pdt_2")
    assert (entity.billing_country, entity.retry_attempt) == ("AT", 2)
    assert (entity.charge_type, entity.refund_status) == ("renewal", "partial")
    assert "SECRET" not in repr(entity)


def test_a_refund_has_the_reference_by_which_a_bank_finds_it() -> None:
    told = {"network_reference": "74", "network_reference_type": "acquirer_reference_number"}
    stream = of_one(said("refund.succeeded", 0, None, refund_id="r", payment_id="p", **told))
    (known,) = stream.entities()
    assert isinstance(known.entity, RefundEntity)
    assert known.entity.network_reference == "74"
