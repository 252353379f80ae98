"""Stored folds compared with what the events that they stand for add up to."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from domain.aggregates.factory import aggregate
from domain.going_on import base_of, encode
from ledger.following.pages import histories_of
from projections.folds import store
from projections.rebuild.table_diff import EXAMPLES_MAX, Difference, Found

if TYPE_CHECKING:
    from psycopg import Connection

    from ledger.mapper import LedgerMapper

TABLE: Final = "folds"
_AT_ONCE: Final = 100
_NONE: Final = Found(0, [])


def compare_folds(conn: Connection[Any], mapper: LedgerMapper, until: int) -> Difference:
    """Fold the events behind each stored fold up to a position, in the caller's transaction.

    Those of another release are no one's to go on from, and none of them is wrong. Streams come
    one after the other, each alone in memory.
    """
    rows, wrong, last = 0, [], ""
    while some := store.next_few(conn, until, last, _AT_ONCE):
        stored = {one.stream_id: one for one in some}
        versions = {one.stream_id: one.version for one in some}
        right = set()
        with closing(histories_of(conn, mapper, versions, until)) as streams:
            for stream_id, events in streams:
                one = stored[stream_id]
                among = [e for e in events if e.originator_version not in one.open]
                if encode(base_of(aggregate(stream_id, among))) == one.fold:
                    right.add(stream_id)
        wrong += [stream_id for stream_id in stored if stream_id not in right]
        rows += len(some)
        last = some[-1].stream_id
    return Difference(TABLE, rows, _NONE, _NONE, Found(len(wrong), wrong[:EXAMPLES_MAX]))
