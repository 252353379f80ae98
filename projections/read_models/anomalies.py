"""What is wrong at an instant, of one aggregate or of several; and businesses that went silent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from domain.aggregates.routing import NOTICE
from domain.anomalies.span import Named, Testimony
from domain.field_readers import INT64_MAX
from postgres.statement import Statement
from projections.bound import of_business
from projections.listing import Moment, StorableText

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SILENT: Final = "silent"
BUSINESS: Final = "business"
"""The kind of what is silent, which is no thing of Dodo's that a webhook is about."""
FILTERS: Final = ("code", "kind", "customer_id", "business_id")
"""What the open ones are filtered by: each is a column."""
SILENT_MIN: Final = timedelta(hours=24)
SILENT_FACTOR: Final = 2
PAUSES_OF: Final = 1_000
PAUSES_OF_MIN: Final = 20
"""A business is silent once nothing has come from it for `SILENT_FACTOR` times the longest pause
between any two of its last `PAUSES_OF` webhooks, and for `SILENT_MIN`. Of whom fewer than
`PAUSES_OF_MIN` have come, nobody knows what is usual."""

_SILENT_MIN: Final = f"{SILENT_MIN.total_seconds():.0f} s"
_COLUMNS: Final = (
    "opened_at, code, stream_id, kind, id, about, business_id, customer_id, settled_at, amount,"
    " currency, objects, evidence"
)
_IS_OPEN: Final = "a.span @> %(at)s::timestamptz"
_OPEN: Final = f"SELECT {_COLUMNS} FROM anomalies AS a WHERE {_IS_OPEN}"  # noqa: S608 -- constants
# What is no webhook is no sign of life: an erasure, a look. An index has all others by business.
_WEBHOOK: Final = f"(t.verdict IS NOT NULL OR t.kind = '{NOTICE}')"
_BUSINESSES: Final = f"""
    WITH RECURSIVE businesses (business_id) AS (
        (
            SELECT t.business_id FROM timeline AS t WHERE t.business_id > '' AND {_WEBHOOK}
            ORDER BY t.business_id LIMIT 1
        )
        UNION ALL
        SELECT (
            SELECT t.business_id FROM timeline AS t
            WHERE t.business_id > b.business_id AND {_WEBHOOK}
            ORDER BY t.business_id LIMIT 1
        ) FROM businesses AS b WHERE b.business_id IS NOT NULL
    )
"""  # noqa: S608 -- constants
_ONE_BUSINESS: Final = "WITH businesses AS (SELECT %(of_business)s::text AS business_id)"
# Positions and times of recording go together, so %(until)s stands for the instant. Where it is not
# given it bounds the index none the less: a plan for any instant would walk all of it otherwise.
LAST_OF_BUSINESS: Final = f"""CROSS JOIN LATERAL (
        SELECT * FROM timeline AS t WHERE t.business_id = b.business_id
        AND t.position <= coalesce(%(until)s::bigint, {INT64_MAX}) AND {_WEBHOOK}
        ORDER BY t.position DESC LIMIT 1
    ) AS last"""  # noqa: S608 -- constants
"""Joins to a business `b` its last webhook, `last`, up to a position where one is given."""
# The last webhook of a business is found in an index, and if it is not long ago, that is all. Those
# before it are found one by one, since no planner may prefer to sort all there are.
_SILENT: Final = f"""
    SELECT last.recorded_at + usual.longest, '{SILENT}', '', '{BUSINESS}', b.business_id, '',
        b.business_id, NULL, further.recorded_at, NULL::bigint, NULL,
        jsonb_build_array(jsonb_build_object('kind', '{BUSINESS}', 'id', b.business_id)),
        jsonb_build_array(jsonb_build_object(
            'kind', last.kind, 'id', last.id, 'webhook_id', last.webhook_id, 'type', last.type,
            'occurred_at', coalesce(last.occurred_at, last.recorded_at),
            'fields', jsonb_build_object('last_at', last.recorded_at,
                'usual_s', extract(epoch FROM usual.longest)::bigint)
        ))
    FROM businesses AS b
    {LAST_OF_BUSINESS}
    CROSS JOIN LATERAL (
        WITH RECURSIVE lately (position, recorded_at, longest, webhooks) AS (
            SELECT last.position, last.recorded_at, interval '0', 1
            WHERE last.recorded_at + '{_SILENT_MIN}' <= %(at)s
            UNION ALL
            SELECT e.position, e.recorded_at, greatest(l.longest, l.recorded_at - e.recorded_at),
                l.webhooks + 1
            FROM lately AS l CROSS JOIN LATERAL (
                SELECT t.position, t.recorded_at FROM timeline AS t
                WHERE t.business_id = b.business_id AND t.position < l.position AND {_WEBHOOK}
                ORDER BY t.position DESC LIMIT 1
            ) AS e
            WHERE l.webhooks < {PAUSES_OF}
        )
        SELECT max(webhooks) AS webhooks,
            greatest(max(longest) * {SILENT_FACTOR}, '{_SILENT_MIN}') AS longest
        FROM lately
    ) AS usual
    LEFT JOIN LATERAL (
        SELECT t.recorded_at FROM timeline AS t
        WHERE t.business_id = b.business_id AND t.position > last.position AND {_WEBHOOK}
        ORDER BY t.position LIMIT 1
    ) AS further ON true
    WHERE usual.webhooks >= {PAUSES_OF_MIN} AND last.recorded_at + usual.longest <= %(at)s
"""  # noqa: S608 -- constants
# Of many that are open, each table counts its own in half of the time that the view takes.
_COUNTED: Final = tuple(
    f"SELECT a.code, count(*) AS number FROM {source} WHERE {holds}"  # noqa: S608 -- constants
    for source, holds in (
        ("anomaly_spans AS a", f"{_IS_OPEN} AND a.about = ''"),
        ("joint_anomalies AS a", _IS_OPEN),
        ("unfit_payments AS a", _IS_OPEN),
        (f"({_SILENT}) AS a ({_COLUMNS})", "true"),
    )
)
_KEY: Final = "opened_at, code, stream_id, kind, id, about"


class AnomalyKey(NamedTuple):
    """A place in the list: what opened last comes first."""

    opened_at: Moment
    code: StorableText
    stream_id: StorableText
    kind: StorableText
    id: StorableText
    about: StorableText


class Open(msgspec.Struct, frozen=True):
    """An anomaly that is open at an instant."""

    opened_at: datetime
    code: str
    stream_id: str
    kind: str
    id: str
    about: str
    business_id: str
    customer_id: str | None
    settled_at: datetime | None
    amount: int | None
    currency: str | None
    objects: tuple[Named, ...]
    evidence: tuple[Testimony, ...]

    @property
    def key(self) -> AnomalyKey:
        """Its place in the list."""
        place = self.opened_at, self.code, self.stream_id, self.kind, self.id, self.about
        return AnomalyKey(*place)


class Instant(NamedTuple):
    """An instant, and the last position that had been recorded by then (None: all have)."""

    at: datetime
    until: int | None


def businesses(business_id: object) -> str:
    """Begin a statement with `businesses`: the one of the parameter `of_business`, or all."""
    return _BUSINESSES if business_id is None else _ONE_BUSINESS


def page(
    filters: Mapping[str, object],
    instant: Instant,
    *,
    after: AnomalyKey | None,
    limit: int,
    business_id: str | None = None,
) -> Statement:
    """Select what is open at an instant and meets filters, by the names in `FILTERS`.

    Where a business is given, nothing of others is selected, whatever the filters ask.
    """
    conditions = [f"a.{name} = %({name})s" for name in filters]
    if after is not None:
        place = ", ".join(f"%(after_{name})s" for name in after._fields)
        conditions.append(f"({_KEY}) < ({place})")
    of_one = business_id or filters.get("business_id")
    sql = (
        f"{_open(filters, of_one)} SELECT {_COLUMNS} FROM open AS a"  # noqa: S608 -- constants
        f" WHERE {' AND '.join(['true', *conditions])}{of_business('a', business_id)}"
        f" ORDER BY {', '.join(f'{name} DESC' for name in AnomalyKey._fields)} LIMIT %(limit)s"
    )
    following = {f"after_{name}": value for name, value in after._asdict().items()} if after else {}
    asked = {**filters, **following, **instant._asdict(), "limit": limit}
    return Statement(sql, {**asked, "bound_to": business_id, "of_business": of_one})


def counts(instant: Instant, business_id: str | None = None) -> Statement:
    """Select how many are open at an instant, by code; of one business alone where it is given."""
    grouped = (f"{part}{of_business('a', business_id)} GROUP BY a.code" for part in _COUNTED)
    sql = (
        f"{businesses(business_id)} SELECT code, sum(number)::bigint"  # noqa: S608 -- constants
        f" FROM ({' UNION ALL '.join(grouped)}) AS counted GROUP BY code ORDER BY code"
    )
    bound = {"bound_to": business_id, "of_business": business_id}
    return Statement(sql, {**instant._asdict(), **bound})


def _open(filters: Mapping[str, object], business_id: object) -> str:
    """Begin a statement with `open`: what is open, and may meet the filters."""
    wanted = {"code": SILENT, "kind": BUSINESS, "customer_id": None}
    if any(name in filters and filters[name] != value for name, value in wanted.items()):
        return f"WITH open AS ({_OPEN})"
    return f"{businesses(business_id)}, open AS ({_OPEN} UNION ALL {_SILENT})"


def read(row: Sequence[Any]) -> Open:
    """Read a row of `page`; its times are in the connection's time zone."""
    return msgspec.convert(dict(zip(Open.__struct_fields__, row, strict=True)), Open)
