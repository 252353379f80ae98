"""Persons: what one has bought, as webhooks tell it, and what it adds up to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from domain.access.holding import Holding, holdings_of
from domain.access.policy import ENDS, NO, YES, Policy, Rule
from domain.aggregates.dispute import STATES
from tests.support.histories import NOON, aggregates, said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypothesis.strategies import DrawFn

    from domain.delivery import Delivery

DAYS = 40
"""Within so many days of the first webhook everything ends that ends."""


def held(deliveries: Iterable[Delivery]) -> list[Holding]:
    """Give what deliveries, taken in this order, say that somebody has."""
    return [one for each in aggregates(deliveries).values() for one in holdings_of(each)]


def in_days(days: float) -> str:
    """Write an instant so many days after noon."""
    return (NOON + timedelta(days=days)).isoformat().replace("+00:00", "Z")


instants = st.integers(-10, DAYS * 24 * 60).map(lambda minute: NOON + timedelta(minutes=minute))
_days = st.none() | st.integers(-2, DAYS).map(in_days)
_products = st.sampled_from(["pdt_1", "pdt_2", None])
_rules = st.one_of(
    st.sampled_from([YES, NO, *(Rule(gives=True, until=field) for field in ENDS)]),
    st.integers(1, DAYS).map(lambda days: Rule(gives=True, days=days)),
)
_plain = st.sampled_from([YES, NO])
policies = st.just(Policy()) | st.builds(
    Policy,
    **dict.fromkeys(
        "active past_due on_hold paused cancelled failed expired pending".split(), _rules
    ),
    bought_once=_plain,
    license_key=_plain,
    grant=_plain,
    disputes=st.lists(st.sampled_from(list(STATES)), unique=True).map(tuple),
)


@st.composite
def purchases(
    draw: DrawFn, customer_id: str = "cus_1", *, of_one_payment: bool = False
) -> list[Delivery]:
    """Draw what a customer does: few ids, instants and products, so that things meet often.

    All that happens `of_one_payment` concerns the same one, which bought something once.
    """
    customer: dict[str, Any] = {"customer": {"customer_id": customer_id}}
    if of_one_payment:
        against = draw(_against)
        types, ids = ["payment.succeeded", *against], _one_id
        customer |= {"subscription_id": None}
    else:
        types, ids = draw(_types), _two_ids
    drawn = [_drawn(draw, type_, number, customer, ids) for number, type_ in enumerate(types)]
    return [said(*one, **data) for *one, data in drawn]


@st.composite
def rivals(draw: DrawFn) -> tuple[list[Delivery], list[Delivery]]:
    """Draw what two customers do who claim to be one person.

    Often the first has a licence key that names what only the second has, ended or not.
    """
    own, others = draw(purchases()), draw(purchases("cus_2"))
    if draw(_booleans):
        key = {"id": "lic_9", "status": "active", "customer_id": "cus_1", "product_id": "pdt_1"}
        own.append(said("license_key.created", 5, "msg_key", **key, subscription_id="sub_9"))
        word = draw(_words)
        about = {"subscription_id": "sub_9", "customer_id": "cus_2", "product_id": "pdt_1"}
        others.append(said(f"subscription.{word}", 5, "msg_others", **about))
    return own, others


_TYPES = (
    *(f"subscription.{word}" for word in "active past_due on_hold paused cancelled failed".split()),
    *("subscription.expired", "subscription.updated", "payment.succeeded", "payment.succeeded"),
    *("payment.failed", "payment.processing", "refund.succeeded", "dispute.opened"),
    *("dispute.lost", "dispute.accepted", "dispute.won", "license_key.created"),
    *("entitlement_grant.created", "entitlement_grant.delivered", "entitlement_grant.revoked"),
)


_AGAINST = ("refund.succeeded", "dispute.lost", "dispute.accepted")

# To make a strategy takes longer than to draw from it, and so each is made once.
_types = st.lists(st.sampled_from(_TYPES), max_size=8)
_against = st.lists(st.sampled_from(_AGAINST), min_size=2, max_size=5)
_booleans = st.booleans()
_minutes = st.integers(0, 5)
_one_id = st.sampled_from(["1"])
_two_ids = st.sampled_from(["1", "2"])
_words = st.sampled_from(["active", "expired", "failed", "on_hold"])
_statuses = st.sampled_from([None, None, "pending", "active"])
_key_statuses = st.sampled_from(["active", "active", "disabled"])
_keys = st.sampled_from([None, {"id": "lic_1"}])
_bought_by = st.sampled_from([None, "sub_1", "sub_2"])
_subscription = st.sampled_from([None, "sub_1"])
_payment = st.sampled_from([None, "pay_1"])
_paid = st.sampled_from([500, 0, None])
_refunded = st.sampled_from([200, 500])


def _drawn(
    draw: DrawFn, type_: str, number: int, customer: dict[str, Any], ids: st.SearchStrategy[str]
) -> list[Any]:
    kind = type_.partition(".")[0]
    mine = draw(ids)
    data_of: dict[str, dict[str, Any]] = {
        "subscription": {
            "subscription_id": f"sub_{mine}",
            "product_id": draw(_products),
            "next_billing_date": draw(_days),
            "previous_billing_date": draw(_days),
            "past_due_ends_at": draw(_days),
            "status": draw(_statuses),
        },
        "payment": {
            "payment_id": f"pay_{mine}",
            "subscription_id": draw(_bought_by),
            "product_cart": [{"product_id": draw(_products)}],
            "total_amount": draw(_paid),
            "currency": "USD",
        },
        "refund": {
            "refund_id": f"ref_{number}",
            "payment_id": f"pay_{mine}",
            "amount": draw(_refunded),
            "currency": "USD",
            "is_partial": draw(_booleans),
        },
        "dispute": {"dispute_id": f"dp_{number}", "payment_id": f"pay_{mine}"},
        "license_key": {
            "id": f"lic_{mine}",
            "product_id": draw(_products),
            "payment_id": draw(_payment),
            "subscription_id": draw(_subscription),
            "status": draw(_key_statuses),
            "expires_at": draw(_days),
        },
        "entitlement_grant": {
            "id": f"grant_{mine}",
            "payment_id": draw(_payment),
            "subscription_id": draw(_subscription),
            "license_key": draw(_keys),
            "created_at": in_days(int(mine)),
        },
    }
    minute = draw(_minutes)
    return [
        type_,
        minute,
        f"msg_{number}_{customer['customer']['customer_id']}",
        data_of[kind] | customer,
    ]


def moments_before(until: datetime, at: datetime) -> list[datetime]:
    """Give some instants from one on, up to just before another."""
    return [at, at + (until - at) / 2, until - timedelta(microseconds=1)]
