"""The simulated merchant's history: deterministic, whole, and shaped like Dodo's."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from dodopayments.types import UnwrapWebhookEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from simulator import BEGAN_AT, GENERATION, Occurrence, merchant

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)

AGGREGATED = """
payment.succeeded payment.failed payment.processing payment.cancelled
refund.succeeded refund.failed
dispute.opened dispute.expired dispute.accepted dispute.cancelled dispute.challenged dispute.won
dispute.lost
subscription.active subscription.updated subscription.on_hold subscription.renewed
subscription.plan_changed subscription.cancelled subscription.failed subscription.expired
subscription.past_due subscription.paused subscription.unpaused subscription.update_payment_method
license_key.created
""".split()

OTHERS = """
payout.created payout.on_hold payout.in_progress payout.failed payout.success
credit.added credit.deducted credit.expired credit.rolled_over credit.rollover_forfeited
credit.overage_charged credit.overage_reset credit.manual_adjustment credit.balance_low
abandoned_checkout.detected abandoned_checkout.recovered
dunning.started dunning.recovered
entitlement_grant.created entitlement_grant.delivered entitlement_grant.failed
entitlement_grant.revoked
""".split()

seeds = st.integers(min_value=0, max_value=2**32)


@pytest.fixture(scope="module")
def history() -> list[Occurrence]:
    return merchant(1, customers=200, until=UNTIL)


def told(occurrence: Occurrence) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(occurrence.body)
    return body


@given(seed=seeds, customers=st.integers(min_value=0, max_value=6))
@settings(max_examples=20)
def test_the_same_seed_gives_the_same_bytes(seed: int, customers: int) -> None:
    once = merchant(seed, customers=customers, until=UNTIL)
    assert merchant(seed, customers=customers, until=UNTIL) == once


@given(seed=seeds)
@settings(max_examples=20)
def test_a_customers_story_does_not_depend_on_how_many_others_there_are(seed: int) -> None:
    few = merchant(seed, customers=2, until=UNTIL)
    many = merchant(seed, customers=4, until=UNTIL)
    assert set(few) < set(many) or few == many


@given(seed=seeds, days=st.floats(min_value=0, max_value=430))
@settings(max_examples=30, deadline=None)
def test_what_happens_later_adds_to_a_life_and_changes_nothing_of_it(
    seed: int, days: float
) -> None:
    earlier = UNTIL - timedelta(days=days)
    whole = merchant(seed, customers=12, until=UNTIL)
    until_then = merchant(seed, customers=12, until=earlier)
    assert until_then == [one for one in whole if one.occurred_at < earlier]


def test_customers_keep_coming_for_as_long_as_the_merchant_lives() -> None:
    said = [told(one) for one in merchant(1, customers=40, until=BEGAN_AT + 3 * GENERATION)]
    came: dict[str, str] = {}
    for body in said:
        if email := body["data"].get("customer", {}).get("email"):
            came.setdefault(email.partition("@")[0], body["timestamp"])
    assert len(came) == pytest.approx(3 * 40, abs=12)
    months = {at[:7] for at in came.values()}
    assert len(months) > 35


@given(seed=seeds)
@settings(max_examples=20)
def test_another_business_with_the_same_seed_shares_no_id(seed: int) -> None:
    ours = merchant(seed, customers=2, until=UNTIL, business_id="bus_a")
    theirs = merchant(seed, customers=2, until=UNTIL, business_id="bus_b")
    assert {o.webhook_id for o in ours}.isdisjoint(o.webhook_id for o in theirs)
    assert {told(o)["business_id"] for o in ours} == {"bus_a"}


@given(seed=seeds)
@settings(max_examples=20)
def test_everything_occurs_in_order_before_the_present_under_ids_of_its_own(seed: int) -> None:
    history = merchant(seed, customers=5, until=UNTIL)
    times = [occurrence.occurred_at for occurrence in history]
    assert times == sorted(times)
    assert times[-1] < UNTIL
    assert len({occurrence.webhook_id for occurrence in history}) == len(history)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_type_occurs_among_200_customers(seed: int) -> None:
    types = {occurrence.type for occurrence in merchant(seed, customers=200, until=UNTIL)}
    assert types >= set(AGGREGATED)
    assert seed != 1 or types == {*AGGREGATED, *OTHERS}


def test_a_body_says_what_its_occurrence_says(history: list[Occurrence]) -> None:
    for occurrence in history:
        body = told(occurrence)
        assert body.keys() == {"business_id", "type", "timestamp", "data"}
        assert body["type"] == occurrence.type
        assert datetime.fromisoformat(body["timestamp"]) == occurrence.occurred_at
        assert body["timestamp"].endswith("Z")


def test_a_first_purchase_is_a_burst_of_four_with_one_timestamp(history: list[Occurrence]) -> None:
    said: dict[tuple[str, datetime], list[str]] = defaultdict(list)
    begun: dict[str, Occurrence] = {}
    for occurrence in history:
        subscription_id = told(occurrence)["data"].get("subscription_id")
        if subscription_id and occurrence.type.startswith(("payment", "subscription")):
            said[subscription_id, occurrence.occurred_at].append(occurrence.type)
            if occurrence.type == "subscription.active":
                begun.setdefault(subscription_id, occurrence)
    bursts = [
        said[subscription_id, active.occurred_at]
        for subscription_id, active in begun.items()
        if told(active)["data"]["trial_period_days"] == 0
    ]
    assert len(bursts) > 50
    for burst in bursts:
        assert sorted(burst) == [
            "payment.succeeded",
            "subscription.active",
            "subscription.renewed",
            "subscription.updated",
        ]


def test_some_body_of_every_type_satisfies_the_sdks_own_model(history: list[Occurrence]) -> None:
    # Not every one does: like real deliveries, some lack keys that the models require.
    event: TypeAdapter[Any] = TypeAdapter(UnwrapWebhookEvent)
    doubtful = {*AGGREGATED, *OTHERS}
    for occurrence in history:
        if occurrence.type in doubtful:
            try:
                event.validate_json(occurrence.body)
            except ValidationError:
                continue
            doubtful.remove(occurrence.type)
    assert not doubtful


def test_money_comes_in_currencies_with_none_two_and_three_decimals(
    history: list[Occurrence],
) -> None:
    payments = [told(o)["data"] for o in history if o.type == "payment.succeeded"]
    assert {payment["currency"] for payment in payments} == {"USD", "EUR", "INR", "JPY", "KWD"}
    assert all(isinstance(payment["total_amount"], int) for payment in payments)


def test_bodies_are_as_uneven_as_real_ones(history: list[Occurrence]) -> None:
    data = defaultdict(list)
    for occurrence in history:
        data[occurrence.type.partition(".")[0]].append(told(occurrence)["data"])
    assert {type(dispute["amount"]) for dispute in data["dispute"]} == {str, int}
    assert {"customer" in dispute for dispute in data["dispute"]} == {True, False}
    assert {"name" in payment["customer"] for payment in data["payment"]} == {True, False}
    assert {type(payment["product_cart"]) for payment in data["payment"]} == {list, type(None)}
    assert any("/" in payment.get("invoice_id", "") for payment in data["payment"])
    assert any(payment["total_amount"] == 0 for payment in data["payment"])
    assert any(key["payment_id"] is None for key in data["license_key"])
    intervals = {
        subscription["payment_frequency_interval"] for subscription in data["subscription"]
    }
    assert {"Month", "month"} <= intervals


def test_a_history_needs_a_present_with_a_time_zone_and_a_number_of_customers() -> None:
    with pytest.raises(ValueError, match="time zone"):
        merchant(1, customers=1, until=UNTIL.replace(tzinfo=None))
    with pytest.raises(ValueError, match="negative"):
        merchant(1, customers=-1, until=UNTIL)


def test_purchases_carry_the_merchants_id_of_the_buyer_and_few_addresses_change() -> None:
    ids: dict[str, set[str]] = defaultdict(set)
    addresses: dict[str, list[str]] = defaultdict(list)
    for one in merchant(1, customers=150, until=UNTIL):
        data = msgspec.json.decode(one.body)["data"]
        if isinstance(customer := data.get("customer"), dict):
            addresses[customer["customer_id"]].append(customer["email"].partition("@")[2])
            ids[customer["customer_id"]] |= {data.get("metadata", {}).get("user_id")} - {None}
    assert len(set().union(*ids.values())) > 40
    assert max(map(len, ids.values())) == 1
    moved = [told for told in addresses.values() if len(set(told)) > 1]
    assert 0 < len(moved) < 30
    # By time of occurrence an address changes once.
    assert all(sorted(told) == told for told in moved)
