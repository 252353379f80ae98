"""Payloads: read at once or field by field, a body says the same; and little of it is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.catalogue import KINDS
from domain.aggregates.payment import products
from domain.aggregates.subscription import SUBSCRIPTION
from domain.delivery import UnreadableError, read_envelope
from domain.field_readers import metadata, text
from domain.payload import PayloadReader, stands_as_read
from tests.support.histories import delivery as told
from tests.support.mutations import FLOODED, flooded, mutated
from tests.support.samples import rehearsals, sample, samples
from tests.support.strategies import lives

if TYPE_CHECKING:
    from domain.delivery import Delivery
    from domain.entity import Kind
    from domain.payload import Customer, Payload
    from tests.support.samples import Json

TYPES = {type_: kind for kind in KINDS.values() for type_ in kind.machine.types}
ABOUT = {
    name: body for name, body in (samples() | rehearsals()).items() if name.split("--")[0] in TYPES
}
ORDINARY = [name for name in samples() if name in TYPES]
BYTES_MAX = 96 * 2**10
LARGE: dict[str, Json] = {
    "a text": "x" * 10**5,
    "ids": ["x" * 199] * 500,
    "lines": [{"product_id": f"pdt_{number}", "more": "x" * 900} for number in range(150)],
    "a customer": {"customer_id": "x" * 199, "more": ["x"] * 10**4},
    "a customer with a long id": {"customer_id": "x" * 10**5},
    "a line with a long id": [{"product_id": "x" * 10**5}],
    "a number": 10**4000,
    "metadata": {f"{number:x>99}": "x" * 499 for number in range(300)},
    "a customer with metadata": {
        "email": "x" * 10**5,
        "metadata": {f"{number:x>99}": "x" * 499 for number in range(300)},
    },
}
MORE = json.dumps({"more": "x" * 10**5})
ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=11))])
KEYS = st.sampled_from(
    [*"customer_id product_id email name phone_number metadata a\0b".split(), "x" * 101, ""]
)
MANY_PAIRS: dict[str, Json] = {f"key_{number}": number for number in range(60)}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.datetimes(timezones=ZONES).map(datetime.isoformat)
    | st.sampled_from([2**63, -(2**63), "6100", "9" * 19, "Month", "month", "x" * 201, "x" * 501])
    | st.sampled_from(["a\0b", 1e400, -0.0, 1e300, 10**40]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6) | st.just(MANY_PAIRS)
    ),
    max_leaves=9,
)
"""What JSON can say, near to what the fields should say."""


def _kind_of(body: bytes) -> Kind | None:
    try:
        return TYPES.get(read_envelope(body).type)
    except UnreadableError:
        return None


def _values(kind: Kind, told: tuple[datetime, Payload]) -> str:
    """Write all that is read of a payload, with the type of every value."""
    occurred_at, payload = told
    machine = kind.machine
    found = {name: (read, getattr(payload, name)) for name, read in kind.readers.items()}
    read = {
        name: value if stands_as_read(reader) else reader(value)
        for name, (reader, value) in found.items()
    }
    links = {name: link(payload) for name, link in kind.links.items()}
    begins = [machine.is_unannounced(word, payload) for word in machine.words]
    state = [text(getattr(payload, name, None)) for name in (kind.status_field, kind.stage_field)]
    own = {field: reader(getattr(payload, field)) for field, reader in READ_AGAIN.items()}
    return repr(
        (occurred_at, kind.id_of(payload), state, read, links, products(payload), begins, own)
    )


def _customer(customer: Customer | None) -> object:
    if customer is None:
        return None
    told = customer.metadata
    texts = [text(value) for value in (customer.email, customer.name, customer.phone_number)]
    return *texts, None if told is None else metadata(told)


READ_AGAIN = {"customer": _customer, "metadata": metadata}


def _assert_read_alike(body: bytes) -> None:
    if kind := _kind_of(body):
        at_once, by_field = kind.payloads.read(body), kind.payloads.read_leniently(body)
        assert _values(kind, at_once) == _values(kind, by_field)


@pytest.mark.parametrize("name", ABOUT)
def test_a_sample_reads_alike_both_ways(name: str) -> None:
    _assert_read_alike(ABOUT[name])


@pytest.mark.parametrize("type_", FLOODED)
def test_a_body_full_of_odd_values_reads_alike_both_ways(type_: str) -> None:
    for body in flooded(type_):
        _assert_read_alike(body)


@pytest.mark.parametrize("odd", ["a\0", "a\x7f", "a\u200b"])
@pytest.mark.parametrize("type_", ["payment.succeeded", "subscription.active"])
def test_what_is_not_printable_reads_alike_both_ways(type_: str, odd: str) -> None:
    values: list[Json] = [odd, [odd], [{"product_id": odd}], {"customer_id": odd}, {"name": odd}]
    for field in TYPES[type_].payloads.fields:
        for value in values:
            body = sample(type_)
            body["data"][field] = value
            _assert_read_alike(json.dumps(body, ensure_ascii=False).encode())


@given(mutated())
def test_a_mutated_body_reads_alike_both_ways(body: bytes) -> None:
    _assert_read_alike(body)


@given(st.sampled_from(ORDINARY), st.data())
def test_whatever_stands_in_a_field_that_is_read_reads_alike_both_ways(
    name: str, data: st.DataObject
) -> None:
    body = sample(name)
    fields = TYPES[name].payloads.fields
    body["data"] |= data.draw(st.dictionaries(st.sampled_from(fields), VALUES, min_size=1))
    _assert_read_alike(json.dumps(body, ensure_ascii=data.draw(st.booleans())).encode())


@given(lives())
def test_a_life_with_odd_values_reads_alike_both_ways(arrivals: list[Delivery]) -> None:
    for delivery in arrivals:
        _assert_read_alike(delivery.body)


@pytest.mark.parametrize("name", ORDINARY)
def test_a_body_as_dodo_documents_it_is_decoded_only_once(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(PayloadReader, "read_leniently")
    occurred_at, observation = TYPES[name].observe(told(ABOUT[name]))
    assert occurred_at == read_envelope(ABOUT[name]).timestamp
    assert TYPES[name].id_of(observation.payload)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("value", LARGE.values(), ids=LARGE)
def test_of_a_large_body_little_is_kept(kind: Kind, value: Json) -> None:
    body = sample(next(iter(kind.machine.types), "payment.succeeded"))
    large, data = json.dumps(value), body["data"]
    for field in kind.payloads.fields:
        body["data"] = {**data, "metadata": "a mark", field: "the mark"}
        raw = json.dumps(body).replace('"the mark"', large).replace('"a mark"', MORE).encode()
        at_once = kind.payloads.read(raw)
        # What is left as it stands is a part of the body, and no copy.
        assert len(msgspec.json.encode(_copied(at_once[1]))) < BYTES_MAX
        assert _values(kind, at_once) == _values(kind, kind.payloads.read_leniently(raw))


def _copied(payload: Payload) -> list[object]:
    values = msgspec.structs.astuple(payload)
    return [value for value in values if not isinstance(value, msgspec.Raw)]


def test_what_nobody_reads_is_not_kept_and_no_obstacle() -> None:
    body = sample("subscription.active")
    small = json.dumps(body).encode()
    body["data"]["credit_entitlement_cart"] = {"more": ["x" * 1_000] * 100, "quantity": "many"}
    large = json.dumps(body).encode()
    assert SUBSCRIPTION.payloads.read(large) == SUBSCRIPTION.payloads.read(small)
