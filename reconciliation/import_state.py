"""How far an import is, with its progress: what each of its walks begins with, and moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

import msgspec
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from postgres.connections import Connection
    from postgres.statement import Statement
    from reconciliation.account import Account
    from telemetry.progress import Progress

_READ: Final = """
    SELECT place, objects, total, news, ended_at IS NOT NULL FROM raphus.import_places
    WHERE business_id = %s AND mode = %s AND walk = %s
"""
_WRITE: Final = """
    INSERT INTO raphus.import_places
        (business_id, mode, walk, place, objects, total, news, ended_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, CASE WHEN %s THEN clock_timestamp() END)
    ON CONFLICT (business_id, mode, walk) DO UPDATE SET
        place = EXCLUDED.place, objects = EXCLUDED.objects, total = EXCLUDED.total,
        news = EXCLUDED.news, changed_at = clock_timestamp(), ended_at = EXCLUDED.ended_at
"""
_HAS_ENDED: Final = """
    SELECT EXISTS (
        SELECT FROM raphus.import_places
        WHERE business_id = %s AND mode = %s AND walk = %s AND ended_at IS NOT NULL
    )
"""
_FORGET: Final = "DELETE FROM raphus.import_places WHERE business_id = %s AND mode = %s"

P = TypeVar("P", bound=msgspec.Struct)


class Standing(NamedTuple, Generic[P]):
    """How far a walk is: where it goes on, and how many objects were read, of how many.

    `news` of them said what was not known.
    """

    place: P
    objects: int = 0
    total: int = 0
    news: int = 0
    ended: bool = False


class ImportState:
    """The places of the import of one business, in one mode, and what else its walks ask for."""

    def __init__(self, conn: Connection, account: Account, progress: Progress) -> None:
        self.conn = conn
        self.business_id = account.business_id
        self.whose = account
        self._progress = progress

    def begun(self, walk: str, place: P) -> Standing[P]:
        """Return how far a walk is; at `place`, where it has not begun."""
        row = self.conn.execute(_READ, [*self.whose, walk]).fetchone()
        if row is None:
            return Standing(place)
        return Standing(msgspec.convert(row[0], type(place)), *row[1:])

    def move(self, walk: str, standing: Standing[Any]) -> None:
        """Commit how far a walk is, and show it."""
        place, *counts, ended = standing
        self.conn.execute(
            _WRITE, [*self.whose, walk, Jsonb(msgspec.to_builtins(place)), *counts, ended]
        )
        self.show(walk, standing)

    def end(self, walk: str, standing: Standing[P]) -> Standing[P]:
        """Commit that a walk is at its end."""
        ended = standing._replace(total=standing.objects, ended=True)
        self.move(walk, ended)
        return ended

    def show(self, walk: str, standing: Standing[Any]) -> None:
        """Show how far a walk is."""
        self._progress(walk, standing.objects, standing.total)

    def has_ended(self, walk: str) -> bool:
        """Tell whether a walk has come to its end."""
        return self.conn.execute(_HAS_ENDED, [*self.whose, walk]).fetchone() == (True,)

    def forget(self) -> None:
        """Let the next import begin anew."""
        self.conn.execute(_FORGET, [*self.whose])

    def rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Read rows."""
        return self.conn.execute(statement.sql.encode(), statement.params).fetchall()
