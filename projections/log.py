"""Reading the log: the next page of it, and the events of the streams that the page touches."""

from __future__ import annotations

from contextlib import closing
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from datetime import datetime

    from psycopg import Connection, Cursor
    from psycopg.rows import TupleRow

    from domain.event import Event
    from domain.mapper import LedgerMapper

PAGE_EVENTS_MAX: Final = 2_000
PAGE_BYTES_MAX: Final = 32 * 2**20
PAGE_HISTORY_MAX: Final = 20_000
"""How many events the streams that a page touches may have in all, but for the first of them."""
_FETCH_ROWS: Final = 100

# The row at the checkpoint itself comes first: it shows that nothing is missing behind it.
_PAGE: Final = """
    SELECT notification_id, originator_id, originator_version, octet_length(state), recorded_at
    FROM raphus.ledger_events WHERE notification_id >= %s ORDER BY notification_id LIMIT %s
"""
# OFFSET 0 keeps the planner at one index look-up a stream, whatever it thinks of the sizes.
_HISTORIES: Final = """
    SELECT events.* FROM unnest(%s::text[], %s::bigint[]) AS touched (stream_id, version)
    CROSS JOIN LATERAL (
        SELECT originator_id, originator_version, topic, state, notification_id, recorded_at
        FROM raphus.ledger_events
        WHERE originator_id = touched.stream_id AND originator_version <= touched.version
        ORDER BY originator_version OFFSET 0
    ) AS events
"""


class LogError(Exception):
    """The log does not go on where the read models stand: something was lost or changed."""


class Page(NamedTuple):
    """Consecutive events of the log: those after a position, up to another one.

    `versions` has the streams that they belong to, each with its version at the page's end;
    `recorded_at` is of the first event.
    """

    after: int
    last: int
    versions: Mapping[str, int]
    recorded_at: datetime

    @property
    def events(self) -> int:
        """How many events the page holds."""
        return self.last - self.after


def next_page(conn: Connection, after: int, events_max: int = PAGE_EVENTS_MAX) -> Page | None:
    """Find the page that follows a position; None at the end of the log.

    It ends before the bytes of its events, or the events of its streams, become too many.

    Raises:
        LogError: the position itself, or one of those that follow it, is not in the log.
    """
    rows = conn.execute(_PAGE, [after, events_max + 1], prepare=True, binary=True).fetchall()
    _check(after, [row[0] for row in rows])
    versions: dict[str, int] = {}
    bytes_ = history = 0
    last, recorded_at = after, None
    for position, stream_id, version, size_bytes, recorded in rows[after > 0 :]:
        history += version - versions.get(stream_id, 0)
        bytes_ += size_bytes
        if versions and (bytes_ > PAGE_BYTES_MAX or history > PAGE_HISTORY_MAX):
            break
        versions[stream_id] = version
        last = position
        recorded_at = recorded_at or recorded
    return Page(after, last, versions, recorded_at) if recorded_at else None


def _check(after: int, positions: Sequence[int]) -> None:
    expected = range(after or 1, (after or 1) + len(positions))
    if after > 0 and not positions:
        raise LogError(f"position {after} has been read, but the log ends before it")
    if list(expected) != list(positions):
        raise LogError(f"the log has a hole between positions {expected[0]} and {positions[-1]}")


def _stream(curs: Cursor, parameters: Sequence[object]) -> Generator[TupleRow]:
    yield from curs.stream(_HISTORIES, parameters, size=_FETCH_ROWS)


def histories(
    conn: Connection, page: Page, mapper: LedgerMapper
) -> Generator[tuple[str, list[Event]]]:
    """Read all events, up to the page's last, of each stream that the page touches.

    They come over the connection as they are taken: it is free again when the last one is, or
    when the generator is closed.
    """
    streams, versions = zip(*sorted(page.versions.items()), strict=True)
    parameters = [list(streams), list(versions)]
    with (
        conn.cursor(binary=True) as curs,
        closing(_stream(curs, parameters)) as rows,
    ):
        for stream_id, of_stream in groupby(rows, key=itemgetter(0)):
            yield stream_id, [mapper.decode(*row) for row in of_stream]
