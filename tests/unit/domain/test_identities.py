"""Identities: what each thing says of its customer, whatever order its facts came in."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.payment import PaymentEntity
from domain.aggregates.refund import RefundEntity
from domain.aggregates.subscription import SubscriptionEntity
from domain.field_readers import metadata
from domain.identities import Identity, folded_email, identities
from tests.support.histories import NOON, aggregates, of_one, said, seen
from tests.support.strategies import lives

if TYPE_CHECKING:
    from random import Random

    from domain.aggregate import Aggregate
    from domain.delivery import Delivery
    from tests.support.samples import Json

FIELDS = ("email", "name", "phone_number", "customer_metadata")

SAID = ("customer_id", "metadata", *FIELDS)


def placeless(aggregate: Aggregate) -> list[Identity]:
    return [msgspec.structs.replace(one, first_position=0) for one in identities(aggregate)]


def newest(found: list[Identity], field: str) -> object:
    """What counts of a field: the last that is said, by the order of the timeline."""
    telling = [one for one in found if getattr(one, field) is not None]
    order = max(
        telling,
        key=lambda one: (one.occurred_at, one.rank, one.webhook_id, one.valid_from, one.ordinal),
        default=None,
    )
    return None if order is None else (getattr(order, field), order.webhook_id, order.occurred_at)


@given(lives(), st.randoms(use_true_random=False))
def test_identities_are_the_same_in_every_order_of_arrival(
    arrivals: list[Delivery], random: Random
) -> None:
    shuffled = random.sample(arrivals, len(arrivals)) + random.choices(arrivals, k=3)
    assert placeless(of_one(*arrivals)) == placeless(of_one(*shuffled))


@given(lives(one_body_each=True))
def test_of_each_field_the_newest_fact_counts_that_says_it(arrivals: list[Delivery]) -> None:
    aggregate = of_one(*arrivals)
    for (kind, entity_id), folded in aggregate.folded().items():
        own = [one for one in identities(aggregate) if (one.kind, one.id) == (kind, entity_id)]
        for field in FIELDS:
            expected = None
            for fact, _, _, (observation,) in folded.steps():
                unsaid = fact.word == "missing" or observation.outdated
                data = {} if unsaid else observation.data
                customer = data["customer"] if isinstance(data.get("customer"), dict) else {}
                customer = data if kind == "customer" else customer
                value = customer.get(field.removeprefix("customer_"))
                if field == "customer_metadata":
                    value = metadata(value) if isinstance(value, dict) else None
                if isinstance(value, str | dict):
                    expected = value, fact.webhook_id, fact.occurred_at
            assert newest(own, field) == expected


@given(lives())
def test_at_every_instant_a_thing_says_what_its_newest_body_says(arrivals: list[Delivery]) -> None:
    aggregate = of_one(*arrivals)
    instants = sorted({one.valid_from for one in identities(aggregate)})
    for instant in instants:
        then = aggregate.at(as_of=instant)
        holding = {
            (one.kind, one.id): one
            for one in identities(aggregate)
            if one.valid_from <= instant and (one.valid_to is None or instant < one.valid_to)
        }
        for known in then.entities():
            kind = known.kind.name
            one = holding.get((kind, getattr(known.entity, known.kind.id_field)))
            assert (one.customer_id if one else None) == known.entity.customer_id
            if isinstance(known.entity, SubscriptionEntity | PaymentEntity | RefundEntity):
                assert (one.metadata if one else {}) == known.entity.metadata


@given(lives())
def test_neighbours_differ_and_their_keys_are_their_own(arrivals: list[Delivery]) -> None:
    found = identities(of_one(*arrivals))
    keys = [(one.kind, one.id, one.valid_from, one.ordinal) for one in found]
    assert len(set(keys)) == len(keys)
    for _, own in groupby(found, key=lambda one: (one.kind, one.id)):
        spans = list(own)
        for one, after in pairwise(spans):
            assert one.valid_to is not None
            assert one.valid_to <= after.valid_from
            assert one.valid_to >= one.valid_from
            told = [tuple(getattr(span, name) for name in SAID) for span in (one, after)]
            # Between two that say the same there was something that says nothing.
            ordinal = one.ordinal + 1 if one.valid_to == one.valid_from else 0
            next_ = (one.valid_to, ordinal)
            assert told[0] != told[1] or next_ < (after.valid_from, after.ordinal)


@pytest.mark.parametrize("ordinal", [0, 1])
def test_what_is_left_out_and_said_again_at_one_instant_is_said_twice(ordinal: int) -> None:
    plan = {"metadata": {"plan": "pro"}}
    found = identities(
        of_one(
            said("license_key.created", ordinal - 1, "msg_1", id="lic_1", **plan),
            said("license_key.created", 0, "msg_2", id="lic_1"),
            said("license_key.created", 0, "msg_3", id="lic_1", **plan),
        )
    )
    spans = [(one.webhook_id, one.valid_to, one.ordinal) for one in found]
    assert spans == [("msg_1", NOON, 0), ("msg_3", None, 1 + ordinal)]


def test_a_body_that_is_outdated_does_not_say_it_again() -> None:
    def grant(written: int, email: str) -> dict[str, object]:
        at = f"2026-05-01T12:0{written}:00Z"
        return {"id": "grant_1", "updated_at": at, "customer": {"email": email}}

    life = [
        said("entitlement_grant.created", 0, None, **grant(5, "new@example.com")),
        said("entitlement_grant.delivered", 1, None, **grant(3, "old@example.com")),
        seen("entitlement_grant", 2, None, **grant(4, "older@example.com")),
    ]
    (one,) = identities(of_one(*life))
    assert (one.email, one.occurred_at) == ("new@example.com", NOON)


def test_what_stays_the_same_is_one_span_with_its_newest_fact() -> None:
    ann = {"customer_id": "cus_1", "email": "ann@example.com"}
    (one,) = identities(
        of_one(
            said("subscription.active", 0, "msg_1", subscription_id="sub_1", customer=ann),
            said("subscription.renewed", 5, "msg_2", subscription_id="sub_1", customer=ann),
        )
    )
    assert (one.valid_from, one.valid_to) == (NOON, None)
    assert (one.webhook_id, one.occurred_at) == ("msg_2", NOON + timedelta(minutes=5))


def test_of_two_facts_at_one_instant_the_second_by_rank_does_not_unsay_the_first() -> None:
    ann = {"customer_id": "cus_1", "email": "ann@example.com"}
    found = identities(
        of_one(
            said("subscription.active", 0, "msg_1", subscription_id="sub_1", customer=ann),
            said("subscription.renewed", 0, "msg_2", subscription_id="sub_1"),
        )
    )
    assert [(one.ordinal, one.email, one.customer_id) for one in found] == [
        (0, "ann@example.com", "cus_1"),
        (1, None, "cus_1"),
    ]
    assert newest(found, "email") == ("ann@example.com", "msg_1", NOON)


@pytest.mark.parametrize(
    "about", [{"customer_id": "cus_1"}, {"customer": {"customer_id": "cus_1"}}]
)
def test_a_notice_that_names_a_customer_says_something_of_him(about: dict[str, Json]) -> None:
    pairs = {"user_id": "42"}
    (stream,) = aggregates(
        [said("abandoned_checkout.detected", 3, "msg_1", **about, metadata=pairs)]
    ).values()
    (one,) = identities(stream)
    assert (one.kind, one.id, one.business_id) == ("notice", "msg_1", "bus_1")
    assert (one.customer_id, one.metadata) == ("cus_1", pairs)
    assert (one.valid_from, one.valid_to) == (NOON + timedelta(minutes=3), None)


@pytest.mark.parametrize("about", [{}, {"customer_id": 7}, {"customer": "x"}, {"customer": []}])
def test_a_notice_that_names_nobody_says_nothing(about: dict[str, Json]) -> None:
    (stream,) = aggregates([said("payout.success", 3, "msg_1", **about)]).values()
    assert identities(stream) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann@Example.com", "ann@example.COM"),
        ("straße@example.com", "STRASSE@example.com"),
        ("İ@example.com", "i̇@example.com"),
    ],
)
def test_addresses_that_differ_in_case_alone_are_one(one: str, other: str) -> None:
    assert folded_email(one) == folded_email(other)


@pytest.mark.parametrize("address", [None, "", "x" * 321, "ΐ" * 200])
def test_what_is_no_address_cannot_be_looked_for(address: str | None) -> None:
    assert folded_email(address) is None


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ({"id": 42}, {"id": "42"}),
        ({"id": True, "off": False}, {"id": "true", "off": "false"}),
        ({"id": 4.5}, {"id": "4.5"}),
        ({"id": None, "x": {}, "y": [1]}, {}),
        ({"id": 2**63, "x": float("inf")}, {}),
        ({"id": "x" * 500, "long": "x" * 501}, {"id": "x" * 500}),
        ({"x" * 100: "1", "x" * 101: "2", "": "3"}, {"x" * 100: "1"}),
        ({"a\0": "b\0"}, {"a�": "b�"}),
        ({"%s": "'; DROP", '"': "%(x)s"}, {"%s": "'; DROP", '"': "%(x)s"}),
        ("x", {}),
        ([["a", "b"]], {}),
        (None, {}),
    ],
)
def test_metadata_is_text_by_key(told: Json, read: dict[str, str]) -> None:
    assert metadata(told) == read
    assert metadata(read) == read


def test_of_metadata_the_first_fifty_usable_pairs_are_read() -> None:
    told = {"no": None, **{f"k{number}": number for number in range(60)}}
    assert metadata(told) == {f"k{number}": str(number) for number in range(50)}
