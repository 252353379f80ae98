"""Tracking: how far the read models have followed the log, kept as eventsourcing keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from psycopg.rows import dict_row

from domain.ledger import Ledger
from projections.listing import Statement

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMA: Final = "raphus"
TABLE: Final = "projections_tracking"
POSITION: Final = Statement(
    "SELECT coalesce(max(notification_id), 0) FROM raphus.projections_tracking"
    " WHERE application_name = %(application)s",
    {"application": Ledger.name},
)
"""Selects the position up to which the read models have followed the log, 0 at first."""

_LOCK: Final = (
    "SELECT notification_id FROM raphus.projections_tracking WHERE application_name = %s FOR UPDATE"
)


class ProjectionTracking(PostgresTrackingRecorder):
    """The library's tracking, on the connection and in the transaction that write the rows."""

    def __init__(self) -> None:
        # Its pool is never opened.
        never = PostgresDatastore("", "", "", "", "", schema=SCHEMA, originator_id_type="text")
        super().__init__(never, tracking_table_name=TABLE)

    def position(self, conn: Connection[Any]) -> int:
        """Return the position of the last event that has been followed, 0 for none."""
        with conn.cursor(row_factory=dict_row) as curs:
            return self._max_tracking_id(Ledger.name, curs) or 0

    def take(self, conn: Connection[Any]) -> int | None:
        """Lock the checkpoint until the transaction ends; None where somebody else holds it."""
        row = conn.execute(_LOCK + " SKIP LOCKED", [Ledger.name]).fetchone()
        return None if row is None else int(row[0])

    def hold(self, conn: Connection[Any]) -> int:
        """Lock the checkpoint until the transaction ends, once the page at hand is committed."""
        row = conn.execute(_LOCK, [Ledger.name]).fetchone()
        assert row is not None, "the migrations make the checkpoint"
        return int(row[0])

    def advance(self, conn: Connection[Any], position: int) -> None:
        """Record, in the caller's transaction, that all up to a position has been followed.

        Raises:
            IntegrityError: that has been recorded already: somebody else follows too.
        """
        with conn.cursor(row_factory=dict_row) as curs:
            self._insert_tracking(curs, Tracking(Ledger.name, position))
