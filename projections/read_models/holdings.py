"""What customers have, of all kinds and in one statement, each with the fact that it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from domain.access.holding import Holding, began_at
from domain.aggregates.catalogue import KINDS
from ledger.application import Ledger
from postgres.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

FRESHNESS: Final = "freshness"
"""The kind of the row that tells how far the read models are, the age of what they lack, in s."""
BUSINESS: Final = "business"
"""The kind of the rows that tell the last webhook of each business."""


class Owner(NamedTuple):
    """Whose things are asked for: a customer, of one business or of any."""

    business_id: str | None
    customer_id: str


class Found(NamedTuple):
    """A row: a thing's read model as JSON, with its newest facts; or what a kind above says.

    `moved_at` is when a fact moved the thing's state last.
    """

    kind: str
    row: str
    webhook_id: str | None
    occurred_at: datetime | None
    moved_at: datetime | None


class Place(NamedTuple):
    """A thing that somebody had as of an instant, and the stream that its state follows from."""

    kind: str
    id: str
    stream_id: str
    first_position: int


_ONE_OWNER: Final = """
    WITH owners AS MATERIALIZED (
        SELECT (%(business_ids)s::text[])[1] AS business_id,
            (%(customer_ids)s::text[])[1] AS customer_id
    )"""
"""For the planner: of one it knows that it is one, and then plans once for all of them."""
_OWNERS: Final = """
    WITH owners AS MATERIALIZED (
        SELECT * FROM unnest(%(business_ids)s::text[], %(customer_ids)s::text[])
            AS owner (business_id, customer_id)
    )"""


def _own(table: str) -> str:
    """Select the newest rows of a table that each owner has, by the index on the customer."""
    return f"""
        SELECT o.* FROM owners CROSS JOIN LATERAL (
            SELECT t.* FROM {table} AS t WHERE t.customer_id = owners.customer_id
            AND (owners.business_id IS NULL OR t.business_id = owners.business_id)
            ORDER BY t.first_position DESC LIMIT %(limit)s
        ) AS o"""  # noqa: S608 -- names


_NOW: Final = f""", bought AS MATERIALIZED (
        {_own("payments")}
    ), refunds_ AS (
        {_own("refunds")}
        UNION
        (SELECT t.* FROM bought AS p JOIN refunds AS t ON t.stream_id = p.stream_id
        ORDER BY t.first_position DESC LIMIT %(limit)s)
    ), disputes_ AS (
        {_own("disputes")}
        UNION
        (SELECT t.* FROM bought AS p JOIN disputes AS t
            ON t.payment_id = p.payment_id AND t.business_id = p.business_id
        ORDER BY t.first_position DESC LIMIT %(limit)s)
    ), held AS MATERIALIZED (
        SELECT 'subscription' AS kind, o.subscription_id AS id, o.stream_id, o.business_id,
            row_to_json(o)::text AS row FROM ({_own("subscriptions")}) AS o
        UNION ALL
        SELECT 'payment', o.payment_id, o.stream_id, o.business_id, row_to_json(o)::text
        FROM bought AS o
        UNION ALL
        SELECT 'refund', o.refund_id, o.stream_id, o.business_id, row_to_json(o)::text
        FROM refunds_ AS o
        UNION ALL
        SELECT 'dispute', o.dispute_id, o.stream_id, o.business_id, row_to_json(o)::text
        FROM disputes_ AS o
        UNION ALL
        SELECT 'license_key', o.id, o.stream_id, o.business_id, row_to_json(o)::text
        FROM ({_own("license_keys")}) AS o
    ), businesses AS (
        SELECT business_id FROM held UNION SELECT business_id FROM owners
    )
    SELECT held.kind, held.row, fact.webhook_id, fact.occurred_at, fact.moved_at
    FROM held CROSS JOIN LATERAL (
        SELECT
            (array_agg(t.webhook_id ORDER BY t.verdict = 'refused', t.occurred_at DESC,
                t.rank DESC, t.webhook_id COLLATE "C" DESC))[1] AS webhook_id,
            (array_agg(t.occurred_at ORDER BY t.verdict = 'refused', t.occurred_at DESC))[1]
                AS occurred_at,
            max(t.occurred_at) FILTER (WHERE t.verdict = 'applied') AS moved_at
        FROM timeline AS t
        WHERE t.stream_id = held.stream_id AND t.kind = held.kind AND t.id = held.id
    ) AS fact
"""  # noqa: S608 -- constants
_FRESHNESS: Final = """
    SELECT 'freshness' AS kind, json_build_object('position', shown.position, 'lag_s',
        coalesce((
            SELECT greatest(extract(epoch FROM clock_timestamp() - recorded_at)::float8, 0)
            FROM raphus.ledger_events WHERE notification_id = shown.position + 1
        ), 0)
    )::text AS row, NULL::text AS webhook_id, NULL::timestamptz AS occurred_at,
        NULL::timestamptz AS moved_at
    FROM (
        SELECT coalesce(max(notification_id), 0) AS position FROM raphus.projections_tracking
        WHERE application_name = %(application)s
    ) AS shown
    UNION ALL
    SELECT 'business', json_build_object('business_id', last.business_id,
        'type', last.type, 'recorded_at', last.recorded_at)::text,
        last.webhook_id, last.occurred_at, NULL
    FROM businesses CROSS JOIN LATERAL (
        SELECT t.* FROM timeline AS t WHERE t.business_id = businesses.business_id
        ORDER BY t.position DESC LIMIT 1
    ) AS last
"""
_BUSINESSES: Final = """
    WITH businesses AS (
        SELECT * FROM unnest(%(business_ids)s::text[]) AS asked (business_id)
    )"""
# What stands against a payment counts whoever it names: it is no matter of the customer.
_THEN: Final = """, own AS (
        SELECT t.kind, t.id, t.stream_id, t.business_id, t.first_position
        FROM owners CROSS JOIN LATERAL (
            SELECT * FROM periods AS t WHERE t.customer_id = owners.customer_id
            AND (owners.business_id IS NULL OR t.business_id = owners.business_id)
            AND t.valid @> %(as_of)s::timestamptz ORDER BY t.first_position DESC LIMIT %(limit)s
        ) AS t
    )
    SELECT kind, id, stream_id, first_position FROM own
    UNION
    (SELECT t.kind, t.id, t.stream_id, t.first_position FROM own AS p
    JOIN periods AS t ON t.payment_id = p.id AND t.business_id = p.business_id
        AND t.kind IN ('refund', 'dispute') AND t.valid @> %(as_of)s::timestamptz
    WHERE p.kind = 'payment' ORDER BY t.first_position DESC LIMIT %(limit)s)
"""


def now(owners: Sequence[Owner], limit: int) -> Statement:
    """Select what owners have: of each kind, as many of an owner; and how fresh that is."""
    return Statement(f"{_of(owners)}{_NOW} UNION ALL {_FRESHNESS}", _params(owners, limit))


def freshness(business_ids: Sequence[str]) -> Statement:
    """Select how far the read models are, and the last webhook of each of these businesses."""
    params: dict[str, object] = {
        "business_ids": list(business_ids),
        "application": Ledger.name,
    }
    return Statement(_BUSINESSES + _FRESHNESS, params)


def then(owners: Sequence[Owner], as_of: datetime, limit: int) -> Statement:
    """Select where to find what owners had as of an instant; as many of an owner."""
    return Statement(_of(owners) + _THEN, {**_params(owners, limit), "as_of": as_of})


def read(row: Sequence[object]) -> Found:
    """Read a row of `now` or `freshness`."""
    return Found(*row)  # type: ignore[arg-type]  # what the statement selects


def read_place(row: Sequence[object]) -> Place:
    """Read a row of `then`."""
    return Place(*row)  # type: ignore[arg-type]  # what the statement selects


def holding(found: Found) -> Holding:
    """Read the holding that a row is about."""
    entity = _DECODERS[found.kind].decode(found.row)
    assert found.webhook_id is not None, "a thing is known by a fact"
    assert found.occurred_at is not None, "a fact of a thing has its time"
    since = began_at(entity, found.moved_at)
    return Holding(found.kind, entity, since, found.webhook_id, found.occurred_at)


_DECODERS: Final = {name: msgspec.json.Decoder(kind.entity) for name, kind in KINDS.items()}


def _of(owners: Sequence[Owner]) -> str:
    return _ONE_OWNER if len(owners) == 1 else _OWNERS


def _params(owners: Sequence[Owner], limit: int) -> dict[str, object]:
    return {
        "business_ids": [owner.business_id for owner in owners],
        "customer_ids": [owner.customer_id for owner in owners],
        "limit": limit,
        "application": Ledger.name,
    }
