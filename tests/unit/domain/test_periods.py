"""Periods say at every instant what the facts up to it add up to, and change only there."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.periods import Period, periods
from tests.support.histories import NOON, aggregates, of_one, said, seen
from tests.support.strategies import MINUTES, lives

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

    from domain.aggregate import Aggregate, Known
    from domain.delivery import Delivery

_RENAMED = {
    "subscription": {"amount": "recurring_pre_tax_amount"},
    "payment": {"amount": "total_amount"},
    "product": {"amount": "price"},
}
"""The fields of a period that an entity calls otherwise."""
_CHANGING = Period.__struct_fields__[Period.__struct_fields__.index("status") :]
_SECOND = timedelta(seconds=1)
_INSTANTS = sorted(
    NOON + timedelta(minutes=minute) + offset
    for minute in range(-1, MINUTES + 2)
    for offset in (-_SECOND, timedelta(0), _SECOND)
)


@given(lives())
def test_a_period_says_what_the_facts_up_to_any_instant_in_it_add_up_to(
    arrivals: list[Delivery],
) -> None:
    aggregate = of_one(*arrivals)
    found = periods(aggregate)
    for instant in _INSTANTS:
        there = {(one.kind, one.id): one for one in found if _contains(one, instant)}
        known = {_name(known): known for known in aggregate.at(as_of=instant).entities()}
        assert there.keys() == known.keys()
        for name, one in there.items():
            assert _changing(one) == _expected(known[name])


@given(lives())
def test_periods_follow_upon_one_another_from_the_first_fact_on_and_neighbours_differ(
    arrivals: list[Delivery],
) -> None:
    aggregate = of_one(*arrivals)
    for (kind, entity_id), folded in aggregate.folded().items():
        own = [one for one in periods(aggregate) if (one.kind, one.id) == (kind, entity_id)]
        instants = {fact.occurred_at for fact in folded.facts}
        assert own[0].valid_from == min(instants)
        assert own[-1].valid_to is None
        assert {one.valid_from for one in own} <= instants
        assert {one.first_position for one in own} == {min(f.position for f in folded.facts)}
        assert {one.business_id for one in own} == {"bus_1"}
        for one, after in pairwise(own):
            assert one.valid_to == after.valid_from
            assert one.valid_from < after.valid_from
            assert _changing(one) != _changing(after)


@given(lives(), st.randoms(use_true_random=False))
def test_periods_are_the_same_in_every_order_of_arrival(
    arrivals: list[Delivery], random: Random
) -> None:
    shuffled = random.sample(arrivals, len(arrivals)) + random.choices(arrivals, k=3)
    assert _placeless(of_one(*arrivals)) == _placeless(of_one(*shuffled))


def test_a_subscriptions_plan_and_price_hold_from_the_change_on() -> None:
    pro = {"product_id": "pdt_pro", "recurring_pre_tax_amount": 4900, "quantity": 2}
    life = [
        _subscribed("active", 0),
        _subscribed("renewed", 0),
        _subscribed("renewed", 30),
        _subscribed("plan_changed", 45, **pro),
        _subscribed("on_hold", 60, **pro),
        _subscribed("cancelled", 90, **pro),
    ]
    assert [_line(one) for one in periods(of_one(*life))] == [
        (0, 45, "active", ("pdt_basic",), 1, 1900),
        (45, 60, "active", ("pdt_pro",), 2, 4900),
        (60, 90, "on_hold", ("pdt_pro",), 2, 4900),
        (90, None, "cancelled", ("pdt_pro",), 2, 4900),
    ]


def test_a_fact_that_arrives_late_divides_the_period_that_it_falls_into() -> None:
    life = [_subscribed("active", 0), _subscribed("renewed", 60)]
    assert [_line(one)[:3] for one in periods(of_one(*life))] == [(0, None, "active")]
    late = _subscribed("on_hold", 30)
    assert [_line(one)[:3] for one in periods(of_one(*life, late))] == [
        (0, 30, "active"),
        (30, 60, "on_hold"),
        (60, None, "active"),
    ]


def test_before_anything_has_set_a_state_the_period_has_no_status() -> None:
    life = [_subscribed("updated", 0), _subscribed("active", 5)]
    assert [_line(one)[:3] for one in periods(of_one(*life))] == [(0, 5, None), (5, None, "active")]


def test_a_period_with_the_status_of_an_observation_ends_with_the_fact_that_says_otherwise() -> (
    None
):
    ahead = _subscribed("active", 0, status="on_hold")
    back = _subscribed("renewed", 5, status="active")
    assert [_line(one)[:3] for one in periods(of_one(back, ahead))] == [
        (0, 5, "on_hold"),
        (5, None, "active"),
    ]


def test_a_contradicted_end_has_the_status_that_dodo_says_until_it_says_the_end_again() -> None:
    life = [
        _subscribed("cancelled", 0, status="cancelled"),
        _subscribed("active", 5, status="active"),
        _subscribed("updated", 10, status="on_hold"),
        _subscribed("cancelled", 15, status="cancelled"),
    ]
    assert [_line(one)[:3] for one in periods(of_one(*life))] == [
        (0, 5, "cancelled"),
        (5, 10, "active"),
        (10, 15, "on_hold"),
        (15, None, "cancelled"),
    ]


def test_a_delivery_without_a_status_leaves_what_was_last_observed() -> None:
    life = [_subscribed("active", 0, status="on_hold"), _subscribed("updated", 5, quantity=2)]
    assert [_line(one)[:3] for one in periods(of_one(*life))] == [
        (0, 5, "on_hold"),
        (5, None, "on_hold"),
    ]


@pytest.mark.parametrize(
    ("field", "before", "after"),
    [
        ("customer_id", {"customer": {"customer_id": "a"}}, {"customer": {"customer_id": "b"}}),
        ("customer_id", {"customer_id": "a"}, {"customer_id": "b"}),
        ("subscription_id", {"subscription_id": "a"}, {"subscription_id": "b"}),
        ("subscription_id", {"subscription_ids": ["a"]}, {"subscription_ids": ["b"]}),
        ("currency", {"currency": "a"}, {"currency": "b"}),
    ],
)
def test_a_change_of_one_thing_alone_begins_a_period(
    field: str, before: dict[str, object], after: dict[str, object]
) -> None:
    life = [
        said("payment.succeeded", 0, None, payment_id="pay_1", **before),
        said("payment.succeeded", 5, None, payment_id="pay_1", **after),
    ]
    assert [getattr(one, field) for one in periods(of_one(*life))] == ["a", "b"]


def test_a_payment_and_its_refunds_have_periods_of_their_own() -> None:
    cart = [{"product_id": "pdt_1", "quantity": 1}]
    paid: dict[str, object] = {
        "payment_id": "pay_1",
        "subscription_id": "sub_1",
        "product_cart": cart,
    }
    charge = {"total_amount": 500, "currency": "JPY"} | paid
    refund = {"payment_id": "pay_1", "refund_id": "ref_1", "amount": "300", "currency": "JPY"}
    stream = of_one(
        said("payment.processing", 0, None, **charge),
        said("payment.succeeded", 5, None, **charge),
        said("refund.succeeded", 9, **refund),
    )
    first, second, third = periods(stream)
    assert (first.id, first.status, first.valid_to) == ("pay_1", "processing", second.valid_from)
    assert (second.status, second.valid_to, second.product_ids) == ("succeeded", None, ("pdt_1",))
    assert (second.amount, second.currency, second.subscription_id) == (500, "JPY", "sub_1")
    assert (third.kind, third.id, third.payment_id) == ("refund", "ref_1", "pay_1")
    assert (third.amount, third.status, third.valid_to) == (300, "succeeded", None)
    assert second.payment_id is None


@pytest.mark.parametrize(
    ("before", "after", "amounts"),
    [(1, True, [1, None]), (True, 1.0, [None]), (1, "1", [1]), (1.0, 1, [None, 1])],
)
def test_what_is_equal_in_python_but_reads_otherwise_is_a_change(
    before: object, after: object, amounts: list[int | None]
) -> None:
    life = [
        _subscribed("active", 0, recurring_pre_tax_amount=before),
        _subscribed("updated", 5, recurring_pre_tax_amount=after),
    ]
    assert [one.amount for one in periods(of_one(*life))] == amounts


def test_a_dispute_has_no_product_whatever_its_data_holds() -> None:
    data: dict[str, object] = {"dispute_id": "dp_1", "product_id": "pdt_1", "": "pdt_2"}
    (one,) = periods(of_one(said("dispute.opened", 0, None, amount="6100", **data)))
    assert (one.product_ids, one.amount, one.quantity) == ((), 6100, None)


def test_a_product_is_linked_as_every_thing_is_by_what_was_said_last() -> None:
    looks = [
        seen("product", 0, None, product_id="pdt_1", customer_id="cus_1"),
        seen("product", 5, None, product_id="pdt_1", customer_id=None, price=900),
    ]
    assert [one.customer_id for one in periods(of_one(*looks))] == ["cus_1", "cus_1"]


def test_a_notice_has_no_periods() -> None:
    (notice,) = aggregates([said("payout.created")]).values()
    assert periods(notice) == []


def _subscribed(word: str, minute: int, **data: object) -> Delivery:
    known = {
        "subscription_id": "sub_1",
        "product_id": "pdt_basic",
        "quantity": 1,
        "recurring_pre_tax_amount": 1900,
        "currency": "USD",
        "created_at": "2026-05-01T12:00:00Z",
    }
    return said(f"subscription.{word}", minute, None, **known | data)


def _line(one: Period) -> tuple[object, ...]:
    begin, end = (
        None if instant is None else (instant - NOON) // timedelta(minutes=1)
        for instant in (one.valid_from, one.valid_to)
    )
    return begin, end, one.status, one.product_ids, one.quantity, one.amount


def _contains(one: Period, instant: datetime) -> bool:
    return one.valid_from <= instant and (one.valid_to is None or instant < one.valid_to)


def _name(known: Known) -> tuple[str, str]:
    entity_id = getattr(known.entity, known.kind.id_field)
    return known.kind.name, entity_id


def _changing(one: Period) -> dict[str, object]:
    return {name: getattr(one, name) for name in _CHANGING}


def _expected(known: Known) -> dict[str, object]:
    kind, entity = known.kind, msgspec.structs.asdict(known.entity)
    entity["obstacle"] = _obstacle(kind.name, entity)
    product_id = None if kind.id_field == "product_id" else entity.get("product_id")
    entity.setdefault("product_ids", () if product_id is None else (product_id,))
    if kind.name != "customer":
        entity.pop(kind.id_field, None)
    names = {name: _RENAMED.get(kind.name, {}).get(name, name) for name in _CHANGING}
    return {name: entity.get(own) for name, own in names.items()}


def _obstacle(kind: str, entity: dict[str, object]) -> str | None:
    if kind == "subscription":
        ways = {"on_demand": "on_demand", "usage": "meters", "addons": "addons"}
        ways |= {"discount": "discounts"} if entity["discounts"] else {"discount": "discount_id"}
    elif kind == "product":
        if entity["price_type"] in {None, "usage_based"}:
            return "usage" if entity["price_type"] else "untold"
        ways = {
            "purchasing_power": "purchasing_power_parity",
            "localized": "pricing_mode",
            "discount": "discount_bps",
            "pay_what_you_want": "pay_what_you_want",
        }
    else:
        return None
    return next((code for code, field in ways.items() if entity[field]), None)


def _placeless(aggregate: Aggregate) -> list[Period]:
    return [msgspec.structs.replace(one, first_position=0) for one in periods(aggregate)]
