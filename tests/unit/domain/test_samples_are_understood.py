"""Every sample body is understood, and whatever is done to one, it is kept and stays listed."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aggregates.catalogue import KINDS
from domain.aggregates.notice import Notice
from domain.identities import identities
from tests.support.histories import aggregates, delivery, of_one
from tests.support.samples import Json, rehearsals, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import DrawFn

    from domain.entity import Entity

BODIES = samples() | rehearsals()
ID_FIELDS = {
    "payment": "payment_id",
    "refund": "refund_id",
    "subscription": "subscription_id",
    "dispute": "dispute_id",
    "license_key": "id",
    "entitlement_grant": "id",
    "credit": "id",
    "dunning": "subscription_id",
    "abandoned_checkout": "payment_id",
    "payout": "payout_id",
}
# What no aggregate takes: types that no schema lists.
NOTICED = ("loyalty_", "subscription.transferred")

# Where the folded status is not the type's own word. What changes a field sets no state.
FOLDED = dict.fromkeys(["created", "renewed", "unpaused"], "active") | dict.fromkeys(
    ["updated", "plan_changed", "update_payment_method", "balance_low"], None
)
FOLDED_OF_TYPE = {
    "entitlement_grant.created": "pending",
    "dunning.started": "recovering",
    "abandoned_checkout.detected": "abandoned",
    "payout.created": "not_initiated",
    "payout.not_initiated": "not_initiated",
}
# What is odd: status, folded status, observed status. An ordinary sample observes what it says.
ODD_STATUSES: dict[str, tuple[str | None, str | None, str | None]] = {
    "payment.failed--status-already-succeeded": ("succeeded", "failed", "succeeded"),
    "payment.processing--status-unknown": ("processing", "processing", "awaiting_carrier_pigeon"),
    "payment.succeeded--status-null": ("succeeded", "succeeded", None),
    "refund.failed--status-pending": ("failed", "failed", "pending"),
    "refund.failed--status-unknown": ("failed", "failed", "returned_by_bank"),
    "refund.succeeded--status-review": ("succeeded", "succeeded", "review"),
    "dispute.challenged--status-already-won": ("won", "challenged", "won"),
    "dispute.challenged--status-unknown": ("challenged", "challenged", "dispute_mediated"),
    "license_key.created--keys-absent": ("active", "active", None),
    "license_key.created--status-already-disabled": ("disabled", "active", "disabled"),
    "credit.balance_low": (None, None, None),
    "credit.balance_low--rehearsed": (None, None, None),
    "license_key.created--status-unknown": ("active", "active", "frozen"),
    "subscription.active--status-already-cancelled": ("cancelled", "active", "cancelled"),
    "subscription.updated--status-absent": (None, None, None),
    "subscription.updated--status-pending": ("pending", None, "pending"),
    "subscription.updated--status-unknown": (None, None, "hibernating"),
    "payment.cancelled--rehearsed": ("cancelled", "cancelled", "succeeded"),
    "payment.failed--rehearsed": ("succeeded", "failed", "succeeded"),
    "payment.processing--rehearsed": ("succeeded", "processing", "succeeded"),
    "refund.failed--rehearsed": ("succeeded", "failed", "succeeded"),
}
NAMES = {name for kind in KINDS.values() for name in (*kind.names, *kind.stream_fields)}
FIELDS: tuple[tuple[str, str, object], ...] = (
    ("payment.succeeded", "subscription_id", "sub_CKsjulU4C20HVVCoIsSjkz"),
    ("payment.succeeded--customer-null", "customer_id", None),
    ("payment.succeeded--dinar-with-three-decimals", "total_amount", 5250),
    ("payment.succeeded--inr-charge-on-usd-subscription", "settlement_currency", "USD"),
    ("payment.succeeded--invoice-id-with-slashes", "invoice_id", "INV/2026/01/000054"),
    ("payment.succeeded--placeholders", "payment_id", "<string>"),
    ("payment.succeeded--product-cart-null", "product_ids", ()),
    ("payment.succeeded--several-subscriptions", "subscription_id", "sub_AQZoYfuDOIWkwgatHFynuF"),
    ("payment.succeeded--yen-without-decimals", "currency", "JPY"),
    ("payment.succeeded--zero-amount", "total_amount", 0),
    ("refund.succeeded--keys-absent", "amount", None),
    ("refund.succeeded--partial", "is_partial", True),
    ("dispute.opened--amount-integer", "amount", 6100),
    ("dispute.opened--amount-string", "amount", 6100),
    ("dispute.opened--stage-unknown", "stage", None),
    ("dispute.opened--stage-unknown", "dispute_stage", "arbitration_on_the_moon"),
    ("dispute.opened--without-customer-and-reason", "reason", None),
    ("license_key.created", "customer_id", "cus_om9RRIGlGpM0vvtSyARiSY"),
    ("license_key.created--of-a-subscription", "subscription_id", "sub_CKsjulU4C20HVVCoIsSjkz"),
    ("subscription.active--month-in-lower-case", "payment_frequency_interval", "Month"),
    ("subscription.active--trial", "trial_period_days", 14),
    ("subscription.updated--cancels-at-period-end", "cancel_at_next_billing_date", True),
)


def _tree(name: str) -> dict[str, Json]:
    return cast("dict[str, Json]", json.loads(BODIES[name]))


def _data(tree: dict[str, Json]) -> dict[str, Json]:
    return cast("dict[str, Json]", tree["data"])


def _is_noticed(name: str) -> bool:
    return cast("str", _tree(name)["type"]).startswith(NOTICED)


TAKEN = [name for name in BODIES if not _is_noticed(name)]


def _entity(name: str) -> Entity:
    (known,) = of_one(delivery(BODIES[name])).entities()
    return known.entity


@pytest.mark.parametrize("name", TAKEN)
def test_a_sample_becomes_one_fact_of_one_thing(name: str) -> None:
    stream, tree = of_one(delivery(BODIES[name])), _tree(name)
    kind = cast("str", tree["type"]).partition(".")[0]
    (entry,), (known,) = stream.timeline(), stream.entities()
    assert (entry.kind, entry.type, known.kind.name) == (kind, tree["type"], kind)
    if kind not in {"credit", "dunning"}:
        assert entry.id == _data(tree)[ID_FIELDS[kind]]
    assert entry.id == getattr(known.entity, known.kind.id_field)
    assert entry.verdict in {"applied", "unchanged"}
    assert known.entity.business_id == tree["business_id"]
    assert known.entity.occurred_at == datetime.fromisoformat(cast("str", tree["timestamp"]))


@pytest.mark.parametrize("name", TAKEN)
def test_a_sample_says_the_status_that_is_written_here(name: str) -> None:
    type_ = cast("str", _tree(name)["type"])
    kind, _, word = type_.partition(".")
    folded = FOLDED_OF_TYPE.get(type_, FOLDED.get(word, word))
    usual = (folded or "active", folded, folded or "active")
    if kind == "credit":  # whose data says no status
        usual = ("open", "open", None)
    expected = ODD_STATUSES.get(name, usual)
    entity = _entity(name)
    assert (entity.status, entity.folded_status, entity.observed_status) == expected
    unheralded = KINDS[kind].machine.unheralded
    assert (entity.drift is None) == (expected[2] in {None, expected[1], *unheralded})


@pytest.mark.parametrize(("name", "field", "value"), FIELDS)
def test_a_field_of_a_sample_is_read_as_written_here(name: str, field: str, value: object) -> None:
    assert getattr(_entity(name), field) == value


@pytest.mark.parametrize("name", [name for name in BODIES if _is_noticed(name)])
def test_a_sample_of_an_unknown_type_is_a_notice(name: str) -> None:
    stream = of_one(delivery(BODIES[name]))
    assert isinstance(stream, Notice)
    (entry,) = stream.timeline()
    assert (entry.type, entry.verdict, entry.reason) == (_tree(name)["type"], None, None)


# Pieces of JSON to put in the place of any value, at their worst.
SMALL = {
    "null": b"null",
    "true": b"true",
    "the last of 64 bits": b"9223372036854775807",
    "beyond 64 bits": b"9223372036854775808",
    "below 64 bits": b"-9223372036854775809",
    "30 digits": b"9" * 30,
    "5,000 digits": b"9" * 5_000,
    "1e999": b"1e999",
    "-1e999": b"-1e999",
    "empty text": b'""',
    "a status of none": b'"hibernating"',
    "a prefix alone": b'"dispute_"',
    "digits": b'"123456789012345678"',
    "an overflowing instant": b'"9999-12-31T23:59:59-01:00"',
    "U+0000": b'"a\\u0000b"',
    "a lone surrogate": b'"\\ud800"',
    "surrogates the wrong way round": b'"\\udda4\\ud83e"',
    "an emoji": '"\U0001f9a4"'.encode(),
    "an escaped emoji": b'"\\ud83e\\udda4"',
    "right to left": '"\u202eabc\u05d0"'.encode(),
    "what is no UTF-8": b'"\xff\xfe"',
    "an empty list": b"[]",
    "an empty object": b"{}",
    "a list": b'[null,1,"x",[],{"product_id":[1]}]',
    "an object": b'{"customer_id":{"x":1},"":""}',
}
LARGE = {
    "1 MB of text": b'"' + b"x" * 1_000_000 + b'"',
    "1 MB of escapes": b'"' + b"\\u0000" * 166_666 + b'"',
    "1 MB of ids": b"[" + b'"x",' * 250_000 + b"1]",
    "lists 900 deep": b"[" * 900 + b"]" * 900,
    "objects 900 deep": b'{"a":' * 900 + b"1" + b"}" * 900,
    "lists 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "objects 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}
ODD = SMALL | LARGE
VALUES: st.SearchStrategy[Json] = st.one_of(
    st.sampled_from([f"<{odd}>" for odd in SMALL]),
    st.text(max_size=20),
    st.integers(),
    st.lists(st.none() | st.booleans() | st.floats(allow_nan=False), max_size=3),
)
MARKED = re.compile(b'"<(%s)>"' % "|".join(map(re.escape, ODD)).encode())


def _mark(odd: str) -> str:
    return f"<{odd}>"


def _written(tree: Json) -> bytes:
    """Write a body with odd pieces of JSON in the places of their marks."""
    return MARKED.sub(lambda mark: ODD[mark[1].decode()], msgspec.json.encode(tree))


def _spoilt(node: dict[str, Json], mark: str) -> dict[str, Json]:
    """Put the mark in the place of everything that has no parts."""
    return {
        key: _spoilt(part, mark) if isinstance(part, dict) and part else mark
        for key, part in node.items()
    }


def _assert_kept_and_listed(*bodies: bytes) -> None:
    delivered = [delivery(body, f"msg_{n}") for n, body in enumerate(bodies)]
    streams = aggregates(delivered).values()
    kept = [event.delivery for stream in streams for event in stream.events]
    listed = [entry for stream in streams for entry in stream.timeline()]
    entities = [known.entity for stream in streams for known in stream.entities()]
    assert sorted(kept, key=attrgetter("webhook_id")) == delivered
    assert sorted(entry.webhook_id for entry in listed) == [d.webhook_id for d in delivered]
    people = [identity for stream in streams for identity in identities(stream)]
    for thing in (*listed, *entities, *people):
        _assert_storable(thing)


def _assert_storable(value: object) -> None:
    """PostgreSQL takes it: no U+0000, no lone surrogate, 64 bits, and an end to everything."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.astuple(value)
    if isinstance(value, tuple):
        assert len(value) <= 100
        for part in value:
            _assert_storable(part)
    elif isinstance(value, dict):
        assert len(value) <= 50
        for part in (*value, *value.values()):
            _assert_storable(part)
    elif isinstance(value, str):
        assert len(value) <= 500
        assert b"\0" not in value.encode()
    elif isinstance(value, int):
        assert -(2**63) <= value < 2**63
    else:
        assert value is None or isinstance(value, datetime | Decimal)


@pytest.mark.parametrize("odd", SMALL)
def test_every_value_but_the_ids_of_every_sample_may_be_odd(odd: str) -> None:
    for name, body in BODIES.items():
        tree = _tree(name)
        data, mark = _data(tree), _mark(odd)
        ids = {key: value for key, value in data.items() if key in NAMES}
        within, wholly = _spoilt(data, mark), dict.fromkeys(data, mark)
        _assert_kept_and_listed(_written({**tree, "data": within | ids}), body)
        _assert_kept_and_listed(_written({**tree, "data": {**wholly, **ids}}), body)


@pytest.mark.parametrize("odd", LARGE)
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("payment.succeeded", "product_cart"),
        ("refund.failed", "reason"),
        ("subscription.updated", "status"),
        ("dispute.opened", "dispute_stage"),
        ("license_key.created", "expires_at"),
        ("payout.created", "metadata"),
    ],
)
def test_a_value_may_be_enormous(name: str, key: str, odd: str) -> None:
    tree = _tree(name)
    _data(tree)[key] = _mark(odd)
    _assert_kept_and_listed(_written(tree), BODIES[name])


def _places(node: Json) -> Iterator[tuple[Callable[[], object], Callable[[Json], object]]]:
    """Every place in a tree where a value stands: how to remove it, and how to replace it."""
    if isinstance(node, dict):
        for key, part in node.items():
            yield partial(node.pop, key), partial(node.__setitem__, key)
            yield from _places(part)
    elif isinstance(node, list):
        for index, part in enumerate(node):
            yield partial(node.pop, index), partial(node.__setitem__, index)
            yield from _places(part)


@st.composite
def _mutants(draw: DrawFn) -> tuple[bytes, bytes]:
    """A sample with a few values removed, odd or random, and the sample itself."""
    name = draw(st.sampled_from(sorted(BODIES)))
    tree = _tree(name)
    for _ in range(draw(st.integers(1, 5))):
        remove, replace = draw(st.sampled_from(list(_places(tree))))
        remove() if draw(st.booleans()) else replace(draw(VALUES))
        # Nothing may be left: the whole of a body is in what removes its last value.
        if not tree:
            break
    return _written(tree), BODIES[name]


@settings(max_examples=400)
@given(_mutants())
def test_whatever_is_done_to_a_sample_it_is_kept_and_listed(bodies: tuple[bytes, bytes]) -> None:
    _assert_kept_and_listed(*bodies)
