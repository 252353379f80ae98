"""Access: what gives it, until when and why; and what can never take it away."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.access.access import Access, access
from domain.access.policy import NO, Policy, Rule
from domain.aggregates.subscription import MACHINE
from domain.delivery import Delivery
from tests.support.histories import NOON, said
from tests.support.persons import (
    held,
    in_days,
    instants,
    moments_before,
    policies,
    purchases,
    rivals,
)

PRODUCTS = st.sampled_from(["pdt_1", "pdt_2", None])
SUBSCRIPTION: dict[str, Any] = {
    "subscription_id": "sub_1",
    "product_id": "pdt_1",
    "customer": {"customer_id": "cus_1"},
    "next_billing_date": in_days(30),
    "previous_billing_date": in_days(0),
    "past_due_ends_at": None,
}
PAYMENT: dict[str, Any] = {
    "payment_id": "pay_1",
    "product_cart": [{"product_id": "pdt_1"}],
    "total_amount": 500,
    "currency": "USD",
    "customer": {"customer_id": "cus_1"},
}
KEY: dict[str, Any] = {
    "id": "lic_1",
    "product_id": "pdt_1",
    "status": "active",
    "customer_id": "cus_1",
}
GRANT: dict[str, Any] = {
    "id": "grant_1",
    "entitlement_id": "ent_1",
    "customer_id": "cus_1",
    "license_key": {"id": "lic_1"},
}
REFUND: dict[str, Any] = {
    "refund_id": "ref_1",
    "payment_id": "pay_1",
    "amount": 500,
    "currency": "USD",
}


def subscription(word: str, minute: int = 0, **data: object) -> Delivery:
    return said(f"subscription.{word}", minute, **SUBSCRIPTION | data)


def payment(word: str = "succeeded", minute: int = 0, **data: object) -> Delivery:
    return said(f"payment.{word}", minute, **PAYMENT | data)


def asked(
    *deliveries: Delivery,
    days: float = 1,
    policy: Policy | None = None,
    product_id: str | None = None,
) -> Access:
    at = NOON + timedelta(days=days)
    return access(held(deliveries), at, policy or Policy(), product_id)


def in_short(found: Access) -> tuple[bool, str, float | None]:
    """Give the answer, its code, and in how many days from noon it changes."""
    until = None if found.until is None else (found.until - NOON) / timedelta(days=1)
    return found.access, found.reason.code, until


@pytest.mark.parametrize(
    ("word", "data", "expected"),
    [
        ("active", {}, (True, "active", None)),
        ("active", {"trial_period_days": 14}, (True, "active", None)),
        ("past_due", {"past_due_ends_at": in_days(3)}, (True, "grace", 3)),
        ("past_due", {"past_due_ends_at": in_days(1)}, (False, "past_due", None)),
        ("past_due", {}, (True, "grace", None)),
        ("cancelled", {}, (True, "paid_through", 30)),
        ("cancelled", {"next_billing_date": in_days(1)}, (False, "cancelled", None)),
        ("cancelled", {"next_billing_date": None}, (False, "cancelled", None)),
        ("on_hold", {}, (False, "on_hold", None)),
        ("paused", {}, (False, "paused", None)),
        ("failed", {}, (False, "failed", None)),
        ("expired", {}, (False, "expired", None)),
        ("updated", {"status": "pending"}, (False, "pending", None)),
        ("updated", {}, (False, "status_unknown", None)),
    ],
)
def test_by_default_a_subscription_gives_access_as_dodo_documents_it(
    word: str, data: dict[str, object], expected: tuple[bool, str, float | None]
) -> None:
    assert in_short(asked(subscription(word, 0, **data))) == expected


def test_a_policy_may_give_grace_to_a_hold_from_when_it_began() -> None:
    policy = Policy(on_hold=Rule(gives=True, days=3))
    begun = [subscription("active"), subscription("on_hold", minute=24 * 60)]
    # What is said later of the same hold does not begin it anew.
    told = [*begun, subscription("updated", minute=2 * 24 * 60)]
    assert in_short(asked(*told, days=3, policy=policy)) == (True, "grace", 4)
    assert in_short(asked(*told, days=4, policy=policy)) == (False, "on_hold", None)


def test_a_policy_may_be_stricter() -> None:
    strict = Policy(active=NO, cancelled=NO, bought_once=NO, license_key=NO, grant=NO)
    assert in_short(asked(subscription("cancelled"), policy=strict)) == (False, "cancelled", None)
    for delivery in (subscription("active"), payment(), said("license_key.created", **KEY)):
        assert in_short(asked(delivery, policy=strict)) == (False, "not_by_policy", None)


def test_what_was_paid_for_a_cancelled_subscription_and_went_back_is_not_paid_through() -> None:
    paid = payment(subscription_id="sub_1", product_cart=None)
    cancelled = [subscription("cancelled", 5), paid]
    assert in_short(asked(*cancelled)) == (True, "paid_through", 30)
    found = asked(*cancelled, said("refund.succeeded", 6, **REFUND))
    assert in_short(found) == (False, "cancelled", None)
    assert [one.id for one in found.rests_on] == ["sub_1", "pay_1", "ref_1"]
    again = payment(minute=7, payment_id="pay_2", subscription_id="sub_1")
    assert asked(*cancelled, said("refund.succeeded", 6, **REFUND), again).access


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("succeeded", (True, "bought", None)),
        ("failed", (False, "payment_failed", None)),
        ("cancelled", (False, "payment_failed", None)),
        ("processing", (False, "processing", None)),
    ],
)
def test_a_product_bought_once_is_had_when_it_is_paid(
    word: str, expected: tuple[bool, str, float | None]
) -> None:
    assert in_short(asked(payment(word))) == expected


def test_a_purchase_is_had_until_it_is_refunded_as_a_whole() -> None:
    part = said("refund.succeeded", 1, "msg_part", **REFUND | {"amount": 300})
    rest = said("refund.succeeded", 2, "msg_rest", **REFUND | {"refund_id": "r_2", "amount": 200})
    assert asked(payment(), part).access
    assert in_short(asked(payment(), part, rest)) == (False, "refunded", None)
    # Where the total is not known, Dodo's own word counts.
    unknown = payment(total_amount=None)
    assert asked(unknown, said("refund.succeeded", 1, **REFUND)).access
    whole = said("refund.succeeded", 1, **REFUND | {"is_partial": False})
    assert in_short(asked(unknown, whole)) == (False, "refunded", None)


@pytest.mark.parametrize(
    ("word", "gives"),
    [
        ("opened", True),
        ("challenged", True),
        ("won", True),
        ("cancelled", True),
        ("expired", True),
        ("lost", False),
        ("accepted", False),
    ],
)
def test_a_purchase_is_had_until_the_money_goes_back_to_the_cardholder(
    word: str, *, gives: bool
) -> None:
    dispute = said(f"dispute.{word}", 1, dispute_id="dp_1", payment_id="pay_1")
    found = asked(payment(), dispute)
    assert found.access is gives
    if not gives:
        assert found.reason.code == "dispute_lost"
        assert [one.id for one in found.rests_on] == ["pay_1", "dp_1"]
    strict = Policy(disputes=("opened", "challenged", "lost"))
    assert asked(payment(), dispute, policy=strict).access is (word not in strict.disputes)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, (True, "license", None)),
        ({"expires_at": in_days(2)}, (True, "license", 2)),
        ({"expires_at": in_days(1)}, (False, "license_expired", None)),
        ({"status": "disabled"}, (False, "license_revoked", None)),
        ({"status": "expired"}, (False, "license_expired", None)),
    ],
)
def test_a_licence_key_gives_access_while_it_is_not_revoked(
    data: dict[str, object], expected: tuple[bool, str, float | None]
) -> None:
    assert in_short(asked(said("license_key.created", **KEY | data))) == expected


def test_a_licence_key_ends_with_the_subscription_that_it_came_with() -> None:
    key = said("license_key.created", **KEY | {"subscription_id": "sub_1"})
    assert in_short(asked(key, subscription("on_hold", 1))) == (False, "on_hold", None)
    cancelled = asked(key, subscription("cancelled", 1), product_id="pdt_1")
    assert in_short(cancelled)[::2] == (True, 30)
    assert not asked(key, subscription("cancelled", 1), days=30).access


def test_a_licence_key_ends_with_the_grace_that_a_policy_gives_what_it_came_with() -> None:
    key = said("license_key.created", **KEY | {"subscription_id": "sub_1"})
    both, policy = (
        (key, subscription("updated", status="pending")),
        Policy(pending=Rule(gives=True, days=3)),
    )
    assert in_short(asked(*both, policy=policy, product_id="pdt_1"))[::2] == (True, 3)
    assert not asked(*both, policy=policy, days=3).access


def test_a_licence_key_ends_with_the_purchase_that_it_came_with() -> None:
    key = said("license_key.created", **KEY | {"payment_id": "pay_1"})
    assert asked(key, payment("failed")).access  # another attempt made the key
    assert not asked(key, payment(), said("refund.succeeded", 1, **REFUND)).access


def test_a_licence_key_does_not_end_with_what_another_customer_has() -> None:
    key = said("license_key.created", **KEY | {"subscription_id": "sub_1"})
    others = subscription("expired", customer={"customer_id": "cus_2"})
    assert asked(key, others).access


def granted(word: str, minute: int = 0, **data: object) -> Delivery:
    return said(f"entitlement_grant.{word}", minute, None, **GRANT | data)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("created", (True, "granted")),
        ("created delivered", (True, "granted")),
        ("created failed", (True, "granted")),
        ("created delivered revoked", (False, "grant_revoked")),
        ("created delivered revoked delivered", (True, "granted")),
    ],
)
def test_a_grant_gives_access_while_it_is_not_revoked(
    words: str, expected: tuple[bool, str]
) -> None:
    life = [granted(word, minute) for minute, word in enumerate(words.split())]
    assert in_short(asked(*life)) == (*expected, None)
    assert asked(*life, product_id="pdt_1").reason.code == "never_bought", "it names no product"
    assert not asked(*life, policy=Policy(grant=NO)).access


def test_a_licence_key_is_disabled_when_its_grant_is_revoked() -> None:
    key = said("license_key.created", **KEY)
    assert in_short(asked(key, granted("delivered"), product_id="pdt_1"))[:2] == (True, "license")
    found = asked(key, granted("revoked", 1), product_id="pdt_1")
    assert in_short(found) == (False, "license_revoked", None)
    assert [(one.kind, one.id) for one in found.rests_on] == [
        ("license_key", "lic_1"),
        ("entitlement_grant", "grant_1"),
    ]
    again = asked(key, granted("revoked", 1), granted("delivered", 2), product_id="pdt_1")
    assert again.access
    other = granted("revoked", 1, license_key={"id": "lic_2"})
    assert asked(key, other, product_id="pdt_1").access
    foreign = granted("revoked", 1, customer_id="cus_2")
    assert asked(key, foreign, product_id="pdt_1").access


def test_of_several_grants_of_a_key_the_one_made_last_counts_whatever_came_first() -> None:
    key = said("license_key.created", **KEY)
    before = granted("revoked", 1, id="grant_9", created_at=in_days(0))
    later = granted("delivered", 0, created_at=in_days(1))
    assert asked(key, before, later, product_id="pdt_1").access
    assert asked(key, later, before, product_id="pdt_1").access


def test_a_grant_ends_with_its_licence_key_and_with_what_it_came_with() -> None:
    until = granted("delivered", license_key={"id": "lic_1", "expires_at": in_days(2)})
    assert in_short(asked(until)) == (True, "granted", 2)
    assert in_short(asked(until, days=2)) == (False, "license_expired", None)
    of_sub = granted("delivered", subscription_id="sub_1")
    assert in_short(asked(of_sub, subscription("on_hold", 1))) == (False, "on_hold", None)
    of_payment = granted("delivered", payment_id="pay_1")
    back = said("refund.succeeded", 1, **REFUND)
    assert asked(of_payment, payment()).access
    assert not asked(of_payment, payment(), back).access


def test_of_two_disputes_the_same_is_told_whichever_came_first() -> None:
    lost = [
        said("dispute.lost", 1, f"msg_{n}", dispute_id=f"dp_{n}", payment_id="pay_1")
        for n in (1, 2)
    ]
    assert asked(payment(), *lost) == asked(payment(), *lost[::-1])


def test_access_is_asked_for_a_product_or_for_any() -> None:
    bought = payment(product_cart=[{"product_id": "pdt_2"}])
    both = subscription("on_hold"), bought
    assert in_short(asked(*both)) == (True, "bought", None)
    assert in_short(asked(*both, product_id="pdt_1")) == (False, "on_hold", None)
    assert in_short(asked(*both, product_id="pdt_2")) == (True, "bought", None)
    assert in_short(asked(*both, product_id="pdt_3")) == (False, "never_bought", None)


def test_who_is_not_known_is_told_so() -> None:
    nobody = access([], NOON, Policy(), is_known=False)
    assert (nobody.access, nobody.reason.code, nobody.rests_on) == (False, "unknown_person", [])
    assert access([], NOON, Policy()).reason.code == "never_bought"


def test_a_payment_for_a_subscription_that_was_never_seen_is_told_so() -> None:
    found = asked(payment(subscription_id="sub_7"))
    assert in_short(found) == (False, "subscription_unseen", None)
    assert "sub_7" in found.reason.text


def test_of_several_reasons_the_most_telling_is_given() -> None:
    failed = subscription("failed", subscription_id="sub_2")
    held_ = subscription("on_hold", 1)
    assert in_short(asked(payment("failed"), failed, held_)) == (False, "on_hold", None)


def test_the_answer_rests_on_the_newest_fact_that_is_not_refused() -> None:
    (one,) = asked(subscription("active", 1), subscription("failed", 2)).rests_on
    assert (one.kind, one.id, one.status, one.product_ids, one.webhook_id) == (
        "subscription",
        "sub_1",
        "active",
        ("pdt_1",),
        "msg_subscription.active_1",
    )
    assert one.occurred_at == NOON + timedelta(minutes=1)


@given(purchases(), policies, instants, PRODUCTS, st.sampled_from([None, "sub_1", "sub_3"]))
def test_another_payment_never_takes_access_away(
    bought: list[Delivery],
    policy: Policy,
    at: datetime,
    product_id: str | None,
    subscription_id: str | None,
) -> None:
    more = payment(minute=3, payment_id="pay_9", subscription_id=subscription_id)
    before = access(held(bought), at, policy, product_id)
    after = access(held([*bought, more]), at, policy, product_id)
    assert after.access >= before.access
    if before.access and before.until is None:
        assert after.until is None
    if before.until is not None:
        assert after.until is None or after.until >= before.until


@given(rivals(), policies, instants, PRODUCTS)
def test_another_customer_who_claims_to_be_the_person_never_takes_access_away(
    both: tuple[list[Delivery], list[Delivery]],
    policy: Policy,
    at: datetime,
    product_id: str | None,
) -> None:
    # What the other one has is other things, but for a key, which may name anything.
    own, others = both
    told = [one for one in held(others) if one.kind in {"license_key", "subscription"}]
    apart = [one for one in told if one.id not in {mine.id for mine in held(own)}]
    before = access(held(own), at, policy, product_id)
    after = access([*held(own), *apart], at, policy, product_id)
    assert after.access >= before.access


@given(
    st.lists(st.sampled_from(MACHINE.words), min_size=1, max_size=6),
    st.sampled_from(MACHINE.words),
    policies,
    instants,
)
def test_a_refused_fact_changes_nothing(
    words: list[str], last: str, policy: Policy, at: datetime
) -> None:
    told = [subscription(word, minute) for minute, word in enumerate(words)]
    before, after = held(told), held([*told, subscription(last, 10)])
    assume(after[0].entity.refused > before[0].entity.refused)
    assert access(after, at, policy) == access(before, at, policy)


@given(purchases(), policies, instants, PRODUCTS)
def test_the_answer_changes_at_until_and_not_before(
    bought: list[Delivery], policy: Policy, at: datetime, product_id: str | None
) -> None:
    holdings = held(bought)
    found = access(holdings, at, policy, product_id)
    if found.until is None:
        later = access(holdings, at + timedelta(days=10_000), policy, product_id)
        assert later.access == found.access
        return
    assert found.until > at
    for moment in moments_before(found.until, at):
        same = access(holdings, moment, policy, product_id)
        assert (same.access, same.until) == (found.access, found.until)
    assert access(holdings, found.until, policy, product_id).access is not found.access


ARRIVALS = purchases() | purchases(of_one_payment=True)


@given(ARRIVALS.flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))), instants)
def test_the_order_of_arrival_does_not_matter(
    both: tuple[list[Delivery], list[Delivery]], at: datetime
) -> None:
    first, second = both
    assert access(held(first), at, Policy()) == access(held(second), at, Policy())
