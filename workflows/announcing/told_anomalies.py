"""The table of the anomalies that were told to be open, and how what is open differs from it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from psycopg.types.json import Jsonb

from domain.anomalies.announced import AnomalyChange, opened, settled
from projections.read_models import anomalies
from projections.read_models.anomalies import SILENT, Instant, Open

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

_KEY: Final = "stream_id, code, kind, id, about"
_TOLD_KEY: Final = "t.stream_id, t.code, t.kind, t.id, t.about"
# Of what no business can be told, nobody can be told.
_OPENED: Final = f"""
    SELECT DISTINCT ON ({_KEY}) {", ".join(Open.__struct_fields__)}
    FROM raphus.anomalies AS a WHERE span @> %(at)s::timestamptz AND business_id <> ''
    AND NOT EXISTS (
        SELECT FROM raphus.announced_anomalies AS t
        WHERE (t.stream_id, t.code, t.kind, t.id, t.about)
            = (a.stream_id, a.code, a.kind, a.id, a.about)
    )
    ORDER BY {_KEY}, opened_at DESC LIMIT %(limit)s
"""  # noqa: S608 -- constants
# What is still open, and what settled last and by what fact, is found in the rows of one stream
# each, however many are open: OFFSET 0 keeps the planner at that.
_SETTLED: Final = f"""
    SELECT {_TOLD_KEY}, t.business_id, t.told, span.settled_at, fact.webhook_id, fact.type
    FROM raphus.announced_anomalies AS t
    LEFT JOIN LATERAL (
        SELECT a.span @> %(at)s::timestamptz AS is_open, a.settled_at FROM raphus.anomalies AS a
        WHERE (a.stream_id, a.code, a.kind, a.id, a.about)
            = (t.stream_id, t.code, t.kind, t.id, t.about) AND a.opened_at <= %(at)s
        ORDER BY a.opened_at DESC LIMIT 1 OFFSET 0
    ) AS span ON true
    LEFT JOIN LATERAL (
        SELECT f.webhook_id, f.type FROM raphus.timeline AS f
        WHERE f.stream_id = t.stream_id AND f.occurred_at = span.settled_at
        ORDER BY f.position DESC LIMIT 1 OFFSET 0
    ) AS fact ON true
    WHERE t.code <> '{SILENT}' AND span.is_open IS NOT TRUE
    ORDER BY {_TOLD_KEY} LIMIT %(limit)s
"""  # noqa: S608 -- constants
_SILENT: Final = f"SELECT business_id, told FROM raphus.announced_anomalies WHERE code = '{SILENT}'"  # noqa: S608 -- constants
_ADD: Final = f"""
    INSERT INTO raphus.announced_anomalies ({_KEY}, business_id, told)
    VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT ({_KEY}) DO NOTHING
"""  # noqa: S608 -- constants
_REMOVE: Final = f"""
    DELETE FROM raphus.announced_anomalies WHERE ({_KEY}) = (%s, %s, %s, %s, %s)
"""  # noqa: S608 -- constants


class Place(NamedTuple):
    """What tells an anomaly from all others."""

    stream_id: str
    code: str
    kind: str
    id: str
    about: str


class Found(NamedTuple):
    """An anomaly that has opened, or has settled, since it was told."""

    place: Place
    business_id: str
    is_open: bool
    change: AnomalyChange


def opened_by(conn: Connection[Any], at: datetime, limit: int) -> list[Found]:
    """Return what is open at an instant and was not told to be."""
    rows = conn.execute(_OPENED, {"at": at, "limit": limit}).fetchall()
    return [_opened(anomalies.read(row)) for row in rows]


def settled_by(conn: Connection[Any], at: datetime, limit: int) -> list[Found]:
    """Return what was told to be open and is not at an instant."""
    rows = conn.execute(_SETTLED, {"at": at, "limit": limit}).fetchall()
    return [
        Found(Place(*row[:5]), row[5], False, settled(_read(row[6]), row[7], _fact(*row[8:])))
        for row in rows
    ]


def differing_silence(conn: Connection[Any], now: datetime, limit: int) -> list[Found]:
    """Return which businesses have gone silent, and of which something has come again."""
    sql, asked = anomalies.page({"code": SILENT}, Instant(now, None), after=None, limit=limit)
    conn.execute("SET LOCAL search_path = raphus")
    silent = [anomalies.read(row) for row in conn.execute(sql.encode(), asked).fetchall()]
    told = {business: _read(one) for business, one in conn.execute(_SILENT).fetchall()}
    quiet = {one.business_id for one in silent}
    gone = [
        Found(_silence(business), business, False, settled(one, now, None))
        for business, one in told.items()
        if business not in quiet
    ]
    return gone + [_opened(one) for one in silent if one.business_id not in told]


def write(conn: Connection[Any], found: Sequence[Found]) -> None:
    """Write what has been told."""
    with conn.cursor() as curs:
        added = [
            [*one.place, one.business_id, Jsonb(msgspec.to_builtins(one.change))]
            for one in found
            if one.is_open
        ]
        curs.executemany(_ADD, added)
        curs.executemany(_REMOVE, [one.place for one in found if not one.is_open])


def _opened(one: Open) -> Found:
    place = Place(one.stream_id, one.code, one.kind, one.id, one.about)
    money = one.amount, one.currency
    change = opened(one.code, one.opened_at, one.customer_id, money, one.objects, one.evidence)
    return Found(place, one.business_id, True, change)


def _silence(business_id: str) -> Place:
    return Place("", SILENT, anomalies.BUSINESS, business_id, "")


def _read(told: object) -> AnomalyChange:
    return msgspec.convert(told, AnomalyChange)


def _fact(webhook_id: str | None, type_: str | None) -> tuple[str, str] | None:
    return None if webhook_id is None or type_ is None else (webhook_id, type_)
