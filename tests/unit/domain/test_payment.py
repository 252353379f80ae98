"""A payment's life, with the refunds that are made of it."""

from __future__ import annotations

from itertools import permutations

import pytest

from domain.aggregates.payment import PaymentEntity
from domain.aggregates.refund import RefundEntity
from domain.delivery import Delivery
from tests.support.histories import of_one, said
from tests.support.samples import Json

INT64_MAX = 2**63 - 1


def _charged(word: str, minute: int = 0, status: str | None = None, **data: object) -> Delivery:
    known: dict[str, object] = {"payment_id": "pay_1", "total_amount": 1000, "currency": "USD"}
    stated = {"status": status} if status else {}
    return said(f"payment.{word}", minute, None, **known | stated | data)


def _refunded(
    refund_id: str, amount: Json, word: str = "succeeded", minute: int = 5, **data: object
) -> Delivery:
    known = {"refund_id": refund_id, "payment_id": "pay_1", "amount": amount, "currency": "USD"}
    webhook_id = f"msg_{refund_id}_{word}_{minute}"
    return said(f"refund.{word}", minute, webhook_id, **known | data)


def _payment(*deliveries: Delivery) -> PaymentEntity:
    entities = [known.entity for known in of_one(*deliveries).entities()]
    (payment,) = [entity for entity in entities if isinstance(entity, PaymentEntity)]
    return payment


def _refund(*deliveries: Delivery) -> RefundEntity:
    entities = [known.entity for known in of_one(*deliveries).entities()]
    (refund,) = [entity for entity in entities if isinstance(entity, RefundEntity)]
    return refund


@pytest.mark.parametrize(
    ("words", "verdicts", "status"),
    [
        ("processing succeeded", "applied applied", "succeeded"),
        ("processing failed processing succeeded", "applied " * 4, "succeeded"),
        ("processing cancelled", "applied applied", "cancelled"),
        ("failed failed succeeded", "applied unchanged applied", "succeeded"),
        ("failed cancelled", "applied applied", "cancelled"),
        ("cancelled succeeded", "applied applied", "succeeded"),
        ("cancelled processing failed", "applied refused refused", "cancelled"),
        ("succeeded processing failed cancelled", "applied " + "refused " * 3, "succeeded"),
        ("succeeded succeeded", "applied unchanged", "succeeded"),
    ],
)
def test_a_charge_is_judged_fact_by_fact_in_every_order_of_arrival(
    words: str, verdicts: str, status: str
) -> None:
    life = [_charged(word, minute) for minute, word in enumerate(words.split())]
    for order in permutations(life):
        assert [entry.verdict for entry in of_one(*order).timeline()] == verdicts.split()
        entity = _payment(*order)
        assert (entity.status, entity.history) == (status, "complete")
        assert entity.refused == verdicts.split().count("refused")


def test_at_one_instant_the_success_comes_last() -> None:
    words = ["processing", "failed", "cancelled", "succeeded"]
    for order in permutations(_charged(word) for word in words):
        stream = of_one(*order)
        assert [entry.to for entry in stream.timeline()] == words
        assert stream.timeline()[-1].verdict == "applied"


def test_a_failure_is_judged_again_and_refused_once_the_success_before_it_arrives() -> None:
    failed = _charged("failed", 5)
    assert (_payment(failed).status, _payment(failed).refused) == ("failed", 0)
    entity = _payment(failed, _charged("succeeded", 1))
    assert (entity.status, entity.refused, entity.folded_status) == ("succeeded", 1, "succeeded")


@pytest.mark.parametrize(
    "observed",
    [
        "requires_customer_action",
        "requires_merchant_action",
        "requires_payment_method",
        "requires_confirmation",
        "requires_capture",
        "partially_captured",
        "partially_captured_and_capturable",
    ],
)
def test_a_charge_that_waits_for_somebody_counts_as_processing(observed: str) -> None:
    waiting = _payment(_charged("processing", 0, observed))
    assert (waiting.status, waiting.observed_status, waiting.drift) == (
        "processing",
        "processing",
        None,
    )
    again = _payment(_charged("failed", 0, observed))
    assert (again.status, again.folded_status) == ("processing", "failed")
    paid = _payment(_charged("succeeded", 0, observed))
    assert (paid.status, paid.observed_status) == ("succeeded", "processing")
    assert paid.drift is not None


@pytest.mark.parametrize(
    ("folded", "observed", "status"),
    [
        ("processing", "succeeded", "succeeded"),
        ("processing", "cancelled", "cancelled"),
        ("failed", "processing", "processing"),
        ("failed", "succeeded", "succeeded"),
        ("cancelled", "succeeded", "cancelled"),
        ("cancelled", "failed", "cancelled"),
        ("succeeded", "failed", "succeeded"),
        ("succeeded", "cancelled", "succeeded"),
        ("processing", "awaiting_carrier_pigeon", "processing"),
        ("processing", "pending", "processing"),
    ],
)
def test_the_status_follows_an_observation_ahead_but_never_out_of_an_end(
    folded: str, observed: str, status: str
) -> None:
    entity = _payment(_charged(folded, 0, observed))
    assert (entity.status, entity.folded_status) == (status, folded)
    assert entity.observed_status == observed
    assert entity.drift is not None
    assert (entity.drift.folded, entity.drift.observed) == (folded, observed)


def test_a_status_of_null_is_no_observation() -> None:
    entity = _payment(said("payment.succeeded", 0, None, payment_id="pay_1", status=None))
    assert (entity.status, entity.observed_status, entity.drift) == ("succeeded", None, None)


def test_the_observation_of_a_refused_fact_counts() -> None:
    entity = _payment(_charged("succeeded", 0, "succeeded"), _charged("failed", 1, "failed"))
    assert (entity.status, entity.observed_status, entity.refused) == ("succeeded", "failed", 1)
    assert entity.drift is not None


def test_several_partial_refunds_add_up_and_the_payment_stays_succeeded() -> None:
    history = [_charged("succeeded"), _refunded("ref_1", 300), _refunded("ref_2", 250, minute=6)]
    for order in permutations(history):
        entity = _payment(*order)
        assert (entity.status, entity.refunded_amount, entity.anomaly) == ("succeeded", 550, None)
    (first, second) = [
        known.entity for known in of_one(*history).entities() if known.kind.name == "refund"
    ]
    assert isinstance(first, RefundEntity)
    assert isinstance(second, RefundEntity)
    assert [(r.refund_id, r.amount, r.status) for r in (first, second)] == [
        ("ref_1", 300, "succeeded"),
        ("ref_2", 250, "succeeded"),
    ]


def test_a_refund_may_come_before_its_payment() -> None:
    alone = _refunded("ref_1", 300)
    entity = _refund(alone)
    assert (entity.payment_id, entity.status, entity.history) == ("pay_1", "succeeded", "complete")
    assert len(of_one(alone).entities()) == 1
    assert _payment(alone, _charged("succeeded", 9)).refunded_amount == 300


def test_refunds_of_exactly_the_total_are_no_anomaly() -> None:
    history = [_charged("succeeded"), _refunded("ref_1", 400), _refunded("ref_2", 600)]
    assert _payment(*history).anomaly is None


def test_refunds_above_the_total_are_an_anomaly_and_no_error() -> None:
    history = [_charged("succeeded"), _refunded("ref_1", 400), _refunded("ref_2", 601)]
    entity = _payment(*history)
    assert (entity.refunded_amount, entity.anomaly) == (1001, "the refunds exceed the total")
    assert {entry.verdict for entry in of_one(*history).timeline()} == {"applied"}
    assert entity.status == "succeeded"


def test_without_a_total_nothing_exceeds_it() -> None:
    entity = _payment(_charged("succeeded", total_amount=None), _refunded("ref_1", 400))
    assert (entity.total_amount, entity.refunded_amount, entity.anomaly) == (None, 400, None)


def test_only_what_was_given_back_counts() -> None:
    failed = _refunded("ref_1", 300, "failed")
    assert _payment(_charged("succeeded"), failed).refunded_amount == 0
    again = _refunded("ref_1", 300, "succeeded", minute=7)
    assert _payment(_charged("succeeded"), failed, again).refunded_amount == 300


def test_a_refund_that_was_announced_twice_counts_once() -> None:
    history = [_refunded("ref_1", 300), _refunded("ref_1", 300, minute=8)]
    assert _payment(_charged("succeeded"), *history).refunded_amount == 300


def test_a_refund_that_is_observed_to_have_succeeded_counts() -> None:
    entity = _refund(_refunded("ref_1", 300, "failed", status="succeeded"))
    assert (entity.status, entity.folded_status) == ("succeeded", "failed")
    history = [_charged("succeeded"), _refunded("ref_1", 300, "failed", status="succeeded")]
    assert _payment(*history).refunded_amount == 300


def test_a_refund_that_succeeded_does_not_fail_later() -> None:
    history = [_refunded("ref_1", 300), _refunded("ref_1", 300, "failed", minute=8)]
    entity = _refund(*history)
    assert (entity.status, entity.refused) == ("succeeded", 1)
    refused = of_one(*history).timeline()[-1]
    assert refused.reason == "refund.failed is not a valid transition from succeeded"


@pytest.mark.parametrize("observed", ["pending", "review", "returned_by_bank"])
@pytest.mark.parametrize("word", ["succeeded", "failed"])
def test_pending_and_review_never_take_a_refund_back(word: str, observed: str) -> None:
    entity = _refund(_refunded("ref_1", 300, word, status=observed))
    assert (entity.status, entity.observed_status) == (word, observed)
    assert entity.drift is not None


def test_a_refund_in_another_currency_is_not_added_to_the_payments() -> None:
    history = [_charged("succeeded"), _refunded("ref_1", 90_000, currency="INR")]
    entity = _payment(*history)
    assert (entity.refunded_amount, entity.anomaly) == (0, None)
    assert _refund(*history).currency == "INR"


@pytest.mark.parametrize("unsaid", [{}, {"currency": None}])
def test_a_refund_that_does_not_say_its_currency_is_in_the_payments(
    unsaid: dict[str, object],
) -> None:
    data = {"refund_id": "ref_1", "payment_id": "pay_1", "amount": 300} | unsaid
    refunded = said("refund.succeeded", 5, None, **data)
    assert _payment(_charged("succeeded"), refunded).refunded_amount == 300


@pytest.mark.parametrize("amount", [None, "much", 2**63, [], True])
def test_a_refund_without_a_readable_amount_adds_nothing(amount: Json) -> None:
    history = [_charged("succeeded"), _refunded("ref_1", amount)]
    assert _refund(*history).amount is None
    assert _payment(*history).refunded_amount == 0


def test_the_sum_of_enormous_refunds_stays_an_integer_of_64_bits() -> None:
    refunds = [_refunded(f"ref_{n}", INT64_MAX) for n in range(3)]
    entity = _payment(_charged("succeeded"), *refunds)
    assert entity.anomaly == "the refunds exceed the total"
    assert entity.refunded_amount <= INT64_MAX


def test_a_timeline_has_the_payment_and_its_refunds_in_the_order_they_occurred() -> None:
    charge = [_charged("failed", 9), _charged("succeeded", 5), _charged("processing", 0)]
    refunds = [_refunded("ref_2", 100, minute=7), _refunded("ref_1", 300, minute=8)]
    stream = of_one(*charge, *refunds)
    assert [(e.kind, e.id, e.from_, e.to) for e in stream.timeline()] == [
        ("payment", "pay_1", None, "processing"),
        ("payment", "pay_1", "processing", "succeeded"),
        ("refund", "ref_2", None, "succeeded"),
        ("refund", "ref_1", None, "succeeded"),
        ("payment", "pay_1", "succeeded", "succeeded"),
    ]


def test_amounts_stand_in_minor_units_beside_their_currencies() -> None:
    yen = _payment(_charged("succeeded", total_amount=5000, currency="JPY", tax=None))
    assert (yen.total_amount, yen.currency, yen.tax) == (5000, "JPY", None)
    rupees = _charged("succeeded", currency="INR", settlement_currency="USD", settlement_amount=0)
    charged = _payment(rupees)
    assert (charged.currency, charged.settlement_currency) == ("INR", "USD")
    assert charged.settlement_amount == 0


@pytest.mark.parametrize(
    ("cart", "product_ids"),
    [
        ([{"product_id": "pdt_1", "quantity": 1}, {"product_id": "pdt_2"}], ("pdt_1", "pdt_2")),
        ([{"quantity": 1}, None, "pdt_1", {"product_id": 5}], ()),
        ([], ()),
        (None, ()),
        ({"product_id": "pdt_1"}, ()),
    ],
)
def test_the_products_are_what_the_cart_holds(cart: Json, product_ids: tuple[str, ...]) -> None:
    assert _payment(_charged("succeeded", product_cart=cart)).product_ids == product_ids


def test_what_a_stream_is_about_is_found_by_its_kind_and_its_id() -> None:
    stream = of_one(_charged("succeeded"), _refunded("ref_1", 10), _refunded("ref_2", 20))
    found = stream.find("refund", "ref_2")
    assert found is not None
    assert isinstance(found.entity, RefundEntity)
    assert (found.kind.name, found.entity.amount, found.first_position) == ("refund", 20, 3)
    assert found in stream.entities()
    assert stream.find("refund", "pay_1") is stream.find("payment", "ref_1") is None
