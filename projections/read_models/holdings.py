"""The read model of what customers have that matters for access, and what it answers.

Who has access is asked at every turn of a merchant's site: this finds all that counts, each thing
with the fact that its status rests on, in one statement that searches one index.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from domain.access.holding import HELD, Holding, Placed, placed_holdings_of
from domain.aggregates.catalogue import KINDS, STREAMS
from domain.aggregates.routing import NOTICE
from domain.field_readers import own_fields, reader_of
from ledger.application import Ledger
from postgres.statement import Statement
from projections.read_model import Column, ReadModel
from projections.read_models import claims

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from domain.aggregate import Aggregate
    from domain.entity import Entity
    from projections.read_model import Row
    from projections.read_models.claims import Asked

OBJECTS_MAX: Final = 1_000
"""So many things of a person are looked at: what gives access by itself first, the newest."""
FRESHNESS: Final = "freshness"
"""The kind of the row that tells how far the read models are, the age of what they lack, in s."""
BUSINESS: Final = "business"
"""The kind of the rows that tell the last webhook of each business."""
PERSON: Final = "person"
"""The kind of the rows that tell who is meant, and what claims say so."""
_Held: TypeAlias = "tuple[str, Entity, datetime, str, datetime]"
_encode: Final = msgspec.json.Encoder().encode


def _rows(aggregate: Aggregate) -> list[Row]:
    placed = placed_holdings_of(aggregate)
    # A refund is a matter of the payment's customer, in whose stream it is.
    payers = (one.holding.entity.customer_id for one in placed if one.holding.kind == "payment")
    payer = next(payers, None)
    return [_row(aggregate.id, one, payer) for one in placed]


def _row(stream_id: str, placed: Placed, payer: str | None) -> Row:
    one = placed.holding
    return (
        stream_id,
        placed.first_position,
        one.kind,
        one.id,
        one.entity.business_id,
        payer or one.entity.customer_id,
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
    streams=frozenset(
        stream
        for stream, aggregate in STREAMS.items()
        if any(kind.name in HELD for kind in aggregate.kinds)
    ),
)


class Found(NamedTuple):
    """A row of `now` or `then`: a holding, or what its kind says, in JSON.

    `place` is that of the person whose it is; None for what only stands against a payment.
    """

    kind: str
    row: str
    place: int | None


class Place(NamedTuple):
    """A thing that somebody had as of an instant, and the stream that its state follows from."""

    kind: str
    id: str
    stream_id: str
    first_position: int


# What gives access by itself comes first, whatever else there is of the customer. What stands
# against a payment counts whoever it names: it is no matter of the customer.
_OWNED: Final = """, owners AS MATERIALIZED (
        SELECT place, business_id, customer_id FROM persons
        ORDER BY place LIMIT %(owners_max)s
    ), own AS MATERIALIZED (
        SELECT o.*, owners.place FROM owners CROSS JOIN LATERAL (
            SELECT {columns} FROM {table} AS t
            WHERE t.customer_id = owners.customer_id AND t.business_id = owners.business_id
            AND {holds}
            ORDER BY t.kind IN ('payment', 'refund', 'dispute'), t.first_position DESC
            LIMIT %(each_max)s
        ) AS o
        ORDER BY owners.place LIMIT %(all_max)s
    )
"""
_OWNED_NOW: Final = _OWNED.format(
    table="holdings", columns="t.kind, t.id, t.business_id, t.holding", holds="true"
)
_NOW: Final = """, businesses AS (
        SELECT DISTINCT business_id FROM owners
    )
    SELECT kind, holding AS row, place FROM own
    UNION ALL
    (SELECT t.kind, t.holding, NULL FROM own AS p
    JOIN holdings AS t ON t.payment_id = p.id AND t.business_id = p.business_id
        AND t.kind = 'dispute'
    WHERE p.kind = 'payment' LIMIT %(all_max)s)
    UNION ALL
"""
_OWNED_THEN: Final = _OWNED.format(
    table="periods",
    columns="t.kind, t.id, t.stream_id, t.business_id, t.first_position",
    holds="t.kind = ANY (%(held)s) AND t.valid @> %(as_of)s::timestamptz",
)
_THEN: Final = """
    SELECT 'place' AS kind,
        json_build_array(kind, id, stream_id, first_position)::text AS row, place
    FROM own
    UNION ALL
    (SELECT 'place', json_build_array(t.kind, t.id, t.stream_id, t.first_position)::text, NULL
    FROM own AS p
    JOIN periods AS t ON t.payment_id = p.id AND t.business_id = p.business_id
        AND t.kind IN ('refund', 'dispute') AND t.valid @> %(as_of)s::timestamptz
    WHERE p.kind = 'payment' LIMIT %(all_max)s)
    UNION ALL
"""
_PERSONS: Final = """
    SELECT 'person' AS kind, json_build_object('business_id', p.business_id,
        'customer_id', p.customer_id, 'claims', p.claims)::text AS row, p.place
    FROM persons AS p
"""
_IDENTIFIED: Final = """
    SELECT 'person' AS kind, json_build_object('business_id', p.business_id,
        'customer_id', p.customer_id, 'claims', p.claims, 'email', who.email, 'name', who.name,
        'phone_number', who.phone_number, 'metadata', coalesce(who.metadata, '{}'),
        'sources', who.sources)::text AS row, p.place
    FROM persons AS p CROSS JOIN LATERAL (
        SELECT * FROM customer_identities AS c
        WHERE c.customer_id = p.customer_id AND c.business_id = p.business_id OFFSET 0
    ) AS who
"""
# How far the read models are, and the last webhook of each of `businesses`.
FRESHNESS_OF_BUSINESSES: Final = f"""
    SELECT '{FRESHNESS}' AS kind, json_build_array(shown.position, (
        SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8
        FROM raphus.ledger_events WHERE notification_id = shown.position + 1
    ))::text AS row, NULL::bigint AS place
    FROM (
        SELECT coalesce(max(notification_id), 0) AS position FROM raphus.projections_tracking
        WHERE application_name = '{Ledger.name}'
    ) AS shown
    UNION ALL
    SELECT '{BUSINESS}', json_build_array(last.business_id, last.webhook_id, last.type,
        last.occurred_at, last.recorded_at)::text, NULL
    FROM businesses CROSS JOIN LATERAL (
        SELECT t.business_id, t.webhook_id, t.type, t.occurred_at, t.recorded_at
        FROM timeline AS t
        WHERE t.business_id = businesses.business_id
        AND (t.verdict IS NOT NULL OR t.kind = '{NOTICE}')
        ORDER BY t.position DESC LIMIT 1
    ) AS last
"""  # noqa: S608 -- constants
_BUSINESSES: Final = """
    WITH businesses AS (
        SELECT * FROM unnest(%(business_ids)s::text[]) AS asked (business_id)
    )"""


_PERSONS_NOW: Final = f"{_OWNED_NOW}{_NOW}{_PERSONS} UNION ALL {FRESHNESS_OF_BUSINESSES}"
_IDENTIFIED_NOW: Final = f"{_OWNED_NOW}{_NOW}{_IDENTIFIED} UNION ALL {FRESHNESS_OF_BUSINESSES}"
_PERSONS_THEN: Final = f"{_OWNED_THEN}{_THEN}{_PERSONS}"


class Limits(NamedTuple):
    """How much is selected at the most: of persons, of those whose things count, of things."""

    persons_max: int
    claims_max: int
    owners_max: int
    each_max: int
    all_max: int


def now(asked: Asked, limits: Limits, business_id: str | None, *, identified: bool) -> Statement:
    """Select who is meant, what they have, and how fresh that is.

    Who is `identified` is told with what names him.
    """
    return _of(asked, None, limits, business_id, _IDENTIFIED_NOW if identified else _PERSONS_NOW)


def freshness(business_ids: Sequence[str]) -> Statement:
    """Select how far the read models are, and the last webhook of each of these businesses."""
    asked: dict[str, object] = {"business_ids": list(business_ids)}
    return Statement(_BUSINESSES + FRESHNESS_OF_BUSINESSES, asked)


def then(asked: Asked, as_of: datetime, limits: Limits, business_id: str | None) -> Statement:
    """Select who was meant as of an instant, and where to find what they had."""
    found = _of(asked, as_of, limits, business_id, _PERSONS_THEN)
    return Statement(found.sql, {**found.params, "held": sorted(HELD)})


def _of(
    asked: Asked, as_of: datetime | None, limits: Limits, business_id: str | None, rest: str
) -> Statement:
    begin = claims.persons(
        asked,
        as_of=as_of,
        business_id=business_id,
        persons_max=limits.persons_max,
        claims_max=limits.claims_max,
    )
    params = {**begin.params, **limits._asdict()}
    return Statement(_together(begin.sql, rest), params)


@cache
def _together(begin: str, rest: str) -> str:
    # psycopg keeps what it has parsed of statements up to 4,096 characters.
    return " ".join(f"{begin}{rest}".split())


def read(row: Sequence[object]) -> Found:
    """Read a row of `now`, `then` or `freshness`."""
    return Found(*row)  # type: ignore[arg-type]  # what the statement selects


def holding(found: Found) -> Holding:
    """Read the holding that a row is about."""
    try:
        return Holding(*_DECODERS[found.kind].decode(found.row))
    except msgspec.ValidationError:
        return _of_before(found)


def _of_before(found: Found) -> Holding:
    """Read what was written before its kind had all the fields that it has: nothing tells them."""
    kind, entity, *others = msgspec.json.decode(found.row)
    fields = _untold(kind) | entity
    return Holding(*msgspec.convert([kind, fields, *others], _SHAPES[kind]))


@cache
def _untold(name: str) -> dict[str, object]:
    """Return the value of each field of a kind's own where nothing tells one."""
    kind = KINDS[name]
    declared = own_fields(kind.entity)
    own = {one: reader_of(one, declared[one])(None) for one in declared}
    return {"settled": 0, "missing_since": None} | own | dict(kind.derived)


_SHAPES: Final[Mapping[str, type[_Held]]] = {
    name: tuple[str, kind.entity, datetime, str, datetime]  # type: ignore[name-defined]
    for name, kind in KINDS.items()
}
_DECODERS: Final = {name: msgspec.json.Decoder(shape) for name, shape in _SHAPES.items()}
