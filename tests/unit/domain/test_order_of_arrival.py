"""State is a function of the set of deliveries, not of their arrival (rule 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aggregates.catalogue import KINDS
from domain.delivery import Delivery
from tests.support.histories import aggregates, delivery, rendered, said
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
}


@st.composite
def _sayings(draw: DrawFn, kinds: tuple[str, ...]) -> Delivery:
    """A delivery about one aggregate; few instants and ids, so that many coincide."""
    kind = draw(st.sampled_from(kinds))
    data = dict(_SUBJECTS[kind])
    if kind == "refund":
        data["refund_id"] = draw(st.sampled_from(["ref_1", "ref_2"]))
    field = KINDS[kind].status_field
    data |= draw(st.fixed_dictionaries({}, optional={field: _STATUSES, "dispute_stage": _STAGES}))
    data["customer"] = draw(st.sampled_from([None, "x", {}, {"customer_id": "cus_1"}]))
    type_ = draw(st.sampled_from(KINDS[kind].machine.types))
    webhook_id = f"msg_{draw(st.integers(1, 9))}"
    return said(type_, draw(st.integers(0, 3)), webhook_id, **data)


def _histories(*kinds: str) -> st.SearchStrategy[tuple[list[Delivery], list[Delivery]]]:
    """A list of deliveries, and the same ones in another order with repeats."""

    def rearranged(
        deliveries: list[Delivery],
    ) -> st.SearchStrategy[tuple[list[Delivery], list[Delivery]]]:
        repeats = st.lists(st.sampled_from(deliveries), max_size=6)
        shuffled = repeats.flatmap(lambda extra: st.permutations(deliveries + extra))
        return st.tuples(st.just(deliveries), shuffled)

    return st.lists(_sayings(kinds), min_size=1, max_size=9).flatmap(rearranged)


@given(_histories("subscription"))
def test_a_subscription_is_the_same_in_every_order(
    history: tuple[list[Delivery], list[Delivery]],
) -> None:
    _assert_same(*history)


@given(_histories("payment", "refund"))
def test_a_payment_with_its_refunds_is_the_same_in_every_order(
    history: tuple[list[Delivery], list[Delivery]],
) -> None:
    _assert_same(*history)


@given(_histories("dispute"))
def test_a_dispute_is_the_same_in_every_order(
    history: tuple[list[Delivery], list[Delivery]],
) -> None:
    _assert_same(*history)


@given(_histories("license_key"))
def test_a_license_key_is_the_same_in_every_order(
    history: tuple[list[Delivery], list[Delivery]],
) -> None:
    _assert_same(*history)


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
