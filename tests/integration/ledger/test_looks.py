"""Looks in the log: recorded where they say something new, chained, and never brought back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from domain.delivery import UnreadableError
from domain.look import Look
from ledger.application import Receipt
from ledger.erasure import Request
from ledger.erasures_list import arrived_since, page, read
from ledger.integrity.signatures import StoredSignatures
from ledger.integrity.verify import verify
from telemetry.progress import silent
from tests.support.connected import connected
from tests.support.deliveries import receipts
from tests.support.histories import NOON, said
from tests.support.http_server import SECRET
from tests.support.log import lines
from tests.support.projected import project, rows, shown
from workflows.erasure import forget

if TYPE_CHECKING:
    from ledger.application import Ledger


def look(kind: str, minute: int = 0, **data: object) -> Look:
    """Make a look that found `data`, `minute` minutes after noon."""
    return Look(
        kind=kind,
        business_id="bus_1",
        at=NOON + timedelta(minutes=minute),
        endpoint=f"GET /{kind}s",
        data=msgspec.json.encode(data),
    )


def subscription(minute: int = 0, **data: object) -> Look:
    return look("subscription", minute, subscription_id="sub_1", **data)


def recorded(ledger: Ledger, *looks: Look) -> list[int | None]:
    """Observe looks, and tell at which positions they were recorded."""
    positions: list[int | None] = []
    for observed in ledger.observe(looks):
        assert observed.recording is None or isinstance(observed.recording, Receipt)
        positions.append(observed.recording and observed.recording.position)
    return positions


def test_what_says_something_new_is_recorded_and_read_again_adds_nothing(
    database: str, ledger: Ledger
) -> None:
    first = subscription(0, status="active", quantity=1)
    assert recorded(ledger, first, subscription(1, status="active")) == [1, None]
    assert recorded(ledger, subscription(2, status="active", quantity=1)) == [None]
    assert recorded(ledger, subscription(3, quantity=2), subscription(4, quantity=1)) == [2, 3]
    assert [line.originator_id for line in lines(database)] == ["subscription/bus_1/sub_1"] * 3


def test_of_looks_of_one_instant_the_last_one_counts(ledger: Ledger) -> None:
    for quantity in range(1, 9):
        assert recorded(ledger, subscription(0, status="active", quantity=quantity)) == [quantity]
    (known,) = ledger.aggregate("subscription/bus_1/sub_1").entities()
    assert known.entity.quantity == 8  # type: ignore[attr-defined]


def test_looks_and_webhooks_stand_in_one_stream_and_the_log_is_whole(
    database: str, ledger: Ledger
) -> None:
    webhook = said("subscription.active", 0, "msg_1", subscription_id="sub_1", status="active")
    receipts(ledger.record([webhook]))
    assert recorded(
        ledger, subscription(5, status="cancelled"), look("product", product_id="p")
    ) == [
        2,
        3,
    ]
    (known,) = ledger.aggregate("subscription/bus_1/sub_1").entities()
    assert (known.entity.status, known.entity.drift) == ("cancelled", None)
    with connected(database, autocommit=True) as conn:
        found = verify(conn, signatures=StoredSignatures([SECRET]))
    assert (found.fault, found.events) == (None, 3)
    assert found.signatures is not None
    # The one webhook has no genuine signature here; the looks are not asked for one.
    assert (found.signatures.verified, found.signatures.unverified) == (0, 1)


def test_a_webhook_that_claims_to_be_a_look_is_verified_as_a_webhook(
    database: str, ledger: Ledger
) -> None:
    claims = said("raphus.subscription_observed", 0, "msg_1", subscription_id="sub_1")
    receipts(ledger.record([claims]))
    assert lines(database)[0].originator_id == "notice/msg_1"
    assert recorded(ledger, subscription(5, status="active")) == [2]
    assert len(ledger.aggregate("subscription/bus_1/sub_1").events) == 1
    with connected(database, autocommit=True) as conn:
        found = verify(conn, signatures=StoredSignatures([SECRET]))
    assert found.signatures is not None
    assert found.signatures.unverified == 1


@pytest.mark.parametrize("data", [b"[]", b'{"quantity":1}'])
def test_of_looks_of_which_one_cannot_be_read_none_is_recorded(
    database: str, ledger: Ledger, data: bytes
) -> None:
    odd = msgspec.structs.replace(subscription(1), data=data)
    with pytest.raises(UnreadableError):
        ledger.observe([subscription(0, status="active"), odd])
    assert lines(database) == []


def test_an_entry_of_a_ledger_is_compared_with_those_of_the_same_batch(ledger: Ledger) -> None:
    account = {"customer_id": "cus_1", "credit_entitlement_id": "cde_1"}
    entry = {"amount": "5", "is_credit": True, "transaction_type": "credit_added", **account}
    looks = [look("credit", 0, id=f"cdl_{number}", **entry) for number in (1, 2, 1)]
    assert recorded(ledger, *looks) == [1, 2, None]


def test_who_was_forgotten_does_not_come_back_by_a_look(database: str, ledger: Ledger) -> None:
    customer = {"customer_id": "cus_1", "email": "ann@example.com", "name": "Ann"}
    assert recorded(ledger, look("customer", 0, **customer)) == [1]
    assert recorded(ledger, subscription(0, status="active", customer=customer)) == [2]
    project(database)
    assert "ann@example.com" in str(shown(database))
    forget(database, Request("cus_1", None, "asked", None), silent)
    payment = look("payment", 5, payment_id="pay_1", status="succeeded", customer=customer)
    new = [look("customer", 5, **customer), subscription(5, customer=customer), payment]
    assert recorded(ledger, *new) == [None, None, 4]
    assert recorded(ledger, *new) == [None, None, None]
    project(database)
    with connected(database) as conn:
        query = (
            "SELECT count(*) FROM raphus.ledger_events WHERE position('Ann'::bytea IN state) > 0"
        )
        assert conn.execute(query).fetchone() == (0,)
    assert "ann@example.com" not in str(shown(database))
    listed = [erasure for erasure, _ in map(read, rows(database, page(before=None, limit=9)))]
    # What has come since has nothing that would have to be forgotten again.
    assert rows(database, arrived_since(listed)) == [(3, 0)]
