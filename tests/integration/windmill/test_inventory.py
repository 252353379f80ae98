"""A stock that payments take from, and that refunds give back to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.connected import connected
from tests.support.samples import sample
from tests.support.scripts import at, by_raphus, rows, run, told

if TYPE_CHECKING:
    from tests.support.http_server import Served
    from tests.support.samples import Body

CART = [{"product_id": "pdt_1", "quantity": 2}, {"product_id": "pdt_2", "quantity": 1}]


@pytest.fixture
def raphus(lasting_raphus: Served) -> Served:
    """Ask the one that all of these tests share."""
    return lasting_raphus


@pytest.fixture
def resource(memory: dict[str, Any]) -> dict[str, Any]:
    """Remember elsewhere, and nothing of what another test did."""
    return memory


def bought(payment_id: str, **data: Any) -> Body:  # noqa: ANN401 -- JSON
    about: dict[str, Any] = {
        "payment_id": payment_id,
        "subscription_id": None,
        "total_amount": 3_000,
        "refunds": [],
    }
    about |= {"currency": "USD", "product_cart": CART}
    return at(sample("payment.succeeded"), "2026-05-01T00:00:00Z", **(about | data))


def refunded(payment_id: str, refund_id: str, amount: int = 3_000) -> Body:
    about: dict[str, Any] = {"refund_id": refund_id, "payment_id": payment_id}
    about |= {"amount": amount, "currency": "USD"}
    about["is_partial"] = amount < 3_000
    return at(sample("refund.succeeded"), "2026-05-02T00:00:00Z", **about)


def by(raphus: Served, resource: dict[str, Any]) -> dict[str, Any]:
    return {**by_raphus(raphus), "database": resource}


def test_what_is_bought_leaves_the_stock_once(
    raphus: Served, resource: dict[str, Any], empty: str
) -> None:
    arguments = told(raphus, bought("pay_once"))
    first, second = (run("update_inventory", arguments, **by(raphus, resource)) for _ in range(2))
    assert (first["moved"], second["moved"]) == (2, 0)
    assert first["in_stock"] == second["in_stock"] == {"pdt_1": -2, "pdt_2": -1}
    with connected(empty) as conn:
        conn.execute("INSERT INTO raphus_stock_moves VALUES ('delivery 7', 'pdt_1', 100)")
    assert run("update_inventory", arguments, **by(raphus, resource))["in_stock"]["pdt_1"] == 98


@pytest.mark.parametrize("order", [[0, 1], [1, 0], [1], [0, 1, 1, 0]])
def test_what_is_given_back_comes_back_in_whatever_order_the_jobs_run(
    raphus: Served, resource: dict[str, Any], order: list[int]
) -> None:
    one, back = (f"{kind}_{'_'.join(map(str, order))}" for kind in ("pay", "ref"))
    jobs = [told(raphus, bought(one)), told(raphus, bought(one), refunded(one, back))]
    results = [run("update_inventory", jobs[n], **by(raphus, resource)) for n in order]
    assert results[-1]["in_stock"] == {"pdt_1": 0, "pdt_2": 0}


def test_parts_bring_it_back_when_they_are_all_of_it(
    raphus: Served, resource: dict[str, Any], empty: str
) -> None:
    told(raphus, bought("pay_parts"))
    stock = []
    for amount, refund_id in ((1_000, "ref_1"), (2_000, "ref_2")):
        arguments = told(raphus, refunded("pay_parts", refund_id, amount))
        result = run("update_inventory", arguments, **by(raphus, resource))
        stock.append(result["in_stock"])
    assert stock == [{"pdt_1": -2, "pdt_2": -1}, {"pdt_1": 0, "pdt_2": 0}]
    assert len(rows(empty, "raphus_stock_moves")) == 4


def test_a_payment_without_a_cart_moves_nothing(raphus: Served, resource: dict[str, Any]) -> None:
    arguments = told(raphus, bought("pay_nothing", product_cart=None))
    result = run("update_inventory", arguments, **by(raphus, resource))
    assert (result["moved"], result["in_stock"]) == (0, {})
