"""What payments, refunds and disputes bring and take: what counts, from when on, and how much."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domain.revenue.takings import Taking, takings
from tests.support.histories import NOON, of_one, said
from tests.support.strategies import lives, recorded

if TYPE_CHECKING:
    from domain.delivery import Delivery

PAID = {
    "payment_id": "pay_1",
    "total_amount": 1_190,
    "currency": "EUR",
    "settlement_currency": "USD",
    "settlement_amount": 1_309,
    "settlement_tax": 209,
}


def paid(word: str, minute: int = 0, **data: object) -> Delivery:
    return said(f"payment.{word}", minute, None, **{**PAID, **data})


def refunded(number: int, amount: int, minute: int = 5, **data: object) -> Delivery:
    about = {
        "payment_id": "pay_1",
        "refund_id": f"ref_{number}",
        "currency": "EUR",
        "amount": amount,
    }
    return said("refund.succeeded", minute, f"msg_r{number}", **{**about, **data})


def told(*deliveries: Delivery) -> list[tuple[str, int | None, int | None, int]]:
    return [(one.kind, one.gross, one.tax, one.net_sign) for one in takings(of_one(*deliveries))]


def test_a_payment_counts_from_when_it_succeeded_with_what_is_settled() -> None:
    (only,) = takings(of_one(paid("processing"), paid("succeeded", 3)))
    assert (only.kind, only.gross, only.tax, only.net_sign) == ("payment", 1_309, 209, 1)
    assert (only.at, only.settlement_currency) == (NOON + timedelta(minutes=3), "USD")


def test_a_failed_payment_brings_nothing_whatever_it_would_have_settled() -> None:
    assert told(paid("failed")) == [("failed_payment", 1_309, 209, 0)]
    assert told(paid("failed"), paid("succeeded", 1)) == [
        ("failed_payment", 1_309, 209, 0),
        ("payment", 1_309, 209, 1),
    ]


def test_a_charge_of_nothing_does_not_count() -> None:
    nothing = {"total_amount": 0, "settlement_amount": 0, "is_update_payment_method": True}
    assert told(paid("succeeded", **nothing)) == []
    assert told(paid("failed", **nothing)) == []


def test_what_is_not_settled_is_told_without_a_sum() -> None:
    assert told(paid("succeeded", settlement_amount=None)) == [("payment", None, None, 1)]
    assert told(paid("succeeded", settlement_currency=None)) == [("payment", None, None, 1)]
    assert told(refunded(1, 100)) == [("refund", None, None, -1)]
    assert told(paid("succeeded"), refunded(1, 100, currency="USD"))[1:] == [
        ("refund", None, None, -1)
    ]


@given(st.lists(st.integers(0, 1_190), max_size=5))
def test_refunds_of_all_of_it_take_exactly_what_was_settled(parts: list[int]) -> None:
    cuts = sorted({0, 1_190, *parts})
    amounts = [after - before for before, after in pairwise(cuts)]
    refunds = [refunded(number, amount, 5 + number) for number, amount in enumerate(amounts)]
    found = takings(of_one(paid("succeeded"), *refunds))
    assert sum((one.gross or 0) * one.net_sign for one in found) == 0
    assert sum((one.tax or 0) * one.net_sign for one in found) == 0


def test_a_failed_refund_takes_nothing() -> None:
    failed = said("refund.failed", 2, payment_id="pay_1", refund_id="ref_1", amount=100)
    assert [one.kind for one in takings(of_one(paid("succeeded"), failed))] == ["payment"]


def disputed(*words: str) -> list[tuple[str, int, int]]:
    said_of_it = [
        said(
            f"dispute.{word}",
            minute,
            dispute_id="dp_1",
            payment_id="pay_1",
            amount="1190",
            currency="EUR",
            dispute_stage="pre_arbitration" if "opened" in words[1 : minute + 1] else "dispute",
        )
        for minute, word in enumerate(words)
    ]
    found: list[Taking] = takings(of_one(*said_of_it))
    return [(one.kind, one.net_sign, one.ordinal) for one in found]


def test_a_dispute_takes_when_it_is_lost_or_accepted_and_brings_back_what_was_lost() -> None:
    opened, won = ("dispute_opened", 0, 0), ("dispute_won", 0, 1)
    assert disputed("opened") == [opened]
    assert disputed("opened", "challenged", "won") == [opened, won]
    assert disputed("opened", "lost") == [opened, ("dispute_lost", -1, 1)]
    assert disputed("opened", "accepted") == [opened, ("dispute_lost", -1, 1)]
    assert disputed("opened", "expired") == [opened]
    regained = [opened, ("dispute_lost", -1, 1), ("dispute_won", 1, 2)]
    assert disputed("opened", "lost", "opened", "won") == regained


@given(lives(), st.integers(-1, 5))
def test_those_up_to_an_instant_are_what_a_log_says_that_is_cut_there(
    arrivals: list[Delivery], minute: int
) -> None:
    whole, at = recorded(arrivals), NOON + timedelta(minutes=minute)
    until = [one for one in takings(whole) if one.at <= at]
    cut = [one for one in takings(whole.at(as_of=at)) if one.at <= at]
    assert msgspec.json.encode(until) == msgspec.json.encode(cut)
