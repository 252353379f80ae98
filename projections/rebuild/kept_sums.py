"""What triggers keep beside a table compared with what its rows add up to, and made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg.sql import SQL, Identifier

from projections.read_models.recurring import RECURRING
from projections.read_models.subscriptions import SUBSCRIPTIONS
from projections.read_models.takings import TAKINGS
from projections.rebuild.table_diff import NONE, Difference, Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection
    from psycopg.sql import Composed

    from projections.read_model import ReadModel

KEPT: Final = {
    SUBSCRIPTIONS.table: ("subscription_counts",),
    TAKINGS.table: ("following_takings", "taking_days"),
    RECURRING.table: ("shared_books", "book_moves", "recurring_days", "cohort_days", "trials"),
}
"""The tables that are kept beside others, by these; each has a view of what it should hold."""
_TELLS_NOTHING: Final[dict[str, LiteralString]] = {
    "subscription_counts": "number = 0",
    "taking_days": "number = 0",
    "recurring_days": "(number, total_change, moved, customers, monthly_change, product_moved,"
    " product_customers, yearly_change, paying_change, active_change, trial_change)"
    " = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
    "cohort_days": "(change, customers, began, began_change) = (0, 0, 0, 0)",
}
_COMPARE: Final = """
    WITH told AS MATERIALIZED (SELECT * FROM {told} WHERE NOT ({tells_nothing})),
        kept AS (SELECT * FROM {kept} WHERE NOT ({tells_nothing}))
    SELECT (SELECT count(*) FROM told),
        (SELECT count(*) FROM (TABLE told EXCEPT ALL TABLE kept) AS lacking),
        (SELECT count(*) FROM (TABLE kept EXCEPT ALL TABLE told) AS surplus)
"""


def kept_beside(models: Sequence[ReadModel]) -> list[str]:
    """Return the tables that are kept beside those of read models, each behind what it needs."""
    return [table for model in models for table in KEPT.get(model.table, ())]


def compare_kept(conn: Connection[Any], table: str) -> Difference:
    """Compare one with the rows that it is kept beside, in the caller's transaction."""
    rows, lacking, surplus = conn.execute(_of(table, _COMPARE)).fetchall()[0]
    return Difference(table, rows, Found(lacking, []), Found(surplus, []), NONE)


def fill_kept(conn: Connection[Any], table: str) -> None:
    """Make one what the rows add up to, in the transaction of whoever keeps others from writing."""
    conn.execute(_of(table, "DELETE FROM {kept}"))
    conn.execute(_of(table, "INSERT INTO {kept} SELECT * FROM {told}"))


def _of(table: str, text: LiteralString) -> Composed:
    return SQL(text).format(
        kept=Identifier("raphus", table),
        told=Identifier("raphus", f"{table}_told"),
        tells_nothing=SQL(_TELLS_NOTHING.get(table, "false")),
    )
