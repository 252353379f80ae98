"""Deliveries in any number and size, dealt out to any number of streams, and their receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ledger.application import Receipt
from tests.support.histories import said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventsourcing.persistence import PersistenceError

    from domain.delivery import Delivery


def renewals(
    numbers: range, *, streams: int = 1, of: str = "sub", size_bytes: int = 0
) -> list[Delivery]:
    """Make one delivery a number; the same number always gives the same delivery.

    Args:
        numbers: the numbers of the deliveries, which make their webhook-ids.
        streams: how many subscriptions they are about, in turn.
        of: the beginning of the subscriptions' ids.
        size_bytes: the least size of a body; white space, which must stay, fills it up.
    """
    return [_renewal(number, f"{of}_{number % streams}", size_bytes) for number in numbers]


def receipts(answers: Iterable[Receipt | PersistenceError]) -> list[Receipt]:
    """Return the answers, none of which may be an error."""
    found = list(answers)
    assert [answer for answer in found if not isinstance(answer, Receipt)] == []
    return [answer for answer in found if isinstance(answer, Receipt)]


def _renewal(number: int, subscription_id: str, size_bytes: int) -> Delivery:
    data = {"subscription_id": subscription_id, "customer": {"customer_id": "cus_17"}}
    made = said("subscription.renewed", number % 1000, f"msg_{number}", **data)
    return msgspec.structs.replace(made, body=made.body.ljust(size_bytes))
