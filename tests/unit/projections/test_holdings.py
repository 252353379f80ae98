"""The read model of holdings: what it keeps is what access is judged by, and whose it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from domain.access.holding import HELD, holdings_of
from domain.aggregate import Aggregate, Known
from domain.aggregates.catalogue import KINDS, STREAMS
from domain.delivery import Delivery
from domain.field_readers import own_fields
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


def test_each_thing_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [said("payment.succeeded", payment_id="pay_1")]
    told += [
        said("refund.succeeded", n, f"msg_{n}", payment_id="pay_1", refund_id=f"ref_{n}")
        for n in range(1, 4)
    ]
    (paid,) = aggregates(told).values()
    looked_up, find = [], type(paid).find

    def counting(self: Aggregate, kind: str, entity_id: str) -> Known | None:
        looked_up.append((kind, entity_id))
        return find(self, kind, entity_id)

    monkeypatch.setattr(type(paid), "find", counting)
    assert len(HOLDINGS.rows(paid)) == len(looked_up) == len(set(looked_up)) == 4


@pytest.mark.parametrize("kind", sorted(HELD))
def test_what_was_kept_before_there_was_a_field_lacks_it(kind: str) -> None:
    things: dict[str, Any] = {KINDS[one].id_field: f"{one}_1" for one in ("payment", kind)}
    (bought,) = aggregates([said(KINDS[kind].machine.types[0], **things)]).values()
    (row,) = (dict(zip(NAMES, row, strict=True)) for row in HOLDINGS.rows(bought))
    whole = json.loads(str(row["holding"]))
    later = {"settled", "missing_since"}
    for name in later | own_fields(KINDS[kind].entity).keys() - things.keys():
        before = [kind, {**whole[1]}, *whole[2:]]
        del before[1][name]
        assert [holding(Found(kind, json.dumps(before), None))] == holdings_of(bought)


def test_what_is_no_matter_of_access_is_not_held() -> None:
    of: dict[str, Any] = {"customer_id": "cus_1", "subscription_id": "sub_1", "payment_id": "pay_1"}
    told = [
        said("credit.added", id="crl_1", credit_entitlement_id="cre_1", **of),
        said("dunning.started", created_at="2026-05-01T12:00:00Z", **of),
        said("abandoned_checkout.detected", **of),
    ]
    for each in aggregates(told).values():
        assert each.entities()
        assert holdings_of(each) == []
        assert HOLDINGS.rows(each) == []
    held = {name for name, stream in STREAMS.items() if {one.name for one in stream.kinds} & HELD}
    assert held == HOLDINGS.streams


def test_a_refund_belongs_to_who_paid() -> None:
    told = [
        said("payment.succeeded", payment_id="pay_1", customer={"customer_id": "cus_1"}),
        said("refund.succeeded", 1, payment_id="pay_1", refund_id="ref_1", amount=5),
    ]
    (paid,) = aggregates(told).values()
    rows = [dict(zip(NAMES, row, strict=True)) for row in HOLDINGS.rows(paid)]
    owned = {(row["kind"], row["customer_id"], row["payment_id"]) for row in rows}
    assert owned == {("payment", "cus_1", "pay_1"), ("refund", "cus_1", "pay_1")}
