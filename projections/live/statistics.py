"""The planner's statistics of young tables, kept up with what the follower writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg.sql import SQL, Identifier

if TYPE_CHECKING:
    from postgres.connections import Connection

_FIRST_AT: Final = 256
_TIMES: Final = 4
_LAST_AT: Final = 65_536
"""From so many events on, what a minute brings is little beside what there is."""

_TABLES: Final = """
    SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'raphus' AND c.relkind = 'r'
"""


class Statistics:
    """Has PostgreSQL look at its tables each time that a short log has grown fourfold.

    PostgreSQL does so by itself, but not before a minute has passed. Statements that are prepared
    keep until then the plan that was good when there was nothing: an import brings 100,000 events
    in that time.
    """

    def __init__(self) -> None:
        self._due_at = _FIRST_AT

    def renew(self, conn: Connection, position: int) -> None:
        """Do so if it is due at this position of the log, outside of a transaction.

        What somebody else has locked, as who vacuums it, is left out.
        """
        if position < self._due_at:
            return
        self._due_at = _TIMES * position
        if position <= _LAST_AT:
            tables = [Identifier(*names) for names in conn.execute(_TABLES).fetchall()]
            conn.execute(SQL("ANALYZE (SKIP_LOCKED) {}").format(SQL(", ").join(tables)))
