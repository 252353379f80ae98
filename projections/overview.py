"""How things stand at an instant, in counts: of subscriptions, disputes, failed payments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from domain.revenue.calendar import midnight
from postgres.statement import Statement
from projections.bound import of_business
from projections.read_models.anomalies import LAST_OF_BUSINESS, businesses
from projections.read_models.disputes import IS_OPEN
from projections.read_models.subscriptions import GRACE_LASTS

if TYPE_CHECKING:
    from datetime import datetime

ACTIVE: Final = "active"
IN_GRACE: Final = "in_grace"
DISPUTED: Final = "disputed"
FAILED: Final = "failed"

_NOW: Final = {
    "subscription": "subscriptions AS t WHERE true",
    "dispute": "disputes AS t WHERE true",
    "payment": "payments AS t WHERE true",
}
_THEN: Final = {
    kind: f"periods AS t WHERE t.kind = '{kind}' AND t.valid @> %(as_of)s::timestamptz"
    for kind in ("subscription", "dispute")
}
# `valid` by its parts, which the index of what has failed lately has.
_THEN["payment"] = (
    "periods AS t WHERE t.kind = 'payment' AND t.valid_from <= %(as_of)s"
    " AND (t.valid_to > %(as_of)s OR t.valid_to IS NULL)"
)
# Each is what a list is filtered by: its filters say the same, and so lead to what is counted.
_COUNTS: Final = f"""
    {{subscriptions}}
    UNION ALL
    (SELECT '{DISPUTED}', t.currency, count(*), coalesce(sum(t.amount), 0)::bigint
    FROM {{dispute}} AND {IS_OPEN}{{own}} GROUP BY t.currency)
    UNION ALL
    (SELECT '{FAILED}', t.currency, count(*), coalesce(sum({{total}}), 0)::bigint
    FROM {{payment}} AND t.status = 'failed' AND t.created_at >= %(failed_from)s{{own}}
    GROUP BY t.currency)
"""  # noqa: S608 -- constants
# Those of now are counted as they are written; of a snapshot, and of then, all are read.
_SUBSCRIPTIONS_NOW: Final = f"""
    SELECT '{ACTIVE}', NULL, coalesce(sum(t.number), 0)::bigint, NULL::bigint
    FROM subscription_counts AS t WHERE t.status = 'active'{{own}}
    UNION ALL
    SELECT '{IN_GRACE}', NULL, count(*), NULL
    FROM {{subscription}} AND t.status = 'past_due' AND {GRACE_LASTS}{{own}}
"""  # noqa: S608 -- constants
_SUBSCRIPTIONS_THEN: Final = f"""
    SELECT told.what, NULL, told.number, NULL::bigint
    FROM (
        SELECT count(*) FILTER (WHERE t.status = 'active') AS active,
            count(*) FILTER (WHERE t.status = 'past_due' AND {GRACE_LASTS}) AS in_grace
        FROM {{subscription}} AND t.status IN ('active', 'past_due'){{own}}
    ) AS counted
    CROSS JOIN LATERAL (
        VALUES ('{ACTIVE}', active), ('{IN_GRACE}', in_grace)
    ) AS told (what, number)
"""  # noqa: S608 -- constants
# Who was active then is told by what is kept of recurring changes: whole days, and the rest of one.
_SUBSCRIPTIONS_KEPT: Final = f"""
    SELECT told.what, NULL, told.number, NULL::bigint
    FROM (
        SELECT (
            SELECT coalesce(sum(t.active_change), 0) FROM recurring_days AS t
            WHERE t.day < %(day)s{{own}}
        ) + (
            SELECT coalesce(sum(t.active_change), 0) FROM recurring AS t
            WHERE t.at >= %(midnight)s AND t.at <= %(as_of)s{{own}}
        ) AS active, (
            SELECT count(*) FROM {{subscription}} AND t.status = 'past_due' AND {GRACE_LASTS}{{own}}
        ) AS in_grace
        OFFSET 0  -- each is counted once, though told twice
    ) AS counted
    CROSS JOIN LATERAL (
        VALUES ('{ACTIVE}', (active - in_grace)::bigint), ('{IN_GRACE}', in_grace)
    ) AS told (what, number)
"""  # noqa: S608 -- constants
_LAST_WEBHOOKS: Final = f"""
    SELECT last.business_id, last.webhook_id, last.type, last.occurred_at, last.recorded_at
    FROM businesses AS b {LAST_OF_BUSINESS}
    ORDER BY last.recorded_at DESC, last.business_id
"""  # noqa: S608 -- constants


class Counted(NamedTuple):
    """How many there are of something, by currency where that is one of amounts."""

    what: str
    currency: str | None
    number: int
    amount: int | None


def counts(
    as_of: datetime | None,
    failed_from: datetime,
    business_id: str | None = None,
    *,
    of_snapshot: bool = False,
) -> Statement:
    """Select what `Counted` has, now or as of an instant; failed are those since `failed_from`.

    A snapshot has the tables of read models, and none that is kept up beside them.
    """
    of_now = as_of is None
    parts = {**(_NOW if of_now else _THEN), "own": of_business("t", business_id)}
    kept = _SUBSCRIPTIONS_NOW if of_now else _SUBSCRIPTIONS_KEPT
    subscriptions = _SUBSCRIPTIONS_THEN if of_snapshot else kept
    day = midnight(as_of) if as_of else None
    sql = _COUNTS.format(
        **parts,
        subscriptions=subscriptions.format(**parts),
        total="t.total_amount" if of_now else "t.amount",
    )
    asked = {"as_of": as_of, "failed_from": failed_from, "bound_to": business_id}
    return Statement(sql, {**asked, "midnight": day, "day": day.date() if day else None})


def last_webhooks(until: int | None, business_id: str | None = None) -> Statement:
    """Select the newest webhook of each business, up to a position where one is given."""
    sql = businesses(business_id) + _LAST_WEBHOOKS
    return Statement(sql, {"until": until, "of_business": business_id})
