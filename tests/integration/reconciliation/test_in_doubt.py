"""What is in doubt is found by its reason, the worst first; details are wanted where none told."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.look import Look
from ledger.application import Ledger
from reconciliation.details import wants_detail
from reconciliation.in_doubt import in_doubt, read
from tests.support.connected import connected
from tests.support.deliveries import receipts
from tests.support.histories import NOON, of_one, said
from tests.support.projected import project

if TYPE_CHECKING:
    from domain.delivery import Delivery

LATER: Final = NOON + timedelta(days=60)
DUE: Final = (NOON + timedelta(days=30)).isoformat()


def subscription(id_: str, word: str, minute: int = 0, **more: Any) -> Delivery:  # noqa: ANN401
    """A webhook about a subscription, which is as the word says."""
    data = {"status": word, "next_billing_date": (LATER + timedelta(days=1)).isoformat(), **more}
    return said(f"subscription.{word}", minute, f"msg_{id_}_{minute}", subscription_id=id_, **data)


def test_each_reason_is_found_and_the_worst_comes_first(database: str) -> None:
    deliveries = [
        subscription("sub_fine", "active"),
        subscription("sub_due", "active", next_billing_date=DUE),
        subscription("sub_on_demand", "active", next_billing_date=DUE, on_demand=True),
        subscription("sub_grace", "active"),
        subscription("sub_grace", "past_due", 1),
        subscription("sub_drift", "active"),
        subscription("sub_drift", "active", 1, status="on_hold"),
        subscription("sub_refused", "active"),
        subscription("sub_refused", "paused", 1),
        subscription("sub_refused", "past_due", 2, status="paused"),
        subscription("sub_partial", "on_hold"),
        said(
            "dispute.opened",
            dispute_id="dis_1",
            payment_id="pay_1",
            dispute_status="dispute_opened",
        ),
        said("payment.succeeded", payment_id="pay_1", status="succeeded"),
    ]
    with Ledger(database) as ledger:
        receipts(ledger.record(deliveries))
    project(database)
    asked = in_doubt("bus_1", LATER)
    with connected(database) as conn:
        rows = conn.execute(asked.sql.encode(), asked.params).fetchall()
    assert [(one.reason, one.id) for one in map(read, rows)] == [
        ("drift", "sub_drift"),
        ("overdue", "sub_due"),
        ("grace", "sub_grace"),
        ("open_dispute", "dis_1"),
        ("refused", "sub_refused"),
        ("partial", "sub_partial"),
    ]


def test_what_was_heard_of_lately_is_asked_about_too(database: str) -> None:
    with Ledger(database) as ledger:
        receipts(ledger.record([subscription("sub_1", "active")]))
    project(database)
    with connected(database) as conn:
        asked = in_doubt("bus_1", NOON + timedelta(hours=1))
        ((kind, id_, _, reason),) = conn.execute(asked.sql.encode(), asked.params).fetchall()
        assert (kind, id_, reason) == ("subscription", "sub_1", "lately")
        asked = in_doubt("bus_other", NOON + timedelta(hours=1))
        assert conn.execute(asked.sql.encode(), asked.params).fetchall() == []


def test_the_whole_is_wanted_only_where_nothing_has_told_it_since_the_state_changed(
    database: str,
) -> None:
    webhook = said("payment.processing", payment_id="pay_1", status="processing")
    assert not wants_detail("payment", of_one(webhook), "pay_1")
    with Ledger(database) as ledger:
        receipts(ledger.record([webhook]))
        stream = of_one(webhook).id
        for minutes, data, wanted in (
            (1, {"status": "succeeded"}, True),
            (2, {"status": "succeeded", "billing": {"country": "DE"}, "tax": 100}, False),
            (3, {"status": "succeeded", "refund_status": "partial"}, True),
        ):
            look = Look(
                kind="payment",
                business_id="bus_1",
                at=NOON + timedelta(minutes=minutes),
                endpoint="GET /payments",
                data=msgspec.json.encode({"payment_id": "pay_1", **data}),
            )
            ledger.observe([look])
            assert wants_detail("payment", ledger.aggregate(stream), "pay_1") is wanted
