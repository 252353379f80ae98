"""The table of the access that was told of last, and what of it is to be looked at anew."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from postgres.arrays import TextArray
from postgres.prepared import execute
from projections.read_models.held_by import Customer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from psycopg import Connection

    from domain.access.changes import Product

Given: TypeAlias = "dict[Product, datetime | None]"
"""The products to which there is access, and when that ends by time alone."""

_TOLD: Final = b"""
    SELECT t.business_id, t.customer_id, t.product_id, t.until
    FROM unnest($1::text[], $2::text[]) AS asked (business, customer)
    JOIN raphus.announced_access AS t ON t.customer_id = customer AND t.business_id = business
"""
_ENDED: Final = """
    SELECT business_id, customer_id, min(until) FROM (
        SELECT * FROM raphus.announced_access WHERE until <= %s ORDER BY until LIMIT %s
    ) AS t GROUP BY business_id, customer_id
"""
_NEXT_END: Final = "SELECT min(until) FROM raphus.announced_access WHERE until > %s"
_FOLLOWING: Final = """
    WITH following AS (
        SELECT customer_id FROM (
            (
                SELECT DISTINCT customer_id FROM raphus.holdings
                WHERE customer_id > %(after)s ORDER BY customer_id LIMIT %(limit)s
            ) UNION (
                SELECT DISTINCT customer_id FROM raphus.announced_access
                WHERE customer_id > %(after)s ORDER BY customer_id LIMIT %(limit)s
            )
        ) AS each ORDER BY customer_id LIMIT %(limit)s
    )
    SELECT h.business_id, h.customer_id FROM following JOIN raphus.holdings AS h USING (customer_id)
    UNION
    SELECT t.business_id, t.customer_id
    FROM following JOIN raphus.announced_access AS t USING (customer_id)
    ORDER BY customer_id, business_id
"""
_REMOVE: Final = b"""
    DELETE FROM raphus.announced_access AS t
    USING unnest($1::text[], $2::text[], $3::text[]) AS gone (business, customer, product)
    WHERE t.business_id = business AND t.customer_id = customer AND t.product_id = product
"""
_WRITE: Final = """
    INSERT INTO raphus.announced_access (business_id, customer_id, product_id, until)
    SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::timestamptz[])
    ON CONFLICT (customer_id, business_id, product_id) DO UPDATE SET until = EXCLUDED.until
"""


class Row(NamedTuple):
    """A row of the table."""

    customer: Customer
    product: Product
    until: datetime | None


def of_customers(conn: Connection[Any], customers: Collection[Customer]) -> dict[Customer, Given]:
    """Return what was told of customers; of who is not in it, that there is no access."""
    found: defaultdict[Customer, Given] = defaultdict(dict)
    for business_id, customer_id, product, until in execute(conn, _TOLD, _columns(customers)):
        found[Customer(business_id, customer_id)][product or None] = until
    return found


def ended(conn: Connection[Any], by: datetime, limit: int) -> dict[Customer, datetime]:
    """Return whose access to something was to end by an instant, and when the first did."""
    rows = conn.execute(_ENDED, [by, limit]).fetchall()
    return {Customer(business, customer): until for business, customer, until in rows}


def next_end(conn: Connection[Any], after: datetime) -> datetime | None:
    """Return when the next access ends by time alone."""
    ((until,),) = conn.execute(_NEXT_END, [after]).fetchall()
    found: datetime | None = until
    return found


def following(conn: Connection[Any], after: str, limit: int) -> list[Customer]:
    """Return the next customers behind an id of one, in order of their ids, of all businesses."""
    rows = conn.execute(_FOLLOWING, {"after": after, "limit": limit}).fetchall()
    return [Customer(*row) for row in rows]


def write(conn: Connection[Any], gone: Sequence[Row], now: Sequence[Row]) -> None:
    """Write what has been told: the access that is gone, and what there is now."""
    if gone:
        execute(conn, _REMOVE, [*_columns(row.customer for row in gone), _products(gone)])
    if now:
        untils = [row.until for row in now]
        columns = [*_columns(row.customer for row in now), _products(now), untils]
        conn.execute(_WRITE, columns)


def _columns(customers: Iterable[Customer]) -> list[TextArray]:
    found = list(customers)
    return [
        TextArray(one.business_id for one in found),
        TextArray(one.customer_id for one in found),
    ]


def _products(rows: Iterable[Row]) -> TextArray:
    return TextArray(row.product or "" for row in rows)
