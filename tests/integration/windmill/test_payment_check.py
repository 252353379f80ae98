"""A payment is checked against its price when it succeeds: who does not fit is told, once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from domain.look import Look
from ledger.application import Ledger
from tests.support.samples import sample
from tests.support.scripts import at, by_raphus, by_slack, run, told

if TYPE_CHECKING:
    from tests.support.http_server import Served
    from tests.support.outside import Web

PRICE = {"type": "one_time_price", "price": 1000, "currency": "USD", "tax_inclusive": False}


def test_a_payment_that_does_not_fit_its_price_is_told_once(
    raphus: Served, slack: Web, resource: dict[str, Any], database: str
) -> None:
    business_id = sample("payment.succeeded")["business_id"]
    product = {"product_id": "pdt_1", "name": "Pro <!channel>", "price_detail": PRICE}
    began_at = datetime.now(UTC)
    with Ledger(database) as ledger:
        look = Look(
            kind="product",
            business_id=business_id,
            at=began_at,
            endpoint="GET /products",
            data=json.dumps(product).encode(),
        )
        ledger.observe([look])
    by = {**by_raphus(raphus), **by_slack(slack, resource), "channel": "#money"}
    right = run("payment_check", told(raphus, paid("pay_right", 1000)), **by)
    assert (right["fits"], right["told"], slack.asked) == (True, False, [])
    arguments = told(raphus, paid("pay_wrong", 1))
    first, second = [run("payment_check", arguments, **by) for _ in range(2)]
    assert (first["fits"], first["told"], second["told"]) == (False, True, False)
    assert (first["measured_by"], first["expected_amount"], first["paid_amount"]) == (
        "cart",
        1000,
        1,
    )
    ((_, _, body),) = slack.asked
    assert "0.01 USD were paid for pdt_1; the price was 10.00 USD." in body["text"]
    assert "pdt_1 is Pro &lt;!channel&gt;" in body["text"]


def paid(payment_id: str, total: int) -> Any:  # noqa: ANN401 -- JSON
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return at(
        sample("payment.succeeded"),
        now,
        payment_id=payment_id,
        created_at=now,
        total_amount=total,
        tax=None,
        currency="USD",
        settlement_amount=total,
        subscription_id=None,
        subscription_ids=[],
        charge_type=None,
        discount_id=None,
        discounts=[],
        product_cart=[{"product_id": "pdt_1", "quantity": 1}],
        customer={"customer_id": "cus_1"},
    )
