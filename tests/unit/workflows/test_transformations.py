"""The built-in transformations: what a job's arguments are, to the byte, and that none fails."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import exponent
from tests.support.histories import NOON, said
from tests.support.samples import PROJECT, rehearsals, sample, samples
from tests.support.triggers import trigger
from workflows.job_arguments import TransformationError, Transformer
from workflows.routes.parser import read_text
from workflows.transforms.built_in import TRANSFORMATIONS
from workflows.transforms.sandbox_protocol import ARGUMENTS_BYTES_MAX

if TYPE_CHECKING:
    from workflows.trigger import Trigger

BODIES = samples() | rehearsals()
WITH_NO_DECIMALS = "BIF CLP DJF GNF JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split()
WITH_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND".split()
DOCUMENTED = ["basic", "subscription", "dispute"]


def arguments(transformation: str, given: Trigger) -> bytes:
    """Return a job's arguments as they are sent."""

    async def made() -> bytes:
        text = f'[[route]]\nname="x"\non=["*"]\nscript="f/a/b"\ntransformation="{transformation}"'
        (route,) = read_text(PROJECT / "windmill.toml", text.encode())
        return await Transformer().arguments(route, given)

    return asyncio.run(made())


def transformed(transformation: str, given: Trigger) -> dict[str, Any]:
    """Return a job's arguments as a script gets them."""
    read: dict[str, Any] = json.loads(arguments(transformation, given))
    return read


def payment(**data: object) -> Trigger:
    """Make a succeeded payment of 52.50 USD, but for what is said otherwise."""
    known: dict[str, Any] = {"payment_id": "pay_1", "total_amount": 5250, "currency": "USD"}
    return trigger(said("payment.succeeded", **known | {"business_id": "bus_1"} | data))


def test_a_payment_is_summarised_as_documented() -> None:
    body = {**sample("payment.succeeded")}
    expected = (
        '{"event_type":"payment.succeeded","payment_id":"pay_LqvYe1S8NXrQPm2ZJXzSWQ",'
        '"amount":"22.61","currency":"USD","customer_email":"customer-17@shop.example",'
        '"customer_name":"Customer 17","payment_method":"card",'
        '"timestamp":"2026-01-14T09:26:53.589793Z",'
        '"metadata":{"business_id":"bus_nVKDvwk64QyNvXXlkpDR55"}}'
    )
    assert arguments("basic", trigger(body)).decode() == expected


def test_a_new_subscription_is_summarised_as_documented() -> None:
    expected = (
        '{"event_type":"subscription_started","subscription_id":"sub_CKsjulU4C20HVVCoIsSjkz",'
        '"customer_email":"customer-17@shop.example","customer_name":"Customer 17",'
        '"product_id":"pdt_jUlTqggYk9QjIkIKIc5CG0","amount":"19.00","frequency":"Month",'
        '"next_billing":"2026-02-14T09:26:11.204417Z","customer_id":"cus_Pc0LRWgjgpYpcz9t6e0pLV",'
        '"timestamp":"2026-01-14T09:26:53.589793Z"}'
    )
    given = trigger({**sample("subscription.active")})
    assert arguments("subscription", given).decode() == expected


def test_a_cancelled_subscription_is_summarised_as_documented() -> None:
    body = sample("subscription.cancelled")
    data, customer = body["data"], body["data"]["customer"]
    assert isinstance(customer, dict)
    assert list(transformed("subscription", trigger({**body})).items()) == [
        ("event_type", "subscription_cancelled"),
        ("subscription_id", data["subscription_id"]),
        ("customer_email", customer["email"]),
        ("cancelled_at", data["cancelled_at"]),
        ("cancel_at_next_billing", data["cancel_at_next_billing_date"]),
        ("customer_id", customer["customer_id"]),
        ("timestamp", body["timestamp"]),
    ]


def test_a_dispute_is_summarised_as_documented() -> None:
    expected = (
        '{"event_type":"dispute.opened","dispute_id":"dp_0bgmx61Y5EikFW05AiK5mY",'
        '"payment_id":"pay_SLldWl64fwaMUHWxoYtgN6","amount":"49.00","status":"dispute_opened",'
        '"stage":"dispute","remarks":"","urgent":true,'
        '"business_id":"bus_nVKDvwk64QyNvXXlkpDR55","timestamp":"2026-02-02T10:20:30.405060Z"}'
    )
    assert arguments("dispute", trigger({**sample("dispute.opened")})).decode() == expected


@pytest.mark.parametrize("word", "challenged won lost accepted expired cancelled".split())
def test_only_a_dispute_that_opens_is_urgent(word: str) -> None:
    summary = transformed("dispute", trigger({**sample(f"dispute.{word}")}))
    assert (summary["event_type"], summary["urgent"]) == (f"dispute.{word}", False)


def parts_of(content: bytes) -> list[tuple[str, bytes]]:
    """Return the parts of an object as they stand there, in order."""
    parts = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    return [(name, bytes(part)) for name, part in parts.items()]


@pytest.mark.parametrize(
    ("transformation", "type_"),
    [
        ("basic", "payment.failed"),
        ("basic", "dispute.opened"),
        ("subscription", "subscription.renewed"),
        ("subscription", "payment.succeeded"),
        ("dispute", "payment.succeeded"),
        ("dispute", "payout.success"),
    ],
)
def test_every_other_event_passes_unchanged(transformation: str, type_: str) -> None:
    body = BODIES[type_]
    made = arguments(transformation, trigger(body))
    assert parts_of(made) == parts_of(body)


def test_what_says_nothing_has_its_default() -> None:
    summary = transformed("basic", payment(currency=None, payment_method=None, customer={}))
    assert (summary["currency"], summary["payment_method"]) == ("USD", "unknown")
    assert summary["amount"] == "52.50"


def test_a_key_that_is_absent_stays_absent_and_null_stays_null() -> None:
    without, null = payment(customer={}), payment(customer={"email": None, "name": None})
    assert "customer_email" not in transformed("basic", without)
    assert transformed("basic", null)["customer_email"] is None


@pytest.mark.parametrize("customer", [{}, {"customer": None}])
def test_a_missing_customer_is_null(customer: dict[str, None]) -> None:
    summary = transformed("basic", payment(**customer))
    assert summary["customer_email"] is summary["customer_name"] is None
    body = sample("subscription.active")
    del body["data"]["customer"]
    started = transformed("subscription", trigger({**body}))
    assert started["customer_email"] is started["customer_id"] is None


@pytest.mark.parametrize(
    ("currency", "text"), [("USD", "0.00"), (None, "0.00"), ("JPY", "0"), ("KWD", "0.000")]
)
def test_an_amount_that_says_null_is_zero(currency: str | None, text: str) -> None:
    given = payment(total_amount=None, currency=currency)
    assert transformed("basic", given)["amount"] == text


@pytest.mark.parametrize("amount", ["", "5.00", 2.5, True, [], {}, 2**63])
def test_an_amount_that_is_none_is_null(amount: object) -> None:
    assert transformed("basic", payment(total_amount=amount))["amount"] is None


def test_a_missing_amount_is_null() -> None:
    given = trigger(said("dispute.opened", dispute_id="dp_1"))
    assert transformed("dispute", given)["amount"] is None


@pytest.mark.parametrize(
    ("currency", "text"),
    [
        *((currency, "5250") for currency in WITH_NO_DECIMALS),
        *((currency, "5.250") for currency in WITH_THREE_DECIMALS),
        *((currency, "52.50") for currency in ["USD", "EUR", "INR", "XYZ", ""]),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(currency: str, text: str) -> None:
    assert transformed("basic", payment(currency=currency))["amount"] == text
    given = trigger(said("dispute.won", dispute_id="dp_1", currency=currency, amount="5250"))
    assert transformed("dispute", given)["amount"] == text


@given(
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.sampled_from([*WITH_NO_DECIMALS, *WITH_THREE_DECIMALS, "USD", "INR"]),
    st.booleans(),
)
def test_an_amount_can_be_read_back(amount_minor: int, currency: str, as_text: bool) -> None:
    written = str(amount_minor) if as_text and abs(amount_minor) < 10**18 else amount_minor
    opened = said("dispute.opened", dispute_id="dp_1", amount=written, currency=currency)
    summary = TRANSFORMATIONS["dispute"](trigger(opened))
    assert isinstance(summary, dict)
    assert Decimal(str(summary["amount"])).scaleb(exponent(currency)) == amount_minor


@pytest.mark.parametrize(
    ("cart", "expected"),
    [
        ([{"product_id": "pdt_1"}], "pdt_1"),
        ([{"product_id": "pdt_1"}, {"product_id": "pdt_2"}], "pdt_1, pdt_2"),
        ([{"product_id": "pdt_1"}, {}, {"product_id": "pdt_1"}], "pdt_1, , pdt_1"),
        ([{"product_id": "pdt_1"}, None, "pdt_2", {"product_id": 7}], "pdt_1, "),
        ([], ""),
    ],
)
def test_a_payment_is_for_all_products_in_its_cart(cart: object, expected: str) -> None:
    metadata = {"business_id": "bus_1", "product_id": expected}
    assert transformed("basic", payment(product_cart=cart))["metadata"] == metadata


@pytest.mark.parametrize("without", [{}, {"product_cart": None}, {"product_cart": {"0": {}}}])
def test_a_payment_without_a_cart_names_no_product(without: dict[str, object]) -> None:
    given = payment(subscription_id="sub_1", **without)
    assert transformed("basic", given)["metadata"] == {"business_id": "bus_1"}


def test_the_envelope_is_the_body_as_it_came() -> None:
    body = b'{"z":1,"type":"payment.failed","timestamp":"2026-05-01T12:00:00Z","\xc3\xa9":[1.5],'
    body += b'"data":{"payment_id":"pay_1","total_amount":null},"business_id":"bus_1"}'
    assert arguments("envelope", trigger(body)) == body


def test_the_state_is_the_fact_and_what_is_known_after_it() -> None:
    active = said("subscription.active", 1, subscription_id="sub_1", status="active", quantity=2)
    held = said("subscription.on_hold", 2, "msg_2", subscription_id="sub_1", status="on_hold")
    known = transformed("state", trigger(held, active))
    assert known["event"] == {
        "webhook_id": "msg_2",
        "type": "subscription.on_hold",
        "occurred_at": "2026-05-01T12:02:00Z",
        "recorded_at": NOON.isoformat().replace("+00:00", "Z"),
        "position": "2",
    }
    assert (known["kind"], known["id"]) == ("subscription", "sub_1")
    assert (known["verdict"], known["reason"], known["gap"]) == ("applied", None, False)
    assert known["state"]["status"] == known["state"]["folded_status"] == "on_hold"
    assert known["data"] == {"subscription_id": "sub_1", "status": "on_hold"}
    assert list(known) == "event verdict reason gap kind id state data access".split()


def test_the_state_tells_why_a_fact_was_refused() -> None:
    expired = said("subscription.expired", 1, subscription_id="sub_1")
    known = transformed("state", trigger(said("subscription.paused", 2, subscription_id="sub_1")))
    assert (known["verdict"], known["gap"]) == ("applied", True)
    late = trigger(said("subscription.paused", 2, subscription_id="sub_1"), expired)
    known = transformed("state", late)
    assert known["verdict"] == "refused"
    assert known["reason"] == "subscription.paused is not a valid transition from expired"
    assert known["state"]["status"] == "expired"


def test_the_state_of_what_no_machine_is_asked_of_is_null() -> None:
    known = transformed("state", trigger({**sample("payout.success"), "type": "payout.reversed"}))
    assert (known["verdict"], known["state"], known["kind"]) == (None, None, "notice")


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_a_replay_adds_its_number_to_every_transformation(transformation: str) -> None:
    given = trigger({**sample("dispute.opened")})
    first, again = (transformed(transformation, given._replace(replay=n)) for n in (0, 2))
    assert "raphus_replay" not in first
    assert again == {**first, "raphus_replay": 2}
    assert list(again)[-1] == "raphus_replay"


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_no_sample_is_too_odd_to_be_transformed(transformation: str) -> None:
    for body in BODIES.values():
        assert isinstance(transformed(transformation, trigger(body)), dict)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)
KEYS = st.sampled_from(
    "customer currency amount total_amount recurring_pre_tax_amount product_cart payment_method"
    " remarks next_billing_date business_id".split()
)
TYPES = st.sampled_from(
    "payment.succeeded subscription.active subscription.cancelled dispute.opened x".split()
)
CARTS = st.fixed_dictionaries(
    {"product_cart": st.lists(JSON | st.fixed_dictionaries({"product_id": JSON}))}
)


@given(TYPES, JSON | CARTS | st.dictionaries(KEYS, JSON), st.booleans())
def test_no_data_is_too_odd_to_be_transformed(type_: str, data: object, is_alone: bool) -> None:
    given = payment()._replace(type=type_)
    payload = {"data": data} if is_alone else {**given.payload, "data": data}
    for transform in TRANSFORMATIONS.values():
        assert msgspec.json.encode(transform(given._replace(payload=payload))).startswith(b"{")


@pytest.mark.parametrize("transformation", [*DOCUMENTED, "envelope"])
def test_arguments_have_a_limit(transformation: str) -> None:
    at_limit = trigger(said("payout.success", x=""))
    spare = ARGUMENTS_BYTES_MAX - len(arguments(transformation, at_limit))
    at_limit = trigger(said("payout.success", x="y" * spare))
    assert len(arguments(transformation, at_limit)) == ARGUMENTS_BYTES_MAX
    with pytest.raises(TransformationError, match="the arguments are 1048577 bytes of JSON; at"):
        arguments(transformation, trigger(said("payout.success", x="y" * (spare + 1))))


def test_what_cannot_be_written_is_an_error_that_quotes_nothing() -> None:
    odd = payment()._replace(payload={"data": {"name": "secret\ud800"}})
    with pytest.raises(TransformationError) as caught:
        arguments("state", odd)
    assert str(caught.value) == "it cannot be written as JSON: UnicodeEncodeError"
