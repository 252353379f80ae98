"""What many customers have, at once, and of which of them the events of a page tell."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.access.holding import HELD
from postgres.arrays import TextArray
from postgres.prepared import execute, execute_async
from projections.read_models.holdings import HOLDINGS, OBJECTS_MAX, Found, holding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from psycopg import AsyncConnection, Connection

    from domain.access.holding import Holding

_KINDS: Final = sorted(HELD)
_STREAMS: Final = sorted(HOLDINGS.streams)

# As /v1/access selects them: what gives access by itself comes first, and what stands against a
# payment counts whoever it names.
_HELD: Final = b"""
    WITH own AS MATERIALIZED (
        SELECT o.*, whose.place
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS whose (business, customer, place)
        CROSS JOIN LATERAL (
            SELECT t.kind, t.id, t.business_id, t.holding FROM raphus.holdings AS t
            WHERE t.customer_id = whose.customer AND t.business_id = whose.business
            ORDER BY t.kind IN ('payment', 'refund', 'dispute'), t.first_position DESC
            LIMIT $3
        ) AS o
    )
    SELECT kind, holding, place FROM own
    UNION ALL
    SELECT t.kind, t.holding, p.place FROM own AS p
    CROSS JOIN LATERAL (
        SELECT * FROM raphus.holdings AS d
        WHERE d.payment_id = p.id AND d.business_id = p.business_id AND d.kind = 'dispute' OFFSET 0
    ) AS t
    WHERE p.kind = 'payment'
"""
# The periods know whose a thing was before it was another's.
_TOUCHED: Final = b"""
    WITH news AS MATERIALIZED (
        SELECT originator_id AS stream_id, notification_id AS position, webhook_id, topic
        FROM raphus.housed_events
        WHERE notification_id > $1 AND notification_id <= $2
        AND split_part(originator_id, '/', 1) = ANY ($3)
    ), things AS MATERIALIZED (
        SELECT news.*, t.kind, t.business_id, t.customer_id, t.payment_id
        FROM news CROSS JOIN LATERAL (
            SELECT h.kind, h.business_id, h.customer_id, h.payment_id FROM raphus.holdings AS h
            WHERE h.stream_id = news.stream_id
            UNION
            SELECT p.kind, p.business_id, p.customer_id, p.payment_id FROM raphus.periods AS p
            WHERE p.stream_id = news.stream_id AND p.kind = ANY ($4)
        ) AS t
    )
    SELECT DISTINCT ON (business_id, customer_id) business_id, customer_id, webhook_id, topic
    FROM (
        SELECT business_id, customer_id, webhook_id, topic, position FROM things
        UNION ALL
        SELECT d.business_id, p.customer_id, d.webhook_id, d.topic, d.position
        FROM things AS d CROSS JOIN LATERAL (
            SELECT DISTINCT t.customer_id FROM raphus.periods AS t
            WHERE t.kind = 'payment' AND t.id = d.payment_id AND t.business_id = d.business_id
        ) AS p
        WHERE d.kind = 'dispute'
    ) AS touched
    WHERE customer_id IS NOT NULL
    ORDER BY business_id, customer_id, position DESC
"""


class Customer(NamedTuple):
    """A customer of a business."""

    business_id: str
    customer_id: str


class Touching(NamedTuple):
    """An event that may change what a customer has."""

    webhook_id: str
    type: str


def held_by(
    conn: Connection[Any], customers: Collection[Customer]
) -> dict[Customer, list[Holding]]:
    """Return what customers have, each thing once, as the read models have it."""
    return _read(customers, execute(conn, _HELD, _asked(customers)))


async def held_by_async(
    conn: AsyncConnection[Any], customers: Collection[Customer]
) -> dict[Customer, list[Holding]]:
    """Return the same, on a connection of an event loop."""
    found = await execute_async(conn, _HELD, _asked(customers))
    rows = await found.fetchall()
    # Decoding takes its time, in which answers come in.
    return await asyncio.to_thread(_read, customers, rows)


def touched(conn: Connection[Any], after: int, until: int) -> dict[Customer, Touching]:
    """Return who may have gained or lost something by the events behind a position, up to another.

    Each is told with the newest such event. The read models show these events.
    """
    rows = execute(conn, _TOUCHED, [after, until, TextArray(_STREAMS), TextArray(_KINDS)])
    return {Customer(*row[:2]): Touching(*row[2:]) for row in rows}


def _asked(customers: Collection[Customer]) -> list[object]:
    businesses = TextArray(one.business_id for one in customers)
    names = TextArray(one.customer_id for one in customers)
    return [businesses, names, OBJECTS_MAX + 1]


def _read(
    customers: Collection[Customer], rows: Iterable[tuple[Any, ...]]
) -> dict[Customer, list[Holding]]:
    found: defaultdict[int, dict[tuple[str, str], Holding]] = defaultdict(dict)
    for kind, text, place in rows:
        one = holding(Found(kind, text, place))
        found[place][kind, one.id] = one
    return {
        customer: list(found[place].values()) for place, customer in enumerate(customers, start=1)
    }
