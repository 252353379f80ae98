"""The sample bodies are what their names say, complete, and in many shapes."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final, get_args

import pytest
from dodopayments.types import UnwrapWebhookEvent, WebhookEventType
from pydantic import BaseModel

from tests.support.samples import REHEARSED_AT, Json, rehearsals, sample, samples

OF_AGGREGATES = (
    "payment.succeeded",
    "payment.failed",
    "payment.processing",
    "payment.cancelled",
    "refund.succeeded",
    "refund.failed",
    "dispute.opened",
    "dispute.expired",
    "dispute.accepted",
    "dispute.cancelled",
    "dispute.challenged",
    "dispute.won",
    "dispute.lost",
    "subscription.active",
    "subscription.updated",
    "subscription.on_hold",
    "subscription.renewed",
    "subscription.plan_changed",
    "subscription.cancelled",
    "subscription.failed",
    "subscription.expired",
    "subscription.past_due",
    "subscription.paused",
    "subscription.unpaused",
    "subscription.update_payment_method",
    "license_key.created",
)
OF_NO_AGGREGATE = (
    "payout.created",
    "payout.on_hold",
    "payout.in_progress",
    "payout.failed",
    "payout.success",
    "credit.added",
    "credit.deducted",
    "credit.expired",
    "credit.rolled_over",
    "credit.rollover_forfeited",
    "credit.overage_charged",
    "credit.overage_reset",
    "credit.manual_adjustment",
    "credit.balance_low",
    "abandoned_checkout.detected",
    "abandoned_checkout.recovered",
    "dunning.started",
    "dunning.recovered",
    "entitlement_grant.created",
    "entitlement_grant.delivered",
    "entitlement_grant.failed",
    "entitlement_grant.revoked",
)
OF_NO_SCHEMA = ("payout.not_initiated", "loyalty_stamp.collected", "subscription.transferred")

ID_FIELDS = {
    "payment": "payment_id",
    "refund": "refund_id",
    "dispute": "dispute_id",
    "subscription": "subscription_id",
    "license_key": "id",
}
ORDINARY_OF = {type_.partition(".")[0]: type_ for type_ in OF_AGGREGATES}
# The facts of an ordinary subscription that leave it active.
ACTIVE_AFTER = ("active", "renewed", "updated", "unpaused", "plan_changed", "update_payment_method")

ABSENT: Final = "(absent)"
ODDITIES: tuple[tuple[str, str, Json], ...] = (
    ("dispute.challenged--stage-absent", "dispute_stage", ABSENT),
    ("dispute.challenged--status-already-won", "dispute_status", "dispute_won"),
    ("dispute.challenged--status-unknown", "dispute_status", "dispute_mediated"),
    ("dispute.lost--keys-absent", "brand_id", ABSENT),
    ("dispute.lost--keys-absent", "reason", ABSENT),
    ("dispute.opened--amount-integer", "amount", 6100),
    ("dispute.opened--amount-string", "amount", "6100"),
    ("dispute.opened--reopened-at-a-later-stage", "dispute_stage", "pre_arbitration"),
    ("dispute.opened--stage-unknown", "dispute_stage", "arbitration_on_the_moon"),
    ("dispute.opened--without-customer-and-reason", "customer", ABSENT),
    ("dispute.opened--without-customer-and-reason", "reason", ABSENT),
    ("license_key.created--keys-absent", "status", ABSENT),
    ("license_key.created--of-a-subscription", "payment_id", None),
    ("license_key.created--payment-id-null", "payment_id", None),
    ("license_key.created--payment-id-null", "subscription_id", None),
    ("license_key.created--status-already-disabled", "status", "disabled"),
    ("license_key.created--status-unknown", "status", "frozen"),
    ("payment.failed--status-already-succeeded", "status", "succeeded"),
    ("payment.processing--partially-captured", "status", "partially_captured"),
    ("payment.processing--requires-customer-action", "status", "requires_customer_action"),
    ("payment.processing--status-unknown", "status", "awaiting_carrier_pigeon"),
    ("payment.succeeded--already-refunded-and-disputed", "refund_status", "partial"),
    ("payment.succeeded--brand-id-absent", "brand_id", ABSENT),
    ("payment.succeeded--customer-name-missing", "customer.name", ABSENT),
    ("payment.succeeded--customer-null", "customer", None),
    ("payment.succeeded--dinar-with-three-decimals", "currency", "KWD"),
    ("payment.succeeded--fields-of-a-later-release", "carbon_offset.grams", 125),
    ("payment.succeeded--inr-charge-on-usd-subscription", "currency", "INR"),
    ("payment.succeeded--inr-charge-on-usd-subscription", "settlement_currency", "USD"),
    ("payment.succeeded--invoice-id-with-slashes", "invoice_id", "INV/2026/01/000054"),
    ("payment.succeeded--keys-absent", "product_cart", ABSENT),
    ("payment.succeeded--keys-absent", "subscription_id", ABSENT),
    ("payment.succeeded--payload-type-missing", "payload_type", ABSENT),
    ("payment.succeeded--placeholders", "customer.email", "<string>"),
    ("payment.succeeded--product-cart-list", "product_cart.1.quantity", 1),
    ("payment.succeeded--product-cart-null", "product_cart", None),
    ("payment.succeeded--several-subscriptions", "subscription_id", None),
    ("payment.succeeded--several-subscriptions", "is_multi_subscription", True),
    ("payment.succeeded--status-null", "status", None),
    ("payment.succeeded--timestamp-in-whole-seconds", "created_at", "2026-01-26T08:59:55Z"),
    ("payment.succeeded--yen-without-decimals", "currency", "JPY"),
    ("payment.succeeded--zero-amount", "total_amount", 0),
    ("refund.failed--status-pending", "status", "pending"),
    ("refund.failed--status-unknown", "status", "returned_by_bank"),
    ("refund.succeeded--keys-absent", "amount", ABSENT),
    ("refund.succeeded--of-a-payment-never-seen", "status", "succeeded"),
    ("refund.succeeded--partial", "is_partial", True),
    ("refund.succeeded--status-review", "status", "review"),
    ("subscription.active--brand-id-absent", "brand_id", ABSENT),
    ("subscription.active--customer-name-missing", "customer.name", ABSENT),
    ("subscription.active--keys-absent", "cancelled_at", ABSENT),
    ("subscription.active--month-in-lower-case", "payment_frequency_interval", "month"),
    ("subscription.active--status-already-cancelled", "status", "cancelled"),
    ("subscription.active--trial", "trial_period_days", 14),
    ("subscription.active--usd-charged-in-inr", "currency", "USD"),
    ("subscription.plan_changed--scheduled-change", "scheduled_change.product_name", "Starter"),
    ("subscription.renewed--payload-type-missing", "payload_type", ABSENT),
    ("subscription.renewed--payment-id-absent", "payment_id", ABSENT),
    ("subscription.updated--cancels-at-period-end", "cancel_at_next_billing_date", True),
    ("subscription.updated--interval-unknown", "payment_frequency_interval", "Fortnight"),
    ("subscription.updated--status-absent", "status", ABSENT),
    ("subscription.updated--status-pending", "status", "pending"),
    ("subscription.updated--status-unknown", "status", "hibernating"),
)


def at(data: Json, path: str) -> Json:
    """Look up a dotted path; `ABSENT` where a key on the way is not there."""
    for key in path.split("."):
        if isinstance(data, list):
            data = data[int(key)]
        elif isinstance(data, dict) and key in data:
            data = data[key]
        else:
            return ABSENT
    return data


def test_every_type_has_an_ordinary_sample() -> None:
    ordinary = {name for name in samples() if "--" not in name}
    assert ordinary == {*OF_AGGREGATES, *OF_NO_AGGREGATE, *OF_NO_SCHEMA}


def test_the_sdk_lists_no_type_without_a_sample() -> None:
    assert set(get_args(WebhookEventType)) == {*OF_AGGREGATES, *OF_NO_AGGREGATE}


@pytest.mark.parametrize("name", [*OF_AGGREGATES, *OF_NO_AGGREGATE])
def test_an_ordinary_sample_satisfies_the_models_of_the_sdk(name: str) -> None:
    union = get_args(UnwrapWebhookEvent)[0]
    models: dict[str, type[BaseModel]] = {
        get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(union)
    }
    models[name].model_validate_json(samples()[name])


@pytest.mark.parametrize("name", sorted(samples()))
def test_a_sample_has_what_every_delivery_has(name: str) -> None:
    body = sample(name)
    kind = body["type"].partition(".")[0]
    occurred_at = datetime.fromisoformat(body["timestamp"])
    assert body["type"] == name.partition("--")[0]
    assert body["business_id"].startswith("bus_")
    assert body["timestamp"].endswith("Z")
    assert occurred_at.utcoffset() == timedelta(0)
    assert isinstance(body["data"], dict)
    assert kind not in ID_FIELDS or isinstance(body["data"][ID_FIELDS[kind]], str)


@pytest.mark.parametrize("name", OF_AGGREGATES)
def test_in_an_ordinary_sample_the_status_agrees_with_the_type(name: str) -> None:
    kind, word = name.split(".")
    status = at(sample(name)["data"], "dispute_status" if kind == "dispute" else "status")
    if kind == "dispute":
        assert status == f"dispute_{word}"
    elif kind == "license_key" or (kind == "subscription" and word in ACTIVE_AFTER):
        assert status == "active"
    else:
        assert status == word


@pytest.mark.parametrize(("name", "path", "expected"), ODDITIES)
def test_an_odd_sample_is_odd_in_the_way_its_name_says(
    name: str, path: str, expected: Json
) -> None:
    found = at(sample(name)["data"], path)
    assert found == expected
    assert type(found) is type(expected)


def test_no_odd_sample_goes_unchecked() -> None:
    assert {name for name in samples() if "--" in name} == {name for name, _, _ in ODDITIES}


def test_a_first_purchase_is_four_facts_of_one_instant() -> None:
    burst = [
        sample("payment.succeeded"),
        sample("subscription.active"),
        sample("subscription.renewed"),
        sample("subscription.updated"),
    ]
    assert len({body["timestamp"] for body in burst}) == 1
    assert len({str(body["data"]["subscription_id"]) for body in burst}) == 1


def test_a_charge_in_rupees_belongs_to_the_subscription_in_dollars() -> None:
    charge = sample("payment.succeeded--inr-charge-on-usd-subscription")["data"]
    charged = sample("subscription.active--usd-charged-in-inr")["data"]
    assert charge["subscription_id"] == charged["subscription_id"]
    assert (charge["currency"], charged["currency"]) == ("INR", "USD")


def test_a_refund_may_stand_alone_without_its_payment() -> None:
    refunded = sample("refund.succeeded--of-a-payment-never-seen")["data"]["payment_id"]
    payments = [sample(name) for name in samples() if name.startswith("payment.")]
    assert refunded not in [payment["data"]["payment_id"] for payment in payments]


def test_the_fraction_of_a_second_has_any_number_of_digits_or_none() -> None:
    whole = sample("payment.succeeded--timestamp-in-whole-seconds")["timestamp"]
    assert whole == "2026-01-26T09:00:00Z"
    assert sample("payment.cancelled")["timestamp"] == "2026-01-16T11:45:00.5Z"
    assert sample("payment.succeeded")["timestamp"] == "2026-01-14T09:26:53.589793Z"


def test_a_dispute_that_was_won_reopens_at_a_later_stage() -> None:
    won, reopened = sample("dispute.won"), sample("dispute.opened--reopened-at-a-later-stage")
    assert won["data"]["dispute_id"] == reopened["data"]["dispute_id"]
    assert won["timestamp"] < reopened["timestamp"]
    assert won["data"]["dispute_stage"] == "dispute"


def test_no_formatter_has_levelled_the_samples() -> None:
    bodies = samples().values()
    assert any(body.startswith(b"\r\n{\r\n") for body in bodies)
    assert any(body.startswith(b"{\n\t") for body in bodies)
    assert any(body.startswith(b" {") and body.endswith(b"}  \n\n") for body in bodies)
    assert any(body.startswith(b'{"') and body.endswith(b"}") for body in bodies)
    assert any(not body.isascii() for body in bodies)
    assert any(b"\\/" in body for body in bodies)
    assert len({tuple(json.loads(body)) for body in bodies}) > 4


def test_a_sample_may_be_changed_without_changing_the_next() -> None:
    sample("subscription.active")["data"]["status"] = "cancelled"
    assert sample("subscription.active")["data"]["status"] == "active"


@pytest.mark.parametrize("name", sorted(rehearsals()))
def test_a_rehearsal_is_of_the_same_objects_at_the_same_instant(name: str) -> None:
    body = json.loads(rehearsals()[name])
    kind = body["type"].partition(".")[0]
    assert f"{body['type']}--rehearsed" == name
    assert body["timestamp"] == REHEARSED_AT
    if kind in ID_FIELDS:
        same = json.loads(rehearsals()[f"{ORDINARY_OF[kind]}--rehearsed"])
        assert body["data"][ID_FIELDS[kind]] == same["data"][ID_FIELDS[kind]]


def test_every_type_is_rehearsed_in_an_older_shape_and_with_a_status_of_its_own() -> None:
    said = {name.partition("--")[0]: json.loads(body) for name, body in rehearsals().items()}
    assert said.keys() == {name for name in samples() if "--" not in name}
    assert "brand_id" not in {key for type_ in OF_AGGREGATES for key in said[type_]["data"]}
    assert said["payment.failed"]["data"]["status"] == "succeeded"
    assert said["refund.failed"]["data"]["status"] == "succeeded"
    assert said["dispute.won"]["data"]["amount"] == 400
