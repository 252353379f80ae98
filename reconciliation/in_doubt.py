"""Which objects are in doubt: those that a reconciliation asks Dodo about first, one by one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.aggregates.dispute import OPEN
from domain.lateness import MISSING_AFTER
from postgres.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

IN_DOUBT_MAX: Final = 1_000
"""So many are asked about at once; others wait for the next time, when these are settled."""
LATELY: Final = timedelta(days=1)
"""What was heard of within this long has changed lately."""
REASONS: Final = (
    "drift",
    "overdue",
    "grace",
    "open_dispute",
    "refused",
    "partial",
    "lately",
)
"""Why something is in doubt, the worst first."""

# The kinds that Dodo can be asked about by id: docs/dodo-api.md, "Endpoints".
_KINDS: Final = {
    "subscription": ("subscriptions", "subscription_id"),
    "payment": ("payments", "payment_id"),
    "refund": ("refunds", "refund_id"),
    "dispute": ("disputes", "dispute_id"),
    "license_key": ("license_keys", "id"),
}
_OF_ANY: Final = (
    ("drift", "t.drift IS NOT NULL"),
    ("refused", "t.refused > t.settled"),
    ("partial", "t.history = 'partial'"),
)
_OVERDUE: Final = (
    "t.status = 'active' AND NOT coalesce(t.on_demand, false)"
    " AND t.next_billing_date < %(now)s - %(overdue_after)s"
)
_OF_KIND: Final = {
    "subscription": (
        ("overdue", _OVERDUE),
        ("grace", "t.status = 'past_due'"),
        ("lately", "t.occurred_at > %(now)s - %(lately)s"),
    ),
    "dispute": (("open_dispute", "t.status = ANY (%(open)s)"),),
}


class Doubtful(NamedTuple):
    """An object in doubt, and why. `payment_id` is None where it belongs to no payment."""

    kind: str
    id: str
    payment_id: str | None
    reason: str


def in_doubt(business_id: str, now: object, limit: int = IN_DOUBT_MAX) -> Statement:
    """Select what of a business is in doubt at an instant, the worst and newest first.

    What Dodo no longer has is not asked for again.
    """
    parts = " UNION ALL ".join(_part(kind) for kind in _KINDS)
    return Statement(
        f"SELECT kind, id, payment_id, reason FROM ({parts}) AS doubtful"  # noqa: S608 -- constants
        " ORDER BY array_position(%(reasons)s::text[], reason), occurred_at DESC, kind, id"
        " LIMIT %(limit)s",
        {
            "business_id": business_id,
            "now": now,
            "overdue_after": MISSING_AFTER,
            "lately": LATELY,
            "open": list(OPEN),
            "reasons": list(REASONS),
            "limit": limit,
        },
    )


def read(row: Sequence[Any]) -> Doubtful:
    """Read a row of `in_doubt`."""
    return Doubtful(*row)


def _part(kind: str) -> str:
    table, id_field = _KINDS[kind]
    rules = dict((*_OF_ANY, *_OF_KIND.get(kind, ())))
    worst_first = sorted(rules, key=REASONS.index)
    cases = " ".join(f"WHEN {rules[reason]} THEN '{reason}'" for reason in worst_first)
    payment = "t.payment_id" if kind in {"payment", "refund", "dispute"} else "NULL::text"
    return (
        f"SELECT * FROM (SELECT '{kind}' AS kind, t.{id_field} AS id, {payment} AS payment_id,"  # noqa: S608 -- constants
        f" CASE {cases} END AS reason, t.occurred_at FROM raphus.{table} AS t"
        " WHERE t.business_id = %(business_id)s AND t.missing_since IS NULL) AS of_kind"
        " WHERE reason IS NOT NULL"
    )
