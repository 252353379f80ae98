"""An emptied body names nobody, and is otherwise read as the body was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, get_args

import msgspec
import pytest
from dodopayments.types.abandoned_checkout_detected_webhook_event import Data as AbandonedCheckout
from dodopayments.types.cancellation_feedback import CancellationFeedback
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.routing import route
from domain.delivery import ErasedDelivery, UnreadableError, read_envelope
from domain.personal_data import NOTHING, WORDS, customers_of, emptied, is_word
from tests.support.histories import aggregates, delivery, rendered, said
from tests.support.mutations import bodies
from tests.support.samples import rehearsals, samples
from tests.support.strategies import lives

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from domain.aggregate import Aggregate
    from domain.delivery import Delivery

PERSONAL = {
    *("reason", "remarks", "metadata", "customer_metadata", "email", "name", "phone_number"),
    *("tax_id", "cancellation_comment", "invoice_url", "description"),
}
"""The fields of entities that a person is told by."""
ALL = {**samples(), **rehearsals()}


def erased(one: Delivery) -> Delivery:
    headers = one.webhook_id, one.webhook_timestamp, one.webhook_signature
    return ErasedDelivery(*headers, emptied(one.body), one.body_hash, "erasure")


def impersonal(built: Mapping[str, Aggregate]) -> bytes:
    """Write all that is known, but for personal fields and for where a body cannot be read."""
    whole = json.loads(rendered(built))
    for of_stream in whole.values():
        for entity in of_stream["entities"]:
            entity.update(dict.fromkeys(PERSONAL & entity.keys()))
            others = {name for name in WORDS if not is_word(name, entity.get(name))}
            entity.update(dict.fromkeys(others & entity.keys()))
        for line in of_stream["timeline"]:
            if str(line["reason"]).startswith("the body is"):
                line["reason"] = None
    return json.dumps(whole).encode()


def same_but_for_persons(told: Iterable[Delivery]) -> None:
    deliveries = list(told)
    before = aggregates(deliveries)
    after = aggregates(deliveries)
    for stream in after.values():
        stream.events = [
            msgspec.structs.replace(event, delivery=erased(event.delivery))
            for event in stream.events
        ]
    assert impersonal(after) == impersonal(before)


@pytest.mark.parametrize("name", ALL)
def test_of_every_sample_the_emptied_body_says_the_same_of_things(name: str) -> None:
    same_but_for_persons([delivery(ALL[name])])
    emptied_one = erased(delivery(ALL[name]))
    assert route(emptied_one) == route(delivery(ALL[name]))
    assert customers_of(emptied_one.body) == customers_of(ALL[name])


@given(lives())
def test_of_any_life_the_emptied_bodies_fold_to_the_same(life: list[Delivery]) -> None:
    same_but_for_persons(life)


@given(st.lists(bodies(), min_size=1, max_size=3))
def test_of_odd_bodies_too_even_under_one_webhook_id(odd: list[bytes]) -> None:
    same_but_for_persons(map(delivery, odd))


@given(st.one_of(bodies(), st.binary(max_size=200)))
def test_emptying_never_fails_and_twice_is_once(body: bytes) -> None:
    once = emptied(body)
    assert emptied(once) == once
    try:
        told = read_envelope(body)
    except UnreadableError:
        with pytest.raises(UnreadableError):
            read_envelope(once)
        return
    kept = read_envelope(once)
    assert msgspec.structs.astuple(kept)[:3] == msgspec.structs.astuple(told)[:3]


_WHO = st.text(min_size=4, max_size=12).map(lambda text: f"Jane {text} Doe")
_UNKNOWN = st.dictionaries(st.text(min_size=1, max_size=8), _WHO, max_size=3)


@given(st.sampled_from(sorted(samples())), _UNKNOWN)
def test_unknown_fields_of_customer_billing_and_metadata_are_emptied(
    name: str, unknown: dict[str, str]
) -> None:
    unknown = {k: v for k, v in unknown.items() if k not in {"customer_id", "country"}}
    body = json.loads(samples()[name])
    body["data"]["customer"] = {"customer_id": "cus_1", **unknown}
    body["data"]["deeper"] = [{"billing": {"country": "DE", **unknown}, "metadata": unknown}]
    left = json.loads(emptied(json.dumps(body).encode()))["data"]
    assert left["customer"] == {"customer_id": "cus_1"}
    assert left["deeper"] == [{"billing": {"country": "DE"}, "metadata": {}}]


FIELDS = {
    "email": "jane@example.com",
    "customer_email": "jane@example.com",
    "phone_number": "+491",
    "name": "Jane",
    "customer_name": "Jane",
    "customer_business_name": "Doe Ltd",
    "tax_id": "DE1",
    "card_holder_name": "JANE DOE",
    "card_last_four": "4242",
    "card_exp_month": "12",
    "card_exp_year": "2030",
    "custom_field_responses": [{"key": "Twitter", "value": "@jane"}],
    "cancellation_comment": "too dear for Jane",
    "cancellation_feedback": "Other",
    "abandonment_reason": "Jane had no time",
    "revocation_reason": "refund for Jane",
    "remarks": "Jane says no",
    "reason": "Jane moved",
    "description": "for Jane",
    "payment_link": "https://checkout.example/jane",
    "invoice_url": "https://x.example/?email=jane",
    "return_url": "https://x.example/jane",
    "download_url": "https://x.example/token",
    "oauth_url": "https://x.example/token",
    "key": "JANE-KEY",
    "license_key": "JANE-KEY",
    "anything": "write to jane@example.com",
}
KEPT = {
    "cancellation_feedback": "too_expensive",
    "abandonment_reason": "checkout_incomplete",
    "revocation_reason": "SubscriptionPaused",
    "customer_id": "cus_1",
    "payment_id": "pay_1",
    "discount_id": "dsc_1",
    "total_amount": 1_00,
    "currency": "EUR",
    "status": "succeeded",
    "created_at": "2026-05-01T12:00:00Z",
    "card_network": "visa",
    "card_type": "credit",
    "card_issuing_country": "DE",
    "payment_method_type": "card",
    "error_code": "CARD_DECLINED",
    "dispute_stage": "dispute",
    "product_cart": [{"product_id": "prd_1", "quantity": 1}],
}


def test_the_words_of_a_field_are_those_of_the_sdk() -> None:
    checkout = AbandonedCheckout.model_fields["abandonment_reason"].annotation
    assert WORDS["cancellation_feedback"] == {*get_args(CancellationFeedback)}
    assert WORDS["abandonment_reason"] == {*get_args(checkout)}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("where", ["data", "deeper"])
def test_what_identifies_a_person_goes(field: str, where: str) -> None:
    data = {field: FIELDS[field]} if where == "data" else {"a": [{"b": {field: FIELDS[field]}}]}
    left = emptied(delivery({"data": data}).body)
    assert b"ane" not in left.lower()
    assert json.loads(left)["data"] in ({field: None}, {"a": [{"b": {field: None}}]})


def test_of_a_grants_licence_key_the_id_and_the_state_stay() -> None:
    key = {"id": "lic_1", "key": "JANE-KEY", "status": "active", "activations_limit": 3}
    left = json.loads(emptied(delivery({"data": {"license_key": key}}).body))["data"]
    assert left == {"license_key": {"id": "lic_1", "status": "active", "activations_limit": 3}}


def test_ids_amounts_times_and_states_stay_to_the_byte() -> None:
    body = delivery({"type": "payment.succeeded", "data": KEPT}).body
    assert emptied(body) == body


def test_numbers_stay_as_they_are_written() -> None:
    numbers = (
        b'{"type":"t","data":{"a":1.10,"b":1e400,"c":123456789012345678901234567890,"d":-0.0}}'
    )
    assert emptied(numbers) == numbers


def test_an_earlier_field_of_the_same_name_does_not_stay() -> None:
    twice = b'{"data":{"customer":{"email":"j@x.example"},"customer":{"customer_id":"cus_1"}}}'
    assert emptied(twice) == b'{"data":{"customer":{"customer_id":"cus_1"}}}'


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 5_000, b'{"a": "\\ud800"'])
def test_a_body_that_cannot_be_parsed_is_replaced_as_a_whole(body: bytes) -> None:
    assert emptied(body) == NOTHING
    assert customers_of(body) is None


def test_a_body_that_is_a_delivery_though_something_in_it_is_broken_stays_one() -> None:
    body = said("payment.succeeded", payment_id="pay_1").body
    broken = body[:-1] + b',"more":"\xff"}'
    assert read_envelope(broken).type == "payment.succeeded"
    assert json.loads(emptied(broken)) == json.loads(body)


def test_a_customer_is_named_by_an_id_and_not_in_what_a_buyer_writes() -> None:
    body = said(
        "payment.succeeded",
        customer={"customer_id": "cus_1"},
        metadata={"customer_id": "cus_2"},
        custom_field_responses=[{"customer_id": "cus_3"}],
        deeper=[{"customer_id": "cus_4"}],
    ).body
    assert customers_of(body) == frozenset({"cus_1", "cus_4"})


def test_emptying_takes_time_in_proportion_to_the_body() -> None:
    mib = 2**20
    for text in ("a" * mib, "_" * mib, "e_" * (mib // 2), "@" * mib):
        for data in ({"k": text}, {text: "k"}, {"customer_id": text}):
            emptied(json.dumps({"data": data}).encode())
