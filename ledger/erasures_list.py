"""The list of erasures: who was forgotten, why, and what has come about him since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.aggregates.erasure import ERASURE, TOPIC, read_erasure
from domain.stream_id import parts_of, stream_id
from ledger.mapper import COLUMNS, LedgerMapper
from postgres.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

_SELECT: Final = f"""
    SELECT {COLUMNS} FROM raphus.ledger_events
    WHERE topic BETWEEN '{TOPIC}' AND '{TOPIC}' AND starts_with(originator_id, '{ERASURE}/')
"""  # noqa: S608 -- constants
_SINCE: Final = """
    SELECT asked.position, count(later.notification_id)
    FROM unnest(%(positions)s::bigint[], %(customers)s::text[], %(businesses)s::text[])
        AS asked (position, customer_id, business_id)
    LEFT JOIN LATERAL (
        SELECT e.notification_id FROM (
            SELECT o.stream_id FROM raphus.customer_objects AS o
            WHERE o.customer_id = asked.customer_id AND o.business_id = asked.business_id
            UNION
            SELECT i.stream_id FROM raphus.identities AS i
            WHERE i.customer_id = asked.customer_id AND i.business_id = asked.business_id
        ) AS his JOIN raphus.housed_events AS e ON e.originator_id = his.stream_id
        WHERE e.notification_id > asked.position AND e.content_hash IS NULL
        -- Looks of who was forgotten have nothing that identifies him.
        AND NOT starts_with(e.topic, 'raphus.')
    ) AS later ON true
    GROUP BY asked.position
"""
_decode: Final = LedgerMapper().decode


class ListedErasure(NamedTuple):
    """An erasure: `events` is how many were emptied."""

    position: int
    webhook_id: str
    business_id: str
    customer_id: str
    erased_at: datetime
    reason: str
    requested_by: str | None
    events: int


def erasures(
    *,
    before: int | None,
    limit: int,
    customer_id: str | None = None,
    business_id: str | None = None,
) -> Statement:
    """Select erasures, the last first, before a position; of one customer or business, or all."""
    behind = "" if before is None else " AND notification_id < %(before)s"
    his = "" if customer_id is None else " AND split_part(originator_id, '/', 3) = %(customer)s"
    of = "" if business_id is None else " AND split_part(originator_id, '/', 2) = %(business)s"
    return Statement(
        f"{_SELECT}{behind}{his}{of} ORDER BY topic DESC, notification_id DESC LIMIT %(limit)s",
        {
            "before": before,
            "limit": limit,
            "customer": customer_id and stream_id(customer_id),
            "business": business_id and stream_id(business_id),
        },
    )


def read(row: Sequence[Any]) -> ListedErasure:
    """Read a row of `erasures`."""
    event = _decode(*row)
    erasure = read_erasure(event.delivery)
    assert event.position is not None
    assert event.recorded_at is not None
    return ListedErasure(
        event.position,
        event.delivery.webhook_id,
        parts_of(event.originator_id)[1],
        erasure.customer_id,
        event.recorded_at,
        erasure.reason,
        erasure.requested_by,
        erasure.count,
    )


def arrived_since(listed: Sequence[ListedErasure]) -> Statement:
    """Select, by the position of each erasure, how many webhooks about what is his came later."""
    return Statement(
        _SINCE,
        {
            "positions": [one.position for one in listed],
            "customers": [one.customer_id for one in listed],
            "businesses": [one.business_id for one in listed],
        },
    )


def read_arrived(rows: Sequence[Sequence[Any]]) -> Mapping[int, int]:
    """Read the rows of `arrived_since`."""
    return {int(position): int(count) for position, count in rows}
