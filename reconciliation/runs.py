"""The tables of what reconciliations have found, written as it is found."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from psycopg.types.json import Jsonb

from reconciliation.finding import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

    from reconciliation.account import Account
    from reconciliation.finding import Finding

KEPT_MAX: Final = 1_000
"""So many reconciliations are kept: eight months of one every six hours."""
FINDINGS_MAX: Final = 10_000
"""So many findings of one are kept; all are counted."""
NOT_ENDED: Final = "it did not come to its end"

_BEGIN: Final = """
    INSERT INTO raphus.reconciliations (business_id, mode, days) VALUES (%s, %s, %s) RETURNING id
"""
_ABANDON: Final = """
    UPDATE raphus.reconciliations SET ended_at = clock_timestamp(), problem = %s
    WHERE ended_at IS NULL
"""
_PRUNE: Final = """
    DELETE FROM raphus.reconciliations
    WHERE id <= (SELECT id FROM raphus.reconciliations ORDER BY id DESC OFFSET %s LIMIT 1)
"""
_FIND: Final = """
    INSERT INTO raphus.reconciliation_findings (
        reconciliation_id, business_id, kind, object_id, customer_id, outcome, status_here,
        status_at_dodo, types, since, may_still_come, amount, currency, fields, looked_at
    ) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_COUNT: Final = "UPDATE raphus.reconciliations SET outcomes = %s WHERE id = %s"
_END: Final = """
    UPDATE raphus.reconciliations
    SET ended_at = clock_timestamp(), outcomes = %s, advice = %s, problem = %s WHERE id = %s
"""
_LAST: Final = """
    SELECT extract(epoch FROM clock_timestamp() - max(began_at))::float8
    FROM raphus.reconciliations WHERE ended_at IS NOT NULL AND problem IS NULL
"""


class Run:
    """One reconciliation, as it is kept. It is for whoever holds the lock."""

    def __init__(self, conn: Connection[Any], account: Account, days: int) -> None:
        self._conn = conn
        self._business_id = account.business_id
        self.outcomes: Counter[str] = Counter()
        self._kept = 0
        with conn.transaction():
            conn.execute(_ABANDON, [NOT_ENDED])
            conn.execute(_PRUNE, [KEPT_MAX])
            row = conn.execute(_BEGIN, [account.business_id, account.mode, days]).fetchone()
        assert row is not None
        self.id = int(row[0])

    def found(self, outcomes: Counter[str], findings: Sequence[Finding]) -> None:
        """Keep what was found, and count it."""
        self.outcomes += outcomes
        kept = findings[: max(0, FINDINGS_MAX - self._kept)]
        self._kept += len(kept)
        with self._conn.transaction(), self._conn.cursor() as curs:
            curs.executemany(_FIND, [[self.id, self._business_id, *_row(one)] for one in kept])
            curs.execute(_COUNT, [Jsonb(dict(self.outcomes)), self.id])

    def end(self, advice: Sequence[str], problem: str | None = None) -> None:
        """Keep that it came to its end, or why not."""
        self._conn.execute(_END, [Jsonb(dict(self.outcomes)), list(advice), problem, self.id])


def last_s(conn: Connection[Any]) -> float | None:
    """Return how many seconds ago the last one began that came to its end; None: there was none."""
    row = conn.execute(_LAST).fetchone()
    return None if row is None or row[0] is None else float(row[0])


def _row(one: Finding) -> list[object]:
    return [
        one.kind,
        one.id,
        one.customer_id,
        Outcome(one.outcome).value,
        one.status_here,
        one.status_at_dodo,
        list(one.types),
        one.since,
        one.may_still_come,
        one.amount,
        one.currency,
        list(one.fields),
        one.looked_at,
    ]
