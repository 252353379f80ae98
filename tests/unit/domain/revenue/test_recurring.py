"""What a subscription earns, from when until when, and how that moves its customer's book."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.revenue.recurring import RecurringChange, recurring_changes
from tests.support.histories import NOON, aggregates, of_one, said
from tests.support.revenue import shops
from tests.support.strategies import lives, recorded

if TYPE_CHECKING:
    from domain.delivery import Delivery

PRICE = {
    "recurring_pre_tax_amount": 1_200,
    "currency": "USD",
    "payment_frequency_count": 1,
    "payment_frequency_interval": "Month",
    "product_id": "pdt_1",
    "customer": {"customer_id": "cus_1"},
}
DAY = 24 * 60


def sub(word: str, minute: int = 0, **data: object) -> Delivery:
    about = {"subscription_id": "sub_1", **PRICE, **data}
    return said(f"subscription.{word}", minute, None, **about)


def moves(*deliveries: Delivery) -> list[tuple[int, str | None, int]]:
    """What changed, by the minute, the kind of movement and what is earned then."""
    return [(minutes(one), one.kind, one.monthly) for one in changes(*deliveries)]


def changes(*deliveries: Delivery) -> list[RecurringChange]:
    return recurring_changes(of_one(*deliveries))


def minutes(one: RecurringChange) -> int:
    return int((one.at - NOON).total_seconds()) // 60


def test_it_begins_grows_shrinks_ends_and_comes_back() -> None:
    assert moves(
        sub("active"),
        sub("plan_changed", 1, recurring_pre_tax_amount=2_000),
        sub("plan_changed", 2, recurring_pre_tax_amount=500),
        sub("on_hold", 3),
        sub("active", 4),
        sub("cancelled", 5),
    ) == [
        (0, "new", 1_200),
        (1, "expansion", 2_000),
        (2, "contraction", 500),
        (3, "churn", 0),
        (4, "reactivation", 1_200),
        (5, "churn", 0),
    ]


def test_a_renewal_and_a_scheduled_end_change_nothing() -> None:
    assert moves(
        sub("active"),
        sub("renewed", 0),
        sub("renewed", 1),
        sub("updated", 2, cancel_at_next_billing_date=True),
    ) == [(0, "new", 1_200)]


def test_past_due_counts_until_the_grace_ends_which_is_told_ahead() -> None:
    grace = sub("past_due", 1, past_due_ends_at="2026-05-01T12:09:00Z")
    assert moves(sub("active"), grace) == [(0, "new", 1_200), (9, "churn", 0)]
    assert moves(sub("active"), grace, sub("active", 5)) == [(0, "new", 1_200)]


def test_paused_earns_nothing() -> None:
    found = moves(sub("active"), sub("paused", 1), sub("unpaused", 2))
    assert found == [(0, "new", 1_200), (1, "churn", 0), (2, "reactivation", 1_200)]


def test_a_trial_earns_nothing_until_it_is_charged() -> None:
    trial = {"trial_period_days": 14, "created_at": "2026-05-01T12:00:00Z"}
    begun, renewed = sub("active", 0, **trial), sub("renewed", 14 * DAY, **trial)
    (only,) = changes(begun)
    assert (only.kind, only.uncounted, only.trial_change, only.active_change) == (
        None,
        "trial",
        1,
        1,
    )
    _, paid = changes(begun, renewed)
    assert (paid.kind, paid.monthly, paid.trial_change, paid.converted) == ("new", 1_200, -1, True)
    _, ended = changes(begun, sub("cancelled", 5 * DAY, **trial))
    assert (ended.kind, ended.trial_change, ended.converted) == (None, -1, False)


def test_what_is_first_seen_when_its_trial_was_over_was_charged_before() -> None:
    seen = sub(
        "updated", 0, status="active", trial_period_days=14, created_at="2026-04-01T00:00:00Z"
    )
    assert moves(seen) == [(0, "new", 1_200)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"on_demand": True}, "on_demand"),
        ({"payment_frequency_interval": "Fortnight"}, "unpriced"),
        ({"recurring_pre_tax_amount": None}, "unpriced"),
        ({"currency": None}, "unpriced"),
        ({"recurring_pre_tax_amount": 0}, "free"),
    ],
)
def test_what_earns_nothing_says_why(data: dict[str, object], why: str) -> None:
    (only,) = changes(sub("active", 0, **data))
    assert (only.monthly, only.kind, only.uncounted, only.active_change) == (0, None, why, 1)


def test_another_product_is_left_and_entered_and_the_total_moves_once() -> None:
    _, left, entered = changes(
        sub("active"), sub("plan_changed", 1, product_id="pdt_2", recurring_pre_tax_amount=3_000)
    )
    assert (left.leaves, left.product_id, left.monthly_change, left.total_change) == (
        True,
        "pdt_1",
        -1_200,
        0,
    )
    assert (entered.leaves, entered.product_id, entered.monthly_change) == (False, "pdt_2", 3_000)
    assert (entered.total_change, entered.kind, left.kind) == (1_800, "expansion", "expansion")


def test_another_currency_is_another_book() -> None:
    first, left, entered = changes(sub("active"), sub("plan_changed", 1, currency="EUR"))
    assert first.book == left.book != entered.book
    assert (left.kind, entered.kind) == ("churn", "new")
    assert (left.currency, entered.currency) == ("USD", "EUR")


def test_without_a_customer_a_subscription_is_its_own_book() -> None:
    one = changes(sub("active", customer=None))[0]
    other = changes(said("subscription.active", 0, None, subscription_id="sub_2", **PRICE))[0]
    assert one.book != other.book
    assert one.customer_id is None


def test_what_never_was_active_has_no_changes() -> None:
    assert changes(sub("failed")) == []


@given(shops() | lives())
def test_changes_add_up_to_what_is_earned(deliveries: list[Delivery]) -> None:
    for one in aggregates(deliveries).values():
        found = recurring_changes(one)
        for number, each in enumerate(found):
            before = found[: number + 1]
            assert sum(change.monthly_change for change in before if change.book == each.book) >= 0
            assert sum(change.active_change for change in before) in ({0, 1})
            assert sum(change.trial_change for change in before) in ({0, 1})
            assert each.monthly >= 0
        by_book = {each.book for each in found}
        for book in by_book:
            own = [each for each in found if each.book == book]
            assert sum(each.total_change for each in own) == sum(c.monthly_change for c in own)


@given(lives(), st.integers(-1, 5))
def test_those_up_to_an_instant_are_what_a_log_says_that_is_cut_there(
    arrivals: list[Delivery], minute: int
) -> None:
    whole, at = recorded(arrivals), NOON + timedelta(minutes=minute)
    cut = whole.at(as_of=at)
    told = [_without_end(one) for one in recurring_changes(whole) if one.at <= at]
    assert told == [_without_end(one) for one in recurring_changes(cut) if one.at <= at]


def _without_end(one: RecurringChange) -> tuple[object, ...]:
    return msgspec.structs.astuple(msgspec.structs.replace(one, until=None, first_position=0))
