"""The homes of events: which aggregate takes what was stored as a notice while it was unknown.

A release that begins to understand a type finds deliveries of it in the log, as notices: streams of
their own. Rows of the log never change, so a table beside it says where such a row belongs; whoever
reads the events of an aggregate reads the view of both, `raphus.housed_events`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.aggregates.routing import route, types_taken
from ledger.mapper import COLUMNS

if TYPE_CHECKING:
    from psycopg import Connection

    from ledger.mapper import LedgerMapper

EVENTS_MAX: Final = 200
"""So many notices are looked at at once; each is held in memory, and may have 1 MiB."""
_NOTICES: Final = f"""
    SELECT {COLUMNS}, (SELECT h.stream_id FROM raphus.homes AS h WHERE h.position = notification_id)
    FROM raphus.ledger_events
    WHERE originator_id LIKE 'notice/%%' AND topic = ANY (%s)
    AND notification_id > %s AND notification_id <= %s
    ORDER BY notification_id LIMIT %s
"""  # noqa: S608 -- constants
_SETTLE: Final = """
    INSERT INTO raphus.homes (position, stream_id) SELECT * FROM unnest(%s::bigint[], %s::text[])
    ON CONFLICT (position) DO NOTHING
"""


class Settled(NamedTuple):
    """What was found up to a position: streams that have events in homes, and what was new.

    `moved` are the streams of notices from which events have just moved, `homes` those of all
    events that have a home; `new_homes` of those that have it since now.
    """

    last: int
    homes: frozenset[str]
    new_homes: frozenset[str]
    moved: frozenset[str]
    events: int


def settle(
    conn: Connection[Any], mapper: LedgerMapper, after: int, until: int, limit: int = EVENTS_MAX
) -> Settled:
    """Give homes to the notices behind a position, up to another, in the caller's transaction.

    It ends after so many notices of types that are understood, at the position `last`.
    """
    rows = conn.execute(
        _NOTICES, [list(types_taken()), after, until, limit], prepare=True, binary=True
    ).fetchall()
    homes: set[str] = set()
    found: dict[int, str] = {}
    moved: set[str] = set()
    for *columns, home in rows:
        event = mapper.decode(*columns)
        if home is not None:
            homes.add(home)
            continue
        to = route(event.delivery)
        if to.stream_id != event.originator_id:
            found[event.position or 0] = to.stream_id
            moved.add(event.originator_id)
    if found:
        conn.execute(_SETTLE, [list(found), list(found.values())])
    new = frozenset(found.values())
    last = rows[-1][4] if len(rows) == limit else until
    return Settled(last, new | homes, new, frozenset(moved), len(found))


def settle_all(
    conn: Connection[Any], mapper: LedgerMapper, after: int, until: int
) -> frozenset[str]:
    """Do the same to the end, and return the homes of all events in between."""
    homes: frozenset[str] = frozenset()
    while after < until:
        settled = settle(conn, mapper, after, until)
        homes |= settled.homes
        after = settled.last
    return homes
