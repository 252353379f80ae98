"""The read model of anomalies that two things make together, found in the spans of each.

One statement tells them, group by group: for the groups that a page of the log has touched, and for
all of them in a rebuild.
"""

from __future__ import annotations

from typing import Final

from domain.anomalies.rules import ENDED, HEARD, LIVE, PAID
from domain.lateness import MISSING_AFTER
from projections.read_model import Column, Grouped, ReadModel, no_rows
from projections.read_models.anomaly_spans import ANOMALY_SPANS, SPAN_COLUMNS

# Of all that overlap with one, the one that lasts longest overlaps for as long as any: so there is
# one row for each subscription that was taken up while another one lived, however many there are.
_TWO_LIVE: Final = f"""
    SELECT o.stream_id, 'two_live', o.kind, o.id, o.business_id, o.about, o.customer_id,
        o.opened_at, nullif(least(coalesce(o.settled_at, 'infinity'), l.reach), 'infinity'),
        o.began_at, o.amount, o.currency, o.objects || e.objects, o.evidence || e.evidence
    FROM (
        SELECT stream_id, ordinal, opened_at, max(coalesce(settled_at, 'infinity')) OVER (
            PARTITION BY business_id, about ORDER BY opened_at, stream_id, ordinal
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reach
        FROM conditions WHERE code = '{LIVE}'
    ) AS l
    JOIN conditions AS o ON o.stream_id = l.stream_id AND o.ordinal = l.ordinal
    CROSS JOIN LATERAL (
        SELECT objects, evidence FROM conditions AS f
        WHERE f.code = '{LIVE}' AND f.business_id = o.business_id AND f.about = o.about
        AND (f.opened_at, f.stream_id) < (o.opened_at, o.stream_id)
        ORDER BY coalesce(f.settled_at, 'infinity') DESC, f.stream_id LIMIT 1
    ) AS e
    WHERE l.reach > l.opened_at
"""  # noqa: S608 -- constants
_PAID_UNSEEN: Final = f"""
    SELECT stream_id, 'paid_unseen', kind, id, business_id, about, customer_id, missing_at,
        nullif(ends, 'infinity'), began_at, amount, currency, objects, evidence
    FROM (
        SELECT p.*, p.opened_at + '{MISSING_AFTER.total_seconds():.0f} s'::interval AS missing_at,
            least(coalesce(p.settled_at, 'infinity'), coalesce(h.heard_at, 'infinity')) AS ends
        FROM conditions AS p LEFT JOIN (
            SELECT business_id, about, min(opened_at) AS heard_at
            FROM conditions WHERE code = '{HEARD}' GROUP BY business_id, about
        ) AS h USING (business_id, about)
        WHERE p.code = '{PAID}'
    ) AS unseen
    WHERE ends > missing_at
"""  # noqa: S608 -- constants
# What was begun before the end, and took its time, is no charge after it.
_CHARGED_AFTER_END: Final = f"""
    SELECT p.stream_id, 'charged_after_end', p.kind, p.id, p.business_id, p.about, p.customer_id,
        greatest(p.opened_at, e.opened_at), least(p.settled_at, e.settled_at), p.began_at,
        p.amount, p.currency, p.objects, p.evidence || e.evidence
    FROM conditions AS p
    JOIN conditions AS e ON e.business_id = p.business_id AND e.about = p.about
    WHERE p.code = '{PAID}' AND e.code = '{ENDED}' AND p.began_at > e.opened_at
    AND p.amount IS DISTINCT FROM 0
    AND greatest(p.opened_at, e.opened_at)
        < coalesce(least(p.settled_at, e.settled_at), 'infinity')
"""  # noqa: S608 -- constants
RULES: Final = (_TWO_LIVE, _PAID_UNSEEN, _CHARGED_AFTER_END)
"""The rules over several aggregates, each a statement over their `conditions`."""
JOINT_ANOMALIES: Final = ReadModel(
    table="joint_anomalies",
    key=("stream_id", "code", "about", "opened_at"),
    columns=(Column("stream_id", "text"), *SPAN_COLUMNS),
    rows=no_rows,
    streams=frozenset(),
    grouped=Grouped(
        source=ANOMALY_SPANS.table,
        group=("business_id", "about"),
        counts="s.about <> ''",
        select="WITH conditions AS {kept} ("  # noqa: S608 -- constants
        "SELECT s.* FROM {source} AS s WHERE {among}"
        f") {' UNION ALL '.join(RULES)}",
    ),
)
