"""Rows that are written again: what new facts change is corrected, and nothing else is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from tests.support.histories import said
from tests.support.projected import (
    project,
    record,
    shown,
)
from tests.support.rebuilds import replayed

if TYPE_CHECKING:
    from domain.delivery import Delivery


def test_rows_that_stay_the_same_are_not_written_again(database: str) -> None:
    paid = said("payment.succeeded", 0, payment_id="pay_1", currency="USD", total_amount=50)
    record(database, [paid, refund("ref_1", 1)])
    project(database)
    before = versions(database)
    record(database, [refund("ref_2", 2)])
    project(database)
    after = versions(database)
    assert set(before["refunds"]) < set(after["refunds"])
    assert set(before["timeline"]) < set(after["timeline"])
    assert set(before["payments"]).isdisjoint(after["payments"]), "refunded_amount has changed"


def refund(refund_id: str, minute: int) -> Delivery:
    return said(
        "refund.succeeded",
        minute,
        payment_id="pay_1",
        refund_id=refund_id,
        amount=5,
        currency="USD",
    )


def test_a_fact_that_comes_late_corrects_the_lines_after_it(database: str) -> None:
    about = {"subscription_id": "sub_1"}
    cancelled = said("subscription.cancelled", 1, "msg_2", **about)
    on_hold = said("subscription.on_hold", 2, "msg_3", **about)
    revived = said("subscription.active", 3, "msg_4", **about)
    record(database, [cancelled, on_hold, revived])
    project(database)
    record(database, [said("subscription.active", 0, "msg_1", **about)])
    project(database)
    record(database, [said("subscription.expired", 0, "msg_0", **about)])
    project(database)
    assert shown(database) == replayed(database)


def test_a_further_body_under_a_known_webhook_id_corrects_its_line(database: str) -> None:
    about = {"dispute_id": "dp_1"}
    first = said("dispute.opened", 1, "msg_1", **about, dispute_stage="dispute")
    won = said("dispute.won", 2, "msg_2", **about)
    record(database, [first, won])
    project(database)
    record(database, [said("dispute.opened", 3, "msg_1", **about, dispute_stage="pre_dispute")])
    project(database)
    record(database, [said("dispute.opened", 0, "msg_1", **about, dispute_stage="pre_dispute")])
    project(database)
    assert shown(database) == replayed(database)


def test_a_refund_that_two_payments_claim_stands_once_for_each(database: str) -> None:
    claims = [
        said("refund.succeeded", 0, f"msg_{payment}", refund_id="ref_1", payment_id=payment)
        for payment in ("pay_1", "pay_2")
    ]
    record(database, claims)
    project(database)
    assert len(shown(database)["refunds"]) == 2
    assert shown(database) == replayed(database)


def versions(database: str) -> dict[str, list[tuple[object, ...]]]:
    """Where each row's newest version lies in its table, and who wrote it."""
    with psycopg.connect(database, options="-c search_path=raphus") as conn:
        return {
            table: conn.execute(
                f"SELECT ctid::text, xmin::text FROM raphus.{table}".encode()
            ).fetchall()
            for table in ("payments", "refunds", "timeline")
        }
