"""The read model of what customers have, of all kinds beside each other, and what it answers.

Who has access is asked at every turn of a merchant's site: this finds all that counts, each thing
with the fact that its status rests on, in one statement that searches one index.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from domain.access.holding import Holding, holdings_of
from domain.aggregates.catalogue import KINDS, STREAMS
from domain.aggregates.erasure import ERASURE
from ledger.application import Ledger
from postgres.statement import Statement
from projections.read_model import Column, ReadModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from domain.aggregate import Aggregate
    from domain.entity import Entity
    from projections.read_model import Row

FRESHNESS: Final = "freshness"
"""The kind of the row that tells how far the read models are, the age of what they lack, in s."""
BUSINESS: Final = "business"
"""The kind of the rows that tell the last webhook of each business."""
_Held: TypeAlias = "tuple[str, Entity, datetime, str, datetime]"
_encode: Final = msgspec.json.Encoder().encode


def _rows(aggregate: Aggregate) -> list[Row]:
    held = holdings_of(aggregate)
    # A refund is a matter of the payment's customer, in whose stream it is.
    payers = (one.entity.customer_id for one in held if one.kind == "payment")
    payer = next(payers, None)
    return [_row(aggregate, one, payer or one.entity.customer_id) for one in held]


def _row(aggregate: Aggregate, one: Holding, customer_id: str | None) -> Row:
    known = aggregate.find(one.kind, one.id)
    assert known is not None, "it is held"
    return (
        aggregate.id,
        known.first_position,
        one.kind,
        one.id,
        one.entity.business_id,
        customer_id,
        getattr(one.entity, "payment_id", None),
        _encode(one).decode(),
    )


HOLDINGS: Final = ReadModel(
    table="holdings",
    key=("stream_id", "kind", "id"),
    columns=(
        Column("stream_id", "text"),
        Column("first_position", "bigint"),
        Column("kind", "text"),
        Column("id", "text"),
        Column("business_id", "text"),
        Column("customer_id", "text", nullable=True),
        Column("payment_id", "text", nullable=True),
        Column("holding", "text"),
    ),
    rows=_rows,
    streams=frozenset(STREAMS),
)


class Owner(NamedTuple):
    """Whose things are asked for: a customer, of one business or of any."""

    business_id: str | None
    customer_id: str


class Found(NamedTuple):
    """A row of `now`: a holding in JSON; or what FRESHNESS and BUSINESS say.

    `customer_id` is that of the owner whose it is; None for what only stands against a payment.
    """

    kind: str
    row: str
    customer_id: str | None


class Place(NamedTuple):
    """A thing that somebody had as of an instant, and the stream that its state follows from."""

    kind: str
    id: str
    stream_id: str
    first_position: int


_ONE_OWNER: Final = """
    WITH owners AS MATERIALIZED (
        SELECT %(business_id)s::text AS business_id, %(customer_id)s::text AS customer_id
    )"""
"""For the planner: of one it knows that it is one, and then plans once for all of them."""
_OWNERS: Final = """
    WITH owners AS MATERIALIZED (
        SELECT * FROM unnest(%(business_ids)s::text[], %(customer_ids)s::text[])
            AS owner (business_id, customer_id)
    )"""
# What stands against a payment counts whoever it names: it is no matter of the customer.
_NOW: Final = """, own AS MATERIALIZED (
        SELECT o.* FROM owners CROSS JOIN LATERAL (
            SELECT t.kind, t.id, t.business_id, t.customer_id, t.holding
            FROM holdings AS t WHERE t.customer_id = owners.customer_id
            AND (owners.business_id IS NULL OR t.business_id = owners.business_id)
            ORDER BY t.first_position DESC LIMIT %(limit)s
        ) AS o
    ), businesses AS (
        SELECT business_id FROM own UNION SELECT business_id FROM owners
    )
    SELECT kind, holding AS row, customer_id FROM own
    UNION ALL
    (SELECT t.kind, t.holding, NULL FROM own AS p
    JOIN holdings AS t ON t.payment_id = p.id AND t.business_id = p.business_id
        AND t.kind = 'dispute'
    WHERE p.kind = 'payment' LIMIT %(limit)s)
"""
_FRESHNESS: Final = """
    SELECT 'freshness' AS kind, json_build_object('position', shown.position, 'lag_s',
        coalesce((
            SELECT greatest(extract(epoch FROM clock_timestamp() - recorded_at)::float8, 0)
            FROM raphus.ledger_events WHERE notification_id = shown.position + 1
        ), 0)
    )::text AS row, NULL::text AS customer_id
    FROM (
        SELECT coalesce(max(notification_id), 0) AS position FROM raphus.projections_tracking
        WHERE application_name = %(application)s
    ) AS shown
    UNION ALL
    SELECT 'business', json_build_object('business_id', last.business_id,
        'webhook_id', last.webhook_id, 'type', last.type, 'occurred_at', last.occurred_at,
        'recorded_at', last.recorded_at)::text, NULL
    FROM businesses CROSS JOIN LATERAL (
        SELECT t.* FROM timeline AS t
        WHERE t.business_id = businesses.business_id AND t.kind <> '{erasure}'
        ORDER BY t.position DESC LIMIT 1
    ) AS last
""".replace("{erasure}", ERASURE)
_BUSINESSES: Final = """
    WITH businesses AS (
        SELECT * FROM unnest(%(business_ids)s::text[]) AS asked (business_id)
    )"""
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
    """Select what owners have, as much of each, the newest; and how fresh that is."""
    return Statement(f"{_of(owners)}{_NOW} UNION ALL {_FRESHNESS}", _params(owners, limit))


def freshness(business_ids: Sequence[str]) -> Statement:
    """Select how far the read models are, and the last webhook of each of these businesses."""
    params: dict[str, object] = {
        "business_ids": list(business_ids),
        "application": Ledger.name,
    }
    return Statement(_BUSINESSES + _FRESHNESS, params)


def then(owners: Sequence[Owner], as_of: datetime, limit: int) -> Statement:
    """Select where to find what owners had as of an instant, as much of each."""
    return Statement(_of(owners) + _THEN, {**_params(owners, limit), "as_of": as_of})


def read(row: Sequence[object]) -> Found:
    """Read a row of `now` or `freshness`."""
    return Found(*row)  # type: ignore[arg-type]  # what the statement selects


def read_place(row: Sequence[object]) -> Place:
    """Read a row of `then`."""
    return Place(*row)  # type: ignore[arg-type]  # what the statement selects


def holding(found: Found) -> Holding:
    """Read the holding that a row is about."""
    try:
        return Holding(*_DECODERS[found.kind].decode(found.row))
    except msgspec.ValidationError:
        return _of_before(found)


def _of_before(found: Found) -> Holding:
    """Read what was written before its kind had all the fields that it has: they are null."""
    kind, entity, *others = msgspec.json.decode(found.row)
    fields = dict.fromkeys(KINDS[kind].entity.__struct_fields__) | entity
    return Holding(*msgspec.convert([kind, fields, *others], _SHAPES[kind]))


_SHAPES: Final[Mapping[str, type[_Held]]] = {
    name: tuple[str, kind.entity, datetime, str, datetime]  # type: ignore[name-defined]
    for name, kind in KINDS.items()
}
_DECODERS: Final = {name: msgspec.json.Decoder(shape) for name, shape in _SHAPES.items()}


def _of(owners: Sequence[Owner]) -> str:
    return _ONE_OWNER if len(owners) == 1 else _OWNERS


def _params(owners: Sequence[Owner], limit: int) -> dict[str, object]:
    asked: dict[str, object] = {"limit": limit, "application": Ledger.name}
    if len(owners) == 1:
        return {**asked, **owners[0]._asdict()}
    return {
        **asked,
        "business_ids": [owner.business_id for owner in owners],
        "customer_ids": [owner.customer_id for owner in owners],
    }
