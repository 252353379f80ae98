"""The read model of holdings: what it keeps is what access is judged by, and whose it is."""

from __future__ import annotations

from hypothesis import given

from domain.access.holding import holdings_of
from domain.delivery import Delivery
from projections.read_models.holdings import HOLDINGS, Found, holding
from tests.support.histories import aggregates, said
from tests.support.persons import purchases

NAMES = [column.name for column in HOLDINGS.columns]


@given(purchases())
def test_a_holding_is_read_as_it_was_kept(bought: list[Delivery]) -> None:
    for each in aggregates(bought).values():
        rows = [dict(zip(NAMES, row, strict=True)) for row in HOLDINGS.rows(each)]
        read = [holding(Found(str(row["kind"]), str(row["holding"]), None)) for row in rows]
        assert read == holdings_of(each)


def test_what_was_kept_before_there_was_a_field_lacks_it() -> None:
    (bought,) = aggregates([said("subscription.active", subscription_id="sub_1")]).values()
    (row,) = (dict(zip(NAMES, row, strict=True)) for row in HOLDINGS.rows(bought))
    before = str(row["holding"]).replace('"quantity":null,', "")
    assert before != row["holding"]
    assert [holding(Found("subscription", before, None))] == holdings_of(bought)


def test_a_refund_belongs_to_who_paid() -> None:
    told = [
        said("payment.succeeded", payment_id="pay_1", customer={"customer_id": "cus_1"}),
        said("refund.succeeded", 1, payment_id="pay_1", refund_id="ref_1", amount=5),
    ]
    (paid,) = aggregates(told).values()
    rows = [dict(zip(NAMES, row, strict=True)) for row in HOLDINGS.rows(paid)]
    owned = {(row["kind"], row["customer_id"], row["payment_id"]) for row in rows}
    assert owned == {("payment", "cus_1", "pay_1"), ("refund", "cus_1", "pay_1")}
