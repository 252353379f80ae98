"""What a look shows against what was known: which webhook was lost, as far as that can be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from domain.aggregates.factory import aggregate
from domain.aggregates.routing import route_of
from domain.comparison import compare
from domain.look import Look
from reconciliation.finding import Outcome, found
from tests.support.histories import NOON, aggregates, said

if TYPE_CHECKING:
    from domain.delivery import Delivery
    from reconciliation.finding import Finding

SUBSCRIPTION: Final[dict[str, Any]] = {
    "subscription_id": "sub_1",
    "status": "active",
    "product_id": "pdt_1",
    "quantity": 1,
    "currency": "USD",
    "recurring_pre_tax_amount": 1_900,
    "previous_billing_date": "2026-05-01T12:00:00Z",
    "next_billing_date": "2026-06-01T12:00:00Z",
    "payment_method_id": "pm_1",
    "customer": {"customer_id": "cus_1"},
}
PAYMENT: Final[dict[str, Any]] = {
    "payment_id": "pay_1",
    "status": "processing",
    "total_amount": 2_500,
    "currency": "EUR",
}
LATER: Final = NOON + timedelta(days=40)


def looked(
    kind: str, data: dict[str, Any] | None, *known: Delivery, at: datetime = LATER, **asked: str
) -> tuple[Outcome, Finding | None]:
    """What a look comes to, behind these webhooks."""
    raw = None if data is None else msgspec.json.encode(data)
    look = Look(
        kind=kind, business_id="bus_1", at=at, endpoint=f"GET /{kind}s", data=raw, asked=asked
    )
    stream = route_of(look).stream_id
    return found(compare(aggregates(known).get(stream, aggregate(stream, ())), look, "look_1"))


def told(
    kind: str, data: dict[str, Any] | None, *known: Delivery, at: datetime = LATER, **asked: str
) -> Finding:
    """What is told of it, which must be something."""
    _, finding = looked(kind, data, *known, at=at, **asked)
    assert finding is not None
    return finding


def active(**more: Any) -> Delivery:  # noqa: ANN401 -- JSON
    """The webhook after which a subscription is active."""
    return said("subscription.active", **{**SUBSCRIPTION, **more})


def test_what_dodo_says_as_it_is_known_is_agreed() -> None:
    assert looked("subscription", SUBSCRIPTION, active()) == (Outcome.AGREED, None)


@pytest.mark.parametrize(
    ("changed", "type_"),
    [
        ({"status": "on_hold"}, "subscription.on_hold"),
        ({"status": "cancelled", "cancelled_at": "2026-05-20T12:00:00Z"}, "subscription.cancelled"),
        ({"status": "paused", "paused_at": "2026-05-20T12:00:00Z"}, "subscription.paused"),
        ({"previous_billing_date": "2026-06-01T12:00:00Z"}, "subscription.renewed"),
        ({"product_id": "pdt_2"}, "subscription.plan_changed"),
        ({"payment_method_id": "pm_2"}, "subscription.update_payment_method"),
        ({"cancel_at_next_billing_date": True, "quantity": 1}, None),
        ({"next_billing_date": "2026-07-01T12:00:00Z"}, "subscription.updated"),
    ],
)
def test_the_webhook_of_a_subscription_that_was_lost_is_told(
    changed: dict[str, Any], type_: str | None
) -> None:
    outcome, finding = looked("subscription", SUBSCRIPTION | changed, active())
    if type_ is None:
        assert outcome is Outcome.REFRESHED, "it was open before"
        return
    assert finding is not None
    assert (outcome, finding.types) == (Outcome.LOST, (type_,))
    assert (finding.amount, finding.currency) == (1_900, "USD")
    assert finding.customer_id == "cus_1"


def test_a_renewal_behind_a_grace_is_told_as_one() -> None:
    past_due = said("subscription.past_due", 60, **{**SUBSCRIPTION, "status": "past_due"})
    renewed = SUBSCRIPTION | {"previous_billing_date": "2026-06-01T12:00:00Z"}
    finding = told("subscription", renewed, active(), past_due)
    assert finding.types == ("subscription.renewed",)
    assert finding.since == datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert (finding.status_here, finding.status_at_dodo) == ("past_due", "active")


def test_drift_is_a_webhook_that_was_lost_since_it_was_seen() -> None:
    drifted = said("subscription.updated", 30, **{**SUBSCRIPTION, "status": "on_hold"})
    finding = told("subscription", SUBSCRIPTION | {"status": "on_hold"}, active(), drifted)
    assert finding.outcome is Outcome.LOST
    assert finding.types == ("subscription.on_hold",)
    assert finding.since == NOON + timedelta(minutes=30)


def test_a_payment_that_only_dodo_knows_is_told_with_its_money() -> None:
    made = PAYMENT | {"status": "succeeded", "created_at": "2026-05-02T08:00:00Z"}
    finding = told("payment", made)
    assert finding.outcome is Outcome.UNKNOWN
    assert finding.types == ("payment.succeeded",)
    assert (finding.amount, finding.currency) == (2_500, "EUR")
    assert finding.since == datetime(2026, 5, 2, 8, tzinfo=UTC)


def test_what_has_just_happened_is_awaited_and_what_is_a_day_old_may_still_come() -> None:
    made = PAYMENT | {"status": "succeeded", "created_at": "2026-05-02T08:00:00Z"}
    created = datetime(2026, 5, 2, 8, tzinfo=UTC)
    at_once, _ = looked("payment", made, at=created + timedelta(minutes=1))
    assert at_once is Outcome.AWAITED
    assert told("payment", made, at=created + timedelta(hours=20)).may_still_come
    assert not told("payment", made, at=created + timedelta(hours=30)).may_still_come


def test_what_was_open_and_is_told_now_was_not_lost() -> None:
    known = said("payment.processing", **PAYMENT)
    outcome, finding = looked("payment", PAYMENT | {"tax": 300}, known)
    assert (outcome, finding) == (Outcome.REFRESHED, None)
    other = told("payment", PAYMENT | {"total_amount": 9}, known)
    assert (other.outcome, other.types, other.fields) == (Outcome.CHANGED, (), ("total_amount",))


def test_that_a_licence_key_is_disabled_no_webhook_would_have_told() -> None:
    key: dict[str, Any] = {"id": "lic_1", "status": "active", "customer_id": "cus_1"}
    known = said("license_key.created", **key)
    assert looked("license_key", key | {"status": "disabled"}, known) == (Outcome.REFRESHED, None)


def test_what_dodo_does_not_have_is_missing_once() -> None:
    known = said("payment.succeeded", **{**PAYMENT, "status": "succeeded"})
    outcome, finding = looked("payment", None, known, payment_id="pay_1")
    assert outcome is Outcome.MISSING
    assert finding is not None
    assert (finding.status_here, finding.status_at_dodo) == ("succeeded", None)
    assert finding.amount == 2_500


def test_products_and_customers_have_no_webhooks_to_lose() -> None:
    customer = {"customer_id": "cus_1", "name": "A name", "created_at": "2026-05-01T12:00:00Z"}
    assert looked("customer", customer) == (Outcome.REFRESHED, None)
