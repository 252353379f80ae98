"""The next page of the log, and the events of the streams that the page touches."""

from __future__ import annotations

from contextlib import closing
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.aggregate import place_in_log
from domain.aggregates.routing import is_notice
from ledger.following.homes import settle_all
from ledger.integrity.hash_chain import GENESIS
from ledger.mapper import COLUMNS
from postgres.arrays import TextArray

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from datetime import datetime

    from psycopg import Connection, Cursor
    from psycopg.rows import TupleRow

    from domain.event import Event
    from ledger.following.checkpoint import Checkpoint
    from ledger.mapper import LedgerMapper

PAGE_EVENTS_MAX: Final = 2_000
PAGE_BYTES_MAX: Final = 32 * 2**20
PAGE_HISTORY_MAX: Final = 20_000
"""How many events the streams that a page touches may have in all, but for the first of them."""
FETCH_ROWS: Final = 16
"""So many rows are held in memory before they are decoded; a delivery may have 1 MiB."""

# The row at the checkpoint itself comes first: it shows that nothing is missing behind it, and
# that it is the row that was followed.
_PAGE: Final = """
    SELECT notification_id, hash, originator_id, originator_version, octet_length(state),
        recorded_at
    FROM raphus.ledger_events WHERE notification_id >= %s ORDER BY notification_id LIMIT %s
"""
_HASH: Final = "SELECT hash FROM raphus.ledger_events WHERE notification_id = %s"
# OFFSET 0 and + 0 keep the planner at look-ups of streams in the primary key, whatever it thinks of
# the sizes: it would look through all positions up to the last one, for each of the streams.
_HISTORIES: Final = f"""
    SELECT events.* FROM unnest(%s::text[], %s::bigint[]) AS touched (stream_id, version)
    CROSS JOIN LATERAL (
        SELECT {COLUMNS} FROM raphus.housed_events
        WHERE originator_id = touched.stream_id AND originator_version <= touched.version
        AND notification_id + 0 <= %s OFFSET 0
    ) AS events
"""  # noqa: S608 -- constants
_ANY_VERSION: Final = 2**63 - 1


class LogError(Exception):
    """The log does not go on where the read models stand: something was lost or changed."""


class Page(NamedTuple):
    """Consecutive events of the log: those after a position, up to another one.

    `hash` is the log's at the last position. `versions` has the streams that the events belong
    to, each with its version at the page's end; `recorded_at` is of the first event.
    """

    after: int
    last: int
    hash: bytes
    versions: Mapping[str, int]
    recorded_at: datetime

    @property
    def events(self) -> int:
        """How many events the page holds."""
        return self.last - self.after

    @property
    def has_notices(self) -> bool:
        """Whether one of the events stands in the log as a notice."""
        return any(map(is_notice, self.versions))


def next_page(
    conn: Connection,
    after: Checkpoint,
    events_max: int = PAGE_EVENTS_MAX,
    bytes_max: int | None = None,
) -> Page | None:
    """Find the page that follows a checkpoint; None at the end of the log.

    It ends before the bytes of its events, or the events of its streams, become too many.

    Raises:
        LogError: the position itself, or one of those that follow it, is not in the log; or the
            log up to the position is not the one that was followed.
    """
    parameters = [after.position, events_max + 1]
    rows = conn.execute(_PAGE, parameters, prepare=True, binary=True).fetchall()
    _check(after, rows)
    versions: dict[str, int] = {}
    bytes_ = history = 0
    last, hash_, recorded_at = after.position, after.hash, None
    for position, chained, stream_id, version, size_bytes, recorded in rows[after.position > 0 :]:
        history += version - versions.get(stream_id, 0)
        bytes_ += size_bytes
        if versions and (bytes_ > (bytes_max or PAGE_BYTES_MAX) or history > PAGE_HISTORY_MAX):
            break
        versions[stream_id] = version
        last, hash_ = position, chained
        recorded_at = recorded_at or recorded
    return Page(after.position, last, hash_, versions, recorded_at) if recorded_at else None


def hash_at(conn: Connection[Any], position: int) -> bytes | None:
    """Return the log's hash at a position; None where there is no such event."""
    if position == 0:
        return GENESIS
    row = conn.execute(_HASH, [position]).fetchone()
    return bytes(row[0]) if row else None


def disagreement(followed: Checkpoint, hash_: bytes | None) -> str | None:
    """Tell, for a person, how a checkpoint and the log differ, whose hash there is given.

    Returns None where they agree: every event up to there was taken, and is what it was.
    """
    position, _, events = followed
    if events != position:
        return (
            f"of the {position} events up to the checkpoint, the read models have taken {events}:"
            " raphus rebuild takes all of them"
        )
    return None if hash_ == followed.hash else rewritten(position, hash_)


def rewritten(position: int, hash_: bytes | None) -> str:
    """Tell, for a person, that a log is not what was followed up to a position."""
    what = "has been rewritten there, or before" if hash_ else "has no such position any more"
    return (
        f"the read models show the log up to position {position}, but it {what}: raphus verify"
        " tells whether it is whole, and docs/operations.md what to do"
    )


def _check(after: Checkpoint, rows: Sequence[TupleRow]) -> None:
    position, positions = after.position, [row[0] for row in rows]
    expected = range(position or 1, (position or 1) + len(positions))
    if position > 0 and not positions:
        raise LogError(f"position {position} has been read, but the log ends before it")
    if list(expected) != positions:
        raise LogError(f"the log has a hole between positions {expected[0]} and {positions[-1]}")
    if problem := disagreement(after, rows[0][1] if position else GENESIS):
        raise LogError(problem)


def _rows(curs: Cursor, upto: Mapping[str, int], last: int) -> Generator[TupleRow]:
    streams, versions = zip(*sorted(upto.items()), strict=True)
    parameters = [TextArray(streams), list(versions), last]
    # A stream of rows is never prepared, and to plan it takes longer than to find a few.
    if sum(versions) <= FETCH_ROWS:
        yield from curs.execute(_HISTORIES, parameters, prepare=True)
    else:
        yield from curs.stream(_HISTORIES, parameters, size=FETCH_ROWS)


def histories(
    conn: Connection, page: Page, mapper: LedgerMapper
) -> Generator[tuple[str, list[Event]]]:
    """Read all events, up to the page's last, of each aggregate that the page touches.

    Events of the page that an older release has stored as notices of a type that is understood are
    those of their aggregates. They come over the connection as they are taken: it is free again
    when the last one is, or when the generator is closed.

    Raises:
        LogError: behind the last stream: an event of the page is in none of them.
    """
    homes: frozenset[str] = frozenset()
    if page.has_notices:
        homes = settle_all(conn, mapper, page.after, page.last)
    versions = {**page.versions, **dict.fromkeys(homes, _ANY_VERSION)}
    found = 0
    with closing(histories_of(conn, mapper, versions, page.last)) as streams:
        for stream_id, events in streams:
            found += sum(page.after < (event.position or 0) <= page.last for event in events)
            yield stream_id, events
    if found != page.events:
        raise LogError(
            f"of the {page.events} events at positions {page.after + 1} to {page.last}, only"
            f" {found} are in their streams' histories: raphus verify tells what was changed"
        )


def histories_of(
    conn: Connection, mapper: LedgerMapper, versions: Mapping[str, int], last: int
) -> Generator[tuple[str, list[Event]]]:
    """Read all events up to a position of streams, each up to a version, in order of arrival."""
    with conn.cursor(binary=True) as curs, closing(_rows(curs, versions, last)) as rows:
        for stream_id, of_stream in groupby(rows, key=itemgetter(0)):
            events = [mapper.decode(*row) for row in of_stream]
            yield stream_id, sorted(events, key=place_in_log)


def whole_histories(
    conn: Connection, mapper: LedgerMapper, streams: Iterable[str], last: int
) -> Generator[tuple[str, list[Event]]]:
    """Read all events of streams up to a position, in order of arrival."""
    yield from histories_of(conn, mapper, dict.fromkeys(streams, _ANY_VERSION), last)
