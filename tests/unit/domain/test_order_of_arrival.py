"""State is a function of the set of deliveries, not of their arrival (rule 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aggregates.catalogue import KINDS, STREAMS
from domain.delivery import Delivery
from tests.support.histories import aggregates, delivery, missed, rendered, said, seen
from tests.support.samples import rehearsals, samples

if TYPE_CHECKING:
    from random import Random

    from hypothesis.strategies import DrawFn

_WORDS = "active pending on_hold cancelled succeeded failed processing review disabled".split()
_STATUSES = st.sampled_from(
    [*_WORDS, "dispute_opened", "dispute_won", "requires_capture", "Ünbekannt", None, 5, ""]
)
_STAGES = st.sampled_from(["pre_dispute", "dispute", "pre_arbitration", "final", None, 7])
_SUBJECTS: dict[str, dict[str, object]] = {
    "subscription": {"subscription_id": "sub_1"},
    "payment": {"payment_id": "pay_1", "total_amount": 500, "currency": "USD"},
    "refund": {"payment_id": "pay_1", "amount": 300, "currency": "USD"},
    "dispute": {"dispute_id": "dp_1", "payment_id": "pay_1"},
    "license_key": {"id": "lic_1"},
    "entitlement_grant": {"id": "grant_1"},
    "credit": {"customer_id": "cus_1", "credit_entitlement_id": "cde_1"},
    "dunning": {"subscription_id": "sub_1", "created_at": "2026-05-01T11:00:00Z"},
    "abandoned_checkout": {"payment_id": "pay_1"},
    "payout": {"payout_id": "pyt_1"},
    "customer": {"customer_id": "cus_1"},
    "product": {"product_id": "pdt_1"},
}
_AMOUNTS = st.sampled_from(["0", "5", 5, 2.5, "-3", "1e9", "12345678901", "0.10", None])
_TIMES = st.sampled_from(["2026-05-01T12:00:00Z", "2026-05-01T12:02:00.5+00:00", None, 7])
_FIELDS: dict[str, dict[str, st.SearchStrategy[object]]] = {
    "entitlement_grant": {
        "status": st.sampled_from(["Pending", "Delivered", "revoked", "Lost", 3]),
        "delivered_at": st.sampled_from(["2026-05-01T12:00:00Z", "2026-05-01T12:02:00Z", None]),
        "updated_at": _TIMES,
        "license_key": st.sampled_from([None, {"id": "lic_1"}, {"id": "lic_2", "status": 5}, []]),
    },
    "credit": {
        "id": st.sampled_from(["cdl_1", "cdl_2", "cdl_3", None]),
        "is_credit": st.sampled_from([True, False, None]),
        "created_at": st.sampled_from(["2026-05-01T12:00:00Z", "2026-05-01T12:01:00Z", 7]),
        **dict.fromkeys(["amount", "balance_before", "balance_after"], _AMOUNTS),
        **dict.fromkeys(["overage_before", "overage_after", "available_balance"], _AMOUNTS),
        "reference_type": st.sampled_from(["subscription", "payment"]),
        "reference_id": st.sampled_from(["sub_1", "sub_2"]),
    },
    "dunning": {
        "created_at": st.sampled_from(["2026-05-01T11:00:00Z", "2026-05-01T13:00:00+02:00"]),
        "status": st.sampled_from(["recovering", "recovered", "exhausted"]),
    },
    "abandoned_checkout": {"status": st.sampled_from(["abandoned", "opted_out", "recovered"])},
    "payout": {
        "status": st.sampled_from(["success", "failed", "not_initiated"]),
        "updated_at": _TIMES,
    },
    "customer": {"email": st.sampled_from(["a@example.com", "b@example.com", None, 7])},
    "product": {
        "price": st.sampled_from([900, None, {"type": "one_time_price", "price": 900}]),
        "price_detail": st.sampled_from([None, {"type": "usage_based_price", "fixed_price": 5}, 3]),
        "archived": st.sampled_from([True, False, None]),
    },
}

_STREAMS = [tuple(kind.name for kind in stream.kinds) for stream in STREAMS.values()]
# To make a strategy takes longer than to draw from it, and so each is made once.
_ONE_OF = {kinds: st.sampled_from(kinds) for kinds in _STREAMS}
_TYPES = {
    name: st.sampled_from(kind.machine.types) for name, kind in KINDS.items() if kind.machine.types
}
_OF_ALL = {
    name: st.fixed_dictionaries(
        {}, optional={kind.status_field or "status": _STATUSES, "dispute_stage": _STAGES}
    )
    for name, kind in KINDS.items()
}
_OWN = {name: st.fixed_dictionaries({}, optional=_FIELDS.get(name, {})) for name in KINDS}
_CUSTOMERS = st.sampled_from([None, "x", {}, {"customer_id": "cus_1"}])
_REFUNDS = st.sampled_from(["ref_1", "ref_2"])
_THIRDS, _QUARTERS, _NUMBERS = st.integers(0, 2), st.integers(0, 3), st.integers(1, 9)


@st.composite
def _sayings(draw: DrawFn, kinds: tuple[str, ...]) -> Delivery:
    """A delivery or a look about one aggregate; few instants and ids, so that many coincide."""
    kind = draw(_ONE_OF[kinds])
    data = dict(_SUBJECTS[kind])
    if kind == "refund":
        data["refund_id"] = draw(_REFUNDS)
    data |= draw(_OF_ALL[kind]) | draw(_OWN[kind])
    data["customer"] = draw(_CUSTOMERS)
    minute, number = draw(_QUARTERS), draw(_NUMBERS)
    if not KINDS[kind].machine.events or draw(_THIRDS) == 0:
        if draw(_QUARTERS) == 0:
            named = {
                name: str(data[name]) for name in (*KINDS[kind].names, *KINDS[kind].stream_fields)
            }
            return missed(kind, minute, f"raphus_look_{number}", **named)
        return seen(kind, minute, f"raphus_look_{number}", **data)
    type_ = draw(_TYPES[kind])
    return said(type_, minute, f"msg_{number}", **data)


def _histories(*kinds: str) -> st.SearchStrategy[tuple[list[Delivery], list[Delivery]]]:
    """A list of deliveries, and the same ones in another order with repeats."""

    def rearranged(
        deliveries: list[Delivery],
    ) -> st.SearchStrategy[tuple[list[Delivery], list[Delivery]]]:
        repeats = st.lists(st.sampled_from(deliveries), max_size=6)
        shuffled = repeats.flatmap(lambda extra: st.permutations(deliveries + extra))
        return st.tuples(st.just(deliveries), shuffled)

    return st.lists(_sayings(kinds), min_size=1, max_size=9).flatmap(rearranged)


def test_every_kind_is_of_a_stream_here() -> None:
    assert {kind for kinds in _STREAMS for kind in kinds} == set(KINDS)


@pytest.mark.parametrize("kinds", _STREAMS, ids=" and ".join)
def test_a_stream_is_the_same_in_every_order(kinds: tuple[str, ...]) -> None:
    @settings(max_examples=30)
    @given(_histories(*kinds))
    def check(history: tuple[list[Delivery], list[Delivery]]) -> None:
        _assert_same(*history)

    check()


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_all_sample_bodies_together_are_the_same_in_every_order(random: Random) -> None:
    bodies = sorted((samples() | rehearsals()).items())
    deliveries = [delivery(body, f"msg_{name}") for name, body in bodies]
    shuffled = random.sample(deliveries, len(deliveries)) + random.choices(deliveries, k=20)
    _assert_same(deliveries, shuffled)


def test_a_second_body_under_a_known_webhook_id_is_a_further_observation_of_one_fact() -> None:
    first = said("subscription.active", 0, "msg_1", subscription_id="sub_1", status="active")
    later = said("subscription.active", 0, "msg_1", subscription_id="sub_1", status="cancelled")
    (stream,) = aggregates([later, first]).values()
    (entry,) = stream.timeline()
    (known,) = stream.entities()
    assert (entry.webhook_id, entry.to) == ("msg_1", "active")
    assert (known.entity.status, known.entity.folded_status) == ("cancelled", "active")


def _assert_same(one: list[Delivery], other: list[Delivery]) -> None:
    assert rendered(aggregates(one)) == rendered(aggregates(other))
