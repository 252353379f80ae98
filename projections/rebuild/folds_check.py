"""Stored folds compared with what the events that they stand for add up to."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from domain.aggregates.factory import aggregate
from domain.going_on import base_of, encode
from ledger.following.pages import histories_of
from projections.folds import store
from projections.rebuild.table_diff import EXAMPLES_MAX, NONE, Difference, Found

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection

    from domain.event import Event
    from ledger.mapper import LedgerMapper
    from projections.folds.store import Written

TABLE: Final = "folds"
_AT_ONCE: Final = 100


def compare_folds(conn: Connection[Any], mapper: LedgerMapper, until: int) -> Difference:
    """Fold the events behind each stored fold up to a position, in the caller's transaction.

    Those of another release are no one's to go on from, and none of them is wrong. Streams come
    one after the other, each alone in memory.
    """
    rows, last = 0, ("", 0)
    wrong: dict[str, None] = {}
    while some := store.next_few(conn, until, last, _AT_ONCE):
        versions = {one.stream_id: one.version for one in some}  # the highest, which comes last
        right: set[Written] = set()
        with closing(histories_of(conn, mapper, versions, until)) as streams:
            for stream_id, events in streams:
                own = [one for one in some if one.stream_id == stream_id]
                right.update(one for one in own if _is_right(one, events))
        wrong |= dict.fromkeys(one.stream_id for one in some if one not in right)
        rows += len(some)
        last = some[-1].stream_id, some[-1].version
    return Difference(TABLE, rows, NONE, NONE, Found(len(wrong), [*wrong][:EXAMPLES_MAX]))


def _is_right(one: Written, events: Iterable[Event]) -> bool:
    among = [
        event
        for event in events
        if event.originator_version <= one.version and event.originator_version not in one.open
    ]
    return encode(base_of(aggregate(one.stream_id, among))) == one.fold
