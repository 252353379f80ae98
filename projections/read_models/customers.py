"""A view over the read models of what belongs to a customer, and its sums of the past."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from domain.aggregates.dispute import OPEN
from domain.aggregates.subscription import gives_access
from postgres.statement import Statement
from projections.bound import of_business
from projections.read_models.periods import OBJECTS_THEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Totals(msgspec.Struct, frozen=True):
    """What succeeded payments and refunds add up to, in minor units of one currency."""

    paid: int
    refunded: int


class Customer(msgspec.Struct, frozen=True):
    """What a customer has, by count; `refused` counts refused facts, `totals` is by currency.

    `active_subscriptions` are those that give access: past due within their grace, too.
    """

    business_id: str
    customer_id: str
    subscriptions: int
    active_subscriptions: int
    payments: int
    succeeded_payments: int
    failed_payments: int
    refunds: int
    disputes: int
    open_disputes: int
    license_keys: int
    refused: int
    first_seen_at: datetime
    last_seen_at: datetime
    totals: dict[str, Totals]


_BY_ID: Final = (
    f"SELECT {', '.join(Customer.__struct_fields__)} FROM customers"  # noqa: S608 -- names
    " AS c WHERE customer_id = %(customer_id)s"
)
_OBJECTS: Final = """
    SELECT o.business_id, o.kind, o.status, o.created_at, facts.last_seen_at, facts.refused,
        coalesce(o.currency, o.payment_currency), o.amount, o.past_due_ends_at
    FROM objects AS o CROSS JOIN LATERAL (
        SELECT max(t.occurred_at) AS last_seen_at,
            count(*) FILTER (WHERE t.verdict IN ('refused', 'anomaly')) AS refused
        FROM timeline AS t WHERE t.stream_id = o.stream_id AND t.kind = o.kind AND t.id = o.id
        AND t.occurred_at <= %(as_of)s
    ) AS facts
    WHERE o.business_id = coalesce(%(bound_to)s::text, (SELECT min(business_id) FROM objects))
"""


class _Object(NamedTuple):
    """A row of `objects_then`."""

    business_id: str
    kind: str
    status: str | None
    created_at: datetime
    last_seen_at: datetime
    refused: int
    currency: str | None
    amount: int | None
    past_due_ends_at: datetime | None


def by_id(customer_id: str, business_id: str | None = None) -> Statement:
    """Select the customer with an id: of this business, or of the first that has one."""
    sql = f"{_BY_ID}{of_business('c', business_id)} ORDER BY business_id LIMIT 1"
    return Statement(sql, {"customer_id": customer_id, "bound_to": business_id})


def read(row: Sequence[object]) -> Customer:
    """Read a row of `by_id`; its times are in the connection's time zone."""
    return msgspec.convert(dict(zip(Customer.__struct_fields__, row, strict=True)), Customer)


def objects_then(customer_id: str, as_of: datetime, business_id: str | None = None) -> Statement:
    """Select what belonged to a customer as of an instant, an object a row."""
    asked = {"customer_id": customer_id, "as_of": as_of, "bound_to": business_id}
    return Statement(OBJECTS_THEN + _OBJECTS, asked)


def add_up(customer_id: str, rows: Sequence[Sequence[Any]], as_of: datetime) -> Customer:
    """Add the rows of `objects_then` up, of which there is one at least, as the view does."""
    objects = [_Object(*row) for row in rows]
    kinds = Counter(thing.kind for thing in objects)
    stands = Counter((thing.kind, thing.status) for thing in objects)
    return Customer(
        business_id=objects[0].business_id,
        customer_id=customer_id,
        subscriptions=kinds["subscription"],
        active_subscriptions=sum(
            thing.kind == "subscription"
            and gives_access(thing.status, thing.past_due_ends_at, as_of)
            for thing in objects
        ),
        payments=kinds["payment"],
        succeeded_payments=stands["payment", "succeeded"],
        failed_payments=stands["payment", "failed"],
        refunds=kinds["refund"],
        disputes=kinds["dispute"],
        open_disputes=sum(stands["dispute", status] for status in OPEN),
        license_keys=kinds["license_key"],
        refused=sum(thing.refused for thing in objects),
        first_seen_at=min(thing.created_at for thing in objects),
        last_seen_at=max(thing.last_seen_at for thing in objects),
        totals=_totals(objects),
    )


def _totals(objects: Iterable[_Object]) -> dict[str, Totals]:
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for thing in objects:
        moved = thing.kind in {"payment", "refund"} and thing.status == "succeeded"
        if moved and thing.currency is not None:
            sums[thing.currency][thing.kind] += thing.amount or 0
    return {
        currency: Totals(paid=sums[currency]["payment"], refunded=sums[currency]["refund"])
        for currency in sorted(sums)
    }
