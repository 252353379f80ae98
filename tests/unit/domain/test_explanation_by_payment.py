"""The customer of a refund or a dispute that does not say it is explained by its payment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domain.explanation.explain import by_payment, explain, lacks_customer
from tests.support.histories import aggregates, said

if TYPE_CHECKING:
    from domain.aggregate import Aggregate
    from domain.explanation.explain import Explanation

CUSTOMER = {"customer_id": "cus_1"}
PAYMENT, DISPUTE = "payment/bus_1/pay_1", "dispute/bus_1/dp_1"


def built(**payment: object) -> dict[str, Aggregate]:
    about = {"payment_id": "pay_1"}
    return aggregates(
        [
            said("refund.succeeded", 2, None, **about, refund_id="ref_1"),
            said("dispute.opened", 3, None, **about, dispute_id="dp_1"),
            said("payment.processing", 0, None, **about),
            said("payment.succeeded", 1, None, **about, **payment),
        ]
    )


def explained(stream: Aggregate, kind: str, object_id: str, payment: Aggregate) -> Explanation:
    own = explain(stream, kind, object_id, "customer_id")
    return by_payment(own, payment) if lacks_customer(own) else own


@pytest.mark.parametrize(
    ("stream", "kind", "id_"), [(PAYMENT, "refund", "ref_1"), (DISPUTE, "dispute", "dp_1")]
)
def test_its_payments_deliveries_say_it(stream: str, kind: str, id_: str) -> None:
    streams = built(customer=CUSTOMER)
    found = explained(streams[stream], kind, id_, streams[PAYMENT])
    theirs = explain(streams[PAYMENT], "payment", "pay_1", "customer_id")
    assert (found.kind, found.id, found.field, found.value) == (kind, id_, "customer_id", "cus_1")
    assert [source.type for source in found.set_by] == ["payment.succeeded"]
    assert (found.set_by, found.since) == (theirs.set_by, theirs.since)
    assert found.note == "Its own data does not say it; it is its payment's (pay_1)."


def test_what_says_its_customer_itself_is_explained_by_itself() -> None:
    about = {"payment_id": "pay_1", "refund_id": "ref_1", "customer_id": "cus_2"}
    paid = said("payment.succeeded", 0, None, payment_id="pay_1", customer=CUSTOMER)
    streams = aggregates([paid, said("refund.succeeded", 2, None, **about)])
    found = explained(streams[PAYMENT], "refund", "ref_1", streams[PAYMENT])
    assert (found.value, found.note) == ("cus_2", None)
    assert [source.type for source in found.set_by] == ["refund.succeeded"]


def test_where_the_payment_does_not_say_it_either_nobody_does() -> None:
    streams = built()
    found = explained(streams[DISPUTE], "dispute", "dp_1", streams[PAYMENT])
    assert (found.value, found.set_by, found.note) == (None, [], "No delivery has said it.")
    refunds = aggregates([said("refund.failed", 0, payment_id="pay_1", refund_id="ref_1")])
    found = explained(refunds[PAYMENT], "refund", "ref_1", refunds[PAYMENT])
    assert (found.value, found.note) == (None, "No delivery has said it.")


def test_other_fields_and_other_kinds_are_not_left_to_the_payment() -> None:
    streams = built(customer=CUSTOMER)
    keys = aggregates([said("license_key.created", 0, id="lic_1", payment_id="pay_1")])
    assert lacks_customer(explain(streams[DISPUTE], "dispute", "dp_1", "customer_id"))
    assert not lacks_customer(explain(streams[DISPUTE], "dispute", "dp_1", "reason"))
    (key,) = keys.values()
    assert not lacks_customer(explain(key, "license_key", "lic_1", "customer_id"))
