"""The read model of periods, from when until when each thing was as it was; and what it answers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from domain.aggregates.catalogue import STREAMS, THROUGH_PAYMENT
from domain.periods import Period, periods
from postgres.statement import Statement
from projections.bound import of_business
from projections.listing import FilterError, parameters
from projections.read_model import Column, ReadModel, columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from domain.aggregate import Aggregate
    from projections.listing import Filter, Listing
    from projections.read_model import Row


def _rows(aggregate: Aggregate) -> list[Row]:
    return [(aggregate.id, *msgspec.structs.astuple(period)) for period in periods(aggregate)]


def may_lose(aggregate: Aggregate, webhook_ids: AbstractSet[str]) -> bool:
    """Tell whether a new fact did not occur after all old ones, or has a further body.

    Otherwise periods are only added, behind the last one.
    """
    for folded in aggregate.folded().values():
        facts = folded.facts
        begin = len(facts)
        while begin and facts[begin - 1].webhook_id in webhook_ids:
            begin -= 1
        old, new = facts[:begin], facts[begin:]
        if old and new and new[0].occurred_at <= old[-1].occurred_at:
            return True
        if any(fact.webhook_id in webhook_ids for fact in old):
            return True
        if any(len(fact.observations) > 1 for fact in new):
            return True
    return False


PERIODS: Final = ReadModel(
    table="periods",
    key=("stream_id", "kind", "id", "valid_from"),
    columns=(Column("stream_id", "text"), *columns_of(Period)),
    rows=_rows,
    streams=frozenset(STREAMS),
    loses=may_lose,
    began="valid_from",
)

# What somebody has is little, and what holds at an instant is much of all there is: the OFFSET has
# the planner begin with the customer, also where it plans for any customers.
_OBJECTS_THEN: Final = """
    WITH own AS (
        SELECT * FROM (
            SELECT * FROM periods WHERE customer_id = {customer_ids} OFFSET 0
        ) AS theirs
        WHERE valid @> %(as_of)s::timestamptz
    ), objects AS (
        SELECT t.*, p.currency AS payment_currency, t.customer_id AS owner_id FROM own AS t
        LEFT JOIN periods AS p ON t.kind = 'refund' AND p.kind = 'payment'
            AND p.id = t.payment_id AND p.business_id = t.business_id
            AND p.valid @> %(as_of)s::timestamptz
        UNION ALL
        SELECT t.*, p.currency, p.customer_id FROM own AS p
        JOIN periods AS t ON t.payment_id = p.id AND t.business_id = p.business_id
            AND t.kind IN ('refund', 'dispute') AND t.customer_id IS NULL
            AND t.valid @> %(as_of)s::timestamptz
        WHERE p.kind = 'payment'
    )
"""
OBJECTS_THEN: Final = _OBJECTS_THEN.format(customer_ids="%(customer_id)s")
"""Begins a statement with `objects`: what belonged to a customer as of an instant, as it was.

Like the view `customer_objects`: its own customer counts, else its payment's: `owner_id`.
"""
OBJECTS_OF_MANY_THEN: Final = _OBJECTS_THEN.format(customer_ids="ANY (%(customer_ids)s)")
"""Begins one with what belonged to any of many customers."""
_OF_PAYMENT: Final = (
    " LEFT JOIN periods AS p ON p.kind = 'payment' AND p.id = t.payment_id"
    " AND p.business_id = t.business_id AND p.valid @> %(as_of)s::timestamptz"
)


_OF_CUSTOMER: Final = """
    SELECT p.kind, p.id, p.status, p.valid_from, {valid_to}, p.payment_id, p.subscription_id,
        p.amount, p.currency, p.quantity, p.product_ids
    FROM periods AS p
    JOIN {objects} AS o ON o.stream_id = p.stream_id AND o.kind = p.kind AND o.id = p.id
"""
_NEWEST_FIRST: Final = " ORDER BY p.valid_from DESC, p.kind, p.id LIMIT %(limit)s"


class Lasting(msgspec.Struct, frozen=True, gc=False):
    """From when until when one thing of a customer was as it was.

    It is told as in `Period`: half-open, `valid_to` null until now, `amount` in minor units.
    """

    kind: str
    id: str
    status: str | None
    valid_from: datetime
    valid_to: datetime | None
    payment_id: str | None
    subscription_id: str | None
    amount: int | None
    currency: str | None
    quantity: int | None
    product_ids: tuple[str, ...]


class Place(NamedTuple):
    """Where a thing stands in a list of the past, and from how many events its state follows."""

    first_position: int
    stream_id: str
    id: str
    customer_id: str | None
    events: int


def page(
    listing: Listing[Any],
    values: Mapping[str, object],
    *,
    as_of: datetime,
    before: int | None,
    limit: int,
    business_id: str | None = None,
) -> Statement:
    """Select what met the filters for all these values as of an instant, after the cursor `before`.

    The order is that of the list of today, by the first event to arrive, whenever it occurred.
    Where a business is given, nothing of others is selected, whatever the filters ask.

    Raises:
        KeyError: there is no such filter.
        FilterError: there is, and the periods cannot answer it.
    """
    filters = listing.filters_of(values)
    conditions = [_then(filter_) for filter_ in filters]
    if before is not None:
        conditions.append("t.first_position < %(before)s")
    through = listing.kind in THROUGH_PAYMENT
    select = (
        "SELECT t.first_position, t.stream_id, t.id,"  # noqa: S608 -- constants
        f" {listing.columns.get('customer_id', 't.customer_id')},"
        " (SELECT coalesce(max(originator_version), 0) FROM raphus.ledger_events"
        " WHERE originator_id = t.stream_id)"
        " + (SELECT count(*) FROM raphus.homes WHERE stream_id = t.stream_id)"
        f" FROM periods AS t{_OF_PAYMENT if through else ''}"
        " WHERE t.kind = %(kind)s AND t.valid @> %(as_of)s::timestamptz"
        # It follows, and lets the index that has the order pass over most of what began later.
        " AND t.valid_from <= %(as_of)s"
    )
    return Statement(
        "".join(filter_.then_with for filter_ in filters)
        + " AND ".join([select, *conditions])
        + of_business("t", business_id)
        + " ORDER BY t.first_position DESC LIMIT %(limit)s",
        {
            **parameters(values),
            "kind": listing.kind,
            "as_of": as_of,
            "before": before,
            "limit": limit,
            "bound_to": business_id,
        },
    )


def read(row: Sequence[Any]) -> Place:
    """Read a row of `page`."""
    return Place(*row)


def of_customer(
    customer_id: str, *, as_of: datetime | None, limit: int, business_id: str | None = None
) -> Statement:
    """Select the periods of everything that belongs to a customer, the last to begin first.

    Of the past it is what belonged to the customer `as_of` an instant, and until then.
    """
    bound = of_business("o", business_id)
    asked: dict[str, object] = {
        "customer_id": customer_id,
        "as_of": as_of,
        "limit": limit,
        "bound_to": business_id,
    }
    if as_of is None:
        select = _OF_CUSTOMER.format(valid_to="p.valid_to", objects="customer_objects")
        return Statement(
            f"{select} WHERE o.customer_id = %(customer_id)s{bound}{_NEWEST_FIRST}", asked
        )
    until = "CASE WHEN p.valid_to <= %(as_of)s::timestamptz THEN p.valid_to END"
    select = _OF_CUSTOMER.format(valid_to=until, objects="objects")
    begun = " WHERE p.valid_from <= %(as_of)s"
    return Statement(f"{OBJECTS_THEN}{select}{begun}{bound}{_NEWEST_FIRST}", asked)


def read_lasting(row: Sequence[Any]) -> Lasting:
    """Read a row of `of_customer`."""
    *what, product_ids = row
    make: Callable[..., Lasting] = Lasting
    return make(*what, tuple(product_ids))


def _then(filter_: Filter) -> str:
    if filter_.then is None:
        raise FilterError(filter_.name, "is not kept of the past: ask for it without as_of")
    return filter_.then
