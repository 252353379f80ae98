"""Routing: every delivery has a stream of its own thing, and none of another's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.announcement import FAMILY_OF
from domain.aggregates.routing import is_signed, is_told, route, types_taken
from domain.stream_id import stream_id
from tests.support.histories import delivery, said
from tests.support.samples import Json

KEY_BYTES_MAX = 2_700
"""PostgreSQL's btree takes no longer key: three have to fit on a page of 8 KiB."""
_IDS = {
    "payment.succeeded": {"payment_id": "x"},
    "refund.failed": {"refund_id": "r", "payment_id": "x"},
    "subscription.updated": {"subscription_id": "x"},
    "dispute.won": {"dispute_id": "x"},
    "license_key.created": {"id": "x"},
    "entitlement_grant.created": {"id": "x"},
    "credit.added": {"customer_id": "c", "credit_entitlement_id": "x"},
    "abandoned_checkout.detected": {"payment_id": "x"},
    "payout.created": {"payout_id": "x"},
}
_STREAMS = {
    "payment.succeeded": "payment/bus_1/x",
    "refund.failed": "payment/bus_1/x",
    "subscription.updated": "subscription/bus_1/x",
    "dispute.won": "dispute/bus_1/x",
    "license_key.created": "license_key/bus_1/x",
    "entitlement_grant.created": "entitlement_grant/bus_1/x",
    "credit.added": "credit/bus_1/c/x",
    "abandoned_checkout.detected": "abandoned_checkout/bus_1/x",
    "payout.created": "payout/bus_1/x",
}
_TYPES = st.sampled_from(
    ["payment.failed", "subscription.active", "dispute.lost", "dispute.opened"]
)
_TRICKY = st.text("ab/%25F", min_size=1, max_size=6)
_NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=200)
_TRIPLES = st.tuples(_TYPES, _TRICKY, _TRICKY) | st.tuples(_TYPES, _NAMES, _NAMES)


def _stream_of(type_: str, business_id: str, own_id: Json) -> str:
    kind = type_.partition(".")[0]
    body = {
        "business_id": business_id,
        "type": type_,
        "timestamp": "2026-05-01T12:00:00Z",
        "data": {f"{kind}_id": own_id},
    }
    return route(delivery(json.dumps(body).encode(), "msg_1")).stream_id


@pytest.mark.parametrize("type_", _IDS)
def test_a_delivery_goes_to_the_stream_of_its_thing_and_a_refund_to_its_payments(
    type_: str,
) -> None:
    to = route(said(type_, 0, None, **_IDS[type_]))
    assert (to.stream_id, to.topic, to.problem) == (_STREAMS[type_], type_, None)


@given(_TRIPLES, _TRIPLES)
def test_only_the_same_kind_tenant_and_id_share_a_stream(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    things = [
        (type_.partition(".")[0], business_id, id_) for type_, business_id, id_ in (one, other)
    ]
    assert (_stream_of(*one) == _stream_of(*other)) == (things[0] == things[1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a/b", "c"), ("a", "b/c")),
        (("a/", "b"), ("a", "/b")),
        (("a/b", "c"), ("a%2Fb", "c")),
        (("a%2Fb", "c"), ("a%252Fb", "c")),
        (("a%2F", "b"), ("a", "/b")),
        (("%", "25"), ("%25", "25")),
        (("a", "b/c"), ("a", "b%2Fc")),
    ],
)
def test_tenants_and_ids_that_look_alike_when_joined_are_kept_apart(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    streams = {_stream_of("dispute.won", *ids) for ids in (one, other)}
    assert len(streams) == 2
    assert len({stream_id(*one), stream_id(*other)}) == 2


@given(
    st.lists(st.text("ab/%25F", max_size=6), min_size=1, max_size=4),
    st.lists(st.text("ab/%25F", max_size=6), min_size=1, max_size=4),
)
def test_different_parts_never_give_the_same_stream(one: list[str], other: list[str]) -> None:
    assert (stream_id(*one) == stream_id(*other)) == (one == other)


@given(st.text("ab/%25F_", min_size=1, max_size=12), _TRIPLES)
def test_no_webhook_id_can_name_the_stream_of_an_aggregate(
    webhook_id: str, thing: tuple[str, str, str]
) -> None:
    of_aggregate = _stream_of(*thing)
    noticed = [webhook_id, of_aggregate, f"../{of_aggregate}", f"/{of_aggregate}"]
    for odd_id in noticed:
        assert route(delivery(b"?", odd_id)).stream_id != of_aggregate


@given(_TYPES, _NAMES, _NAMES)
def test_a_stream_id_fits_into_an_index(type_: str, business_id: str, own_id: str) -> None:
    assert len(_stream_of(type_, business_id, own_id).encode()) < KEY_BYTES_MAX


@pytest.mark.parametrize("character", ["%", "/", "é", "€", "🦤"])
def test_the_longest_ids_of_the_widest_characters_fit_into_an_index(character: str) -> None:
    longest = _stream_of("subscription.active", character * 200, character * 200)
    assert longest.startswith("subscription/")
    assert len(longest.encode()) < KEY_BYTES_MAX
    assert len(route(delivery(b"?", "/" * 200)).stream_id) < KEY_BYTES_MAX


@pytest.mark.parametrize("type_", ["payout.reversed", "loyalty_stamp.collected", "unreadable", "x"])
def test_a_type_that_no_aggregate_takes_is_a_notice_without_a_problem(type_: str) -> None:
    to = route(said(type_, 0, "msg_7", subscription_id="sub_1"))
    assert (to.stream_id, to.topic, to.problem) == ("notice/msg_7", type_, None)


@pytest.mark.parametrize(
    "type_", ["subscription.transferred", "payment.", "payment", "Payment.failed"]
)
def test_a_new_type_of_a_known_kind_is_a_notice_too(type_: str) -> None:
    assert route(said(type_, 0, "msg_7", payment_id="pay_1")).stream_id == "notice/msg_7"


@pytest.mark.parametrize("own_id", [None, "", 5, True, 1.5, [], {}, "x" * 201, "a\0b", "\u202eb"])
@pytest.mark.parametrize("type_", _IDS)
def test_a_thing_without_an_id_is_a_notice_that_tells_the_field(type_: str, own_id: Json) -> None:
    for field in _IDS[type_]:
        data: dict[str, Json] = {**_IDS[type_], field: own_id}
        to = route(said(type_, 0, "msg_7", **data))
        assert (to.stream_id, to.topic) == ("notice/msg_7", type_)
        assert to.problem == f"data.{field} is missing, or not an id"


@pytest.mark.parametrize("own_id", [b"1e999", b"-1e999", b"1" * 5_000, b'"\xff"', b"[" * 999])
def test_an_id_that_cannot_even_be_read_is_a_notice(own_id: bytes) -> None:
    body = b'{"business_id":"b","type":"dispute.won","timestamp":"2026-05-01T12:00:00Z","data":%s}'
    to = route(delivery(body % (b'{"dispute_id":%s}' % own_id), "msg_7"))
    assert to.stream_id == "notice/msg_7"
    assert to.problem


def test_an_attempt_of_dunning_goes_to_the_stream_of_its_subscription() -> None:
    created_at = "2026-05-01T11:00:00Z"
    to = route(said("dunning.started", 0, None, subscription_id="x", created_at=created_at))
    assert (to.stream_id, to.problem) == ("dunning/bus_1/x", None)


@pytest.mark.parametrize("created_at", [None, "", "soon", 5])
def test_an_attempt_of_dunning_without_its_time_is_a_notice(created_at: Json) -> None:
    to = route(said("dunning.started", 0, "msg_7", subscription_id="x", created_at=created_at))
    assert to.stream_id == "notice/msg_7"
    assert to.problem == "data.created_at is missing, or not a time"


def test_ids_that_are_too_long_together_are_a_notice() -> None:
    long = {"customer_id": "c" * 120, "credit_entitlement_id": "x" * 120}
    to = route(said("credit.added", 0, "msg_7", **long))
    assert (to.stream_id, to.problem) == ("notice/msg_7", "the ids in data are too long together")


def test_a_refund_without_its_payment_is_a_notice() -> None:
    to = route(said("refund.succeeded", 0, "msg_7", refund_id="ref_1"))
    assert (to.stream_id, to.problem) == (
        "notice/msg_7",
        "data.payment_id is missing, or not an id",
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"SECRET17",
        b'{"SECRET17": SECRET17}',
        b'{"SECRET17":"SECRET17"}',
        b'{"type":5,"SECRET17":1}',
        b'{"business_id":"b","type":"SECRET17\\n","timestamp":"2026-05-01T12:00:00Z","data":{}}',
        b'{"business_id":"SECRET17\\u0000","type":"t","timestamp":"2026-05-01T12:00:00Z","data":{}}',
        b'{"business_id":"b","type":"t","timestamp":"SECRET17","data":{}}',
        b'{"business_id":"b","type":"t","timestamp":"2026-05-01T12:00:00Z","data":"SECRET17"}',
        b'{"business_id":"b","type":"t","timestamp":"2026-05-01T12:00:00Z","data":{"SECRET17\\ud800":1}}',
        b'{"business_id":"SECRET17\xff","type":"t","timestamp":"2026-05-01T12:00:00Z","data":{}}',
        b'{"business_id":"b","type":"t","timestamp":"2026-05-01T12:00:00Z","data":{"SECRET17":\x00}}',
        b'{"SECRET17":' * 100_000,
    ],
)
def test_what_is_unreadable_has_a_notice_of_its_own_whose_reason_quotes_nothing(
    body: bytes,
) -> None:
    to = route(delivery(body, "msg_7"))
    assert (to.stream_id, to.topic) == ("notice/msg_7", "unreadable")
    assert to.problem
    assert "SECRET17" not in to.problem
    assert len(to.problem) < 200


def test_an_id_that_is_none_is_not_quoted_in_the_reason() -> None:
    problem = route(said("payment.failed", 0, None, payment_id="SECRET17\n")).problem
    assert problem == "data.payment_id is missing, or not an id"


@given(st.binary(max_size=200))
def test_every_delivery_has_a_stream_whatever_its_bytes(body: bytes) -> None:
    assert route(delivery(body, "msg_7")).stream_id == "notice/msg_7"


@pytest.mark.parametrize("type_", FAMILY_OF)
def test_what_claims_to_be_an_announcement_is_a_notice_whose_signature_is_checked(
    type_: str,
) -> None:
    found = route(said(type_, 0, "msg_1", customer_id="cus_1"))
    assert found.stream_id == "notice/msg_1"
    assert is_signed(found.stream_id, found.topic)
    assert type_ not in types_taken()
    own = stream_id("announcement", "bus_1", "access", "cus_1")
    assert not is_signed(own, type_)
    assert is_told(own, type_)
