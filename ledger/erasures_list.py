"""The list of erasures: who was forgotten, why, and what has come about him since."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.aggregates.erasure import ERASURE, TOPIC, read_erasure
from domain.personal_data import is_about
from domain.stream_id import parts_of, stream_id
from ledger.mapper import COLUMNS, LedgerMapper
from postgres.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE_BYTES_MAX: Final = 8 * 2**20
"""A page is shorter where its events have more bytes than this in all: each names what it emptied,
in some 40 bytes a row. One is on it at the least."""
SHARED_BYTES_MAX: Final = 8 * 2**20
"""So much is read of what has come since in streams that two customers share."""

# How large a state is stands beside it: only those of the page are read.
_PAGE: Final = f"""
    SELECT {COLUMNS}, found FROM (
        SELECT *, sum(octet_length(state)) OVER (ORDER BY notification_id DESC) AS bytes,
            count(*) OVER () AS found
        FROM (
            SELECT {COLUMNS} FROM raphus.ledger_events
            WHERE topic BETWEEN '{TOPIC}' AND '{TOPIC}' AND starts_with(originator_id, '{ERASURE}/')
            {{asked}}
            ORDER BY topic DESC, notification_id DESC LIMIT %(limit)s
        ) AS erasures
    ) AS sized
    WHERE bytes <= %(bytes_max)s OR bytes = octet_length(state)
    ORDER BY notification_id DESC
"""  # noqa: S608 -- constants
_ASKED: Final = """
    FROM unnest(%(positions)s::bigint[], %(customers)s::text[], %(businesses)s::text[])
        AS asked (position, customer_id, business_id)
"""
_HIS: Final = """
    SELECT o.stream_id FROM raphus.customer_objects AS o
    WHERE o.customer_id = asked.customer_id AND o.business_id = asked.business_id
    UNION
    SELECT i.stream_id FROM raphus.identities AS i
    WHERE i.customer_id = asked.customer_id AND i.business_id = asked.business_id
"""
# Looks at who was forgotten have nothing that identifies him.
_LATER: Final = (
    "e.notification_id > asked.position AND e.content_hash IS NULL"
    " AND NOT starts_with(e.topic, 'raphus.')"
)
_SINCE: Final = f"""
    SELECT asked.position, count(later.notification_id) {_ASKED}
    LEFT JOIN LATERAL (
        SELECT e.notification_id FROM ({_HIS}) AS his
        JOIN raphus.housed_events AS e ON e.originator_id = his.stream_id
        WHERE {_LATER}
    ) AS later ON true
    GROUP BY asked.position
"""  # noqa: S608 -- constants
_SHARED: Final = f"""
    SELECT position, customer_id, {COLUMNS} FROM (
        SELECT asked.position, asked.customer_id, later.*, sum(octet_length(later.state)) OVER (
            ORDER BY asked.position DESC, later.notification_id
        ) AS bytes {_ASKED}
        CROSS JOIN LATERAL (
            SELECT e.* FROM ({_HIS}) AS his
            JOIN raphus.housed_events AS e ON e.originator_id = his.stream_id
            WHERE {_LATER} AND EXISTS (
                SELECT FROM raphus.identities AS i
                WHERE i.stream_id = his.stream_id AND i.customer_id <> asked.customer_id
            )
        ) AS later
    ) AS sized
    WHERE bytes <= %(bytes_max)s
"""  # noqa: S608 -- constants
_decode: Final = LedgerMapper().decode


class ListedErasure(msgspec.Struct, frozen=True):
    """An erasure, of so many `events`.

    `arrived_since` counts the webhooks about the customer, or about what belongs to him and no one
    else, that have come later, and may name a person again.
    """

    position: str
    webhook_id: str
    business_id: str
    customer_id: str
    erased_at: datetime
    reason: str
    requested_by: str | None
    events: int
    arrived_since: int


def page(
    *,
    before: int | None,
    limit: int,
    customer_id: str | None = None,
    business_id: str | None = None,
) -> Statement:
    """Select erasures, the last first, before a position; of one customer or business, or all.

    There are `limit` at the most, or as many as have `PAGE_BYTES_MAX` together.
    """
    behind = "" if before is None else " AND notification_id < %(before)s"
    his = "" if customer_id is None else " AND split_part(originator_id, '/', 3) = %(customer)s"
    of = "" if business_id is None else " AND split_part(originator_id, '/', 2) = %(business)s"
    return Statement(
        _PAGE.format(asked=f"{behind}{his}{of}"),
        {
            "before": before,
            "limit": limit,
            "bytes_max": PAGE_BYTES_MAX,
            "customer": customer_id and stream_id(customer_id),
            "business": business_id and stream_id(business_id),
        },
    )


def read(row: Sequence[Any]) -> tuple[ListedErasure, int]:
    """Read a row of `page`, and how many there are with those that its bytes left no room for.

    What has come since is not counted yet.
    """
    *columns, found = row
    event = _decode(*columns)
    erasure = read_erasure(event.delivery)
    assert event.recorded_at is not None
    listed = ListedErasure(
        str(event.position),
        event.delivery.webhook_id,
        parts_of(event.originator_id)[1],
        erasure.customer_id,
        event.recorded_at,
        erasure.reason,
        erasure.requested_by,
        erasure.count,
        arrived_since=0,
    )
    return listed, int(found)


def arrived_since(listed: Sequence[ListedErasure]) -> Statement:
    """Select, by the position of each erasure, how many webhooks came later in his streams."""
    return Statement(_SINCE, _asked(listed))


def shared_since(listed: Sequence[ListedErasure]) -> Statement:
    """Select those of them that stand in streams in which another customer is named, too.

    There are as many as have `SHARED_BYTES_MAX` together: of more, all count as his.
    """
    return Statement(_SHARED, {**_asked(listed), "bytes_max": SHARED_BYTES_MAX})


def counted(
    listed: Sequence[ListedErasure],
    since: Sequence[Sequence[Any]],
    shared: Sequence[Sequence[Any]],
) -> list[ListedErasure]:
    """Count what has come since, by the rows of `arrived_since` and of `shared_since`."""
    counts: Mapping[str, int] = {str(position): int(count) for position, count in since}
    others = Counter(
        str(position)
        for position, customer_id, *columns in shared
        if not is_about(_decode(*columns).delivery.body, customer_id)
    )
    return [
        msgspec.structs.replace(
            one, arrived_since=max(0, counts.get(one.position, 0) - others[one.position])
        )
        for one in listed
    ]


def _asked(listed: Sequence[ListedErasure]) -> dict[str, object]:
    return {
        "positions": [int(one.position) for one in listed],
        "customers": [one.customer_id for one in listed],
        "businesses": [one.business_id for one in listed],
    }
