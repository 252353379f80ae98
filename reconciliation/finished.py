"""Says in the log that an import has come to its end, once for each."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from domain.aggregates.announcement import Announcement
from ledger.own_events import OwnEvent, append, close_end, id_of

if TYPE_CHECKING:
    from reconciliation.import_state import ImportState
    from reconciliation.session import Session

TYPE: Final = "import.finished"
SOURCE: Final = "dodo_api"
_WALKS: Final = """
    SELECT walk, objects, news, began_at, ended_at FROM raphus.import_places
    WHERE business_id = %s AND mode = %s AND ended_at IS NOT NULL ORDER BY began_at, walk
"""
_IS_TOLD: Final = "SELECT EXISTS (SELECT FROM raphus.ledger_events WHERE webhook_id = %s)"


class Walked(msgspec.Struct, frozen=True):
    """How many objects of a sort were read, and how many of them said what was not known."""

    walk: str
    objects: int
    news: int


class ImportFinished(msgspec.Struct, frozen=True, kw_only=True):
    """That all was read that a `source` has, and how much of it was new."""

    source: str
    mode: str
    began_at: datetime
    ended_at: datetime
    objects: int
    news: int
    walks: tuple[Walked, ...]


class _Row(NamedTuple):
    walk: str
    objects: int
    news: int
    began_at: datetime
    ended_at: datetime


def tell_finished(session: Session, state: ImportState) -> None:
    """Append the event of an import that has ended, unless the log has it.

    Whoever dies before that has it told when the next import begins.

    Raises:
        psycopg.Error: the database went away; it is told, or not.
    """
    business_id, mode = state.whose
    rows = [_Row._make(row) for row in session.conn.execute(_WALKS, [business_id, mode])]
    began_at = min(row.began_at for row in rows)
    finished = ImportFinished(
        source=SOURCE,
        mode=mode,
        began_at=began_at,
        ended_at=max(row.ended_at for row in rows),
        objects=sum(row.objects for row in rows),
        news=sum(row.news for row in rows),
        walks=tuple(Walked(*row[:3]) for row in rows),
    )
    told = Announcement(TYPE, business_id, (mode,), finished.ended_at, finished)
    webhook_id = id_of(told.stream, f"{began_at.isoformat()}/{len(rows)}")
    own = OwnEvent(told.stream, TYPE, told.body, webhook_id)
    with session.conn.transaction():
        session.conn.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        head = close_end(session.conn, session.recorder)
        if session.conn.execute(_IS_TOLD, [own.webhook_id]).fetchone() == (False,):
            append(session.conn, session.recorder, head, [own])
