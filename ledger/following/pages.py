"""The next page of the log, and the events of the streams that the page touches."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.aggregate import place_in_log
from domain.aggregates.routing import is_notice
from ledger.following.homes import settle_all
from ledger.integrity.hash_chain import GENESIS
from ledger.mapper import COLUMNS
from postgres.arrays import IntegerArray, TextArray
from postgres.together import Sent, together

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
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

BROUGHT_BYTES_MAX: Final = 4 * 2**20
"""The events up to so many bytes may come along with a page."""
_YOUNG: Final = 4

# The row at the checkpoint itself comes first: it shows that nothing is missing behind it, and
# that it is the row that was followed. Events are brought along, as `READ` would read them, if
# there are few, or where streams are young, which mostly begin in the page. Those of a stream in
# which others are at home are not: they are looked for one by one, where with EXISTS the planner
# may read all homes.
_PAGE: Final = f"""
    SELECT notification_id, hash, originator_id, originator_version, bytes, recorded_at, {{folded}},
        topic, CASE WHEN is_brought THEN state END,
        CASE WHEN is_brought AND is_first AND originator_version > 1 THEN ARRAY(
            SELECT k.originator_version FROM raphus.ledger_events AS k
            WHERE k.webhook_id = e.webhook_id AND k.originator_id = e.originator_id
            AND k.originator_version < e.originator_version
        ) END
    FROM (
        SELECT l.*, octet_length(state) AS bytes,
            sum(octet_length(state)) OVER (ORDER BY notification_id ROWS UNBOUNDED PRECEDING)
                <= {BROUGHT_BYTES_MAX} AS is_little,
            notification_id <= $1::bigint + {FETCH_ROWS} AS is_first
        FROM raphus.ledger_events AS l
        WHERE notification_id >= $1 ORDER BY notification_id LIMIT $2
    ) AS e CROSS JOIN LATERAL (
        SELECT notification_id > $1 AND (is_first OR is_little AND originator_version <= {_YOUNG})
            AND (
                SELECT h.position FROM raphus.homes AS h
                WHERE h.stream_id = e.originator_id LIMIT 1
            ) IS NULL
    ) AS b (is_brought)
    ORDER BY notification_id
"""  # noqa: S608 -- constants
_WHOLE: Final = _PAGE.format(folded="0").encode()
_FOLDED: Final = "SELECT f.version FROM raphus.folds AS f WHERE f.stream_id = e.originator_id"
_BEHIND_FOLDS: Final = _PAGE.format(folded=f"coalesce(({_FOLDED}), 0)").encode()
_HASH: Final = "SELECT hash FROM raphus.ledger_events WHERE notification_id = %s"
# OFFSET 0 and + 0 keep the planner at look-ups of streams in the primary key, whatever it thinks of
# the sizes: it would look through all positions up to the last one, for each of the streams.
READ: Final = f"""
    SELECT events.* FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
        AS touched (stream_id, version, after, base, last)
    CROSS JOIN LATERAL (
        SELECT {COLUMNS}, CASE WHEN touched.base > 0 THEN ARRAY(
            SELECT k.originator_version FROM raphus.ledger_events AS k
            WHERE k.webhook_id = e.webhook_id AND k.originator_id = touched.stream_id
            AND k.originator_version <= touched.base
        ) END
        FROM raphus.housed_events AS e
        WHERE originator_id = touched.stream_id AND originator_version <= touched.version
        AND originator_version > touched.after AND notification_id + 0 <= touched.last OFFSET 0
    ) AS events
"""  # noqa: S608 -- constants
"""Selects, with `parameters_of` it, the `COLUMNS` of events, stream by stream; and of each the
versions, up to the base, of events with the same webhook-id."""
ANY_VERSION: Final = 2**63 - 1


class LogError(Exception):
    """The log does not go on where the read models stand: something was lost or changed."""


class Brought(NamedTuple):
    """An event as `decode` takes it, and the versions of earlier ones with its webhook-id.

    These are None where nobody has looked for them.
    """

    columns: TupleRow
    told_before: Sequence[int] | None

    @property
    def version(self) -> int:
        """The event's."""
        return int(self.columns[1])


class Page(NamedTuple):
    """Consecutive events of the log: those after a position, up to another one.

    `hash` is the log's at the last position. `versions` has the streams that the events belong
    to, each with its version at the page's end; `recorded_at` is of the first event. Some events
    are `brought` along, by their streams.
    """

    after: int
    last: int
    hash: bytes
    versions: Mapping[str, int]
    recorded_at: datetime
    brought: Mapping[str, Sequence[Brought]]

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
    *,
    behind_folds: bool = False,
) -> Page | None:
    """Find the page that follows a checkpoint; None at the end of the log.

    It ends before the bytes of its events, or the events of its streams, become too many: be it
    all of these, or those alone that are `behind_folds` which are stored.

    Raises:
        LogError: the position itself, or one of those that follow it, is not in the log; or the
            log up to the position is not the one that was followed.
    """
    (rows,) = together(conn, [reading(after.position, events_max, behind_folds=behind_folds)])
    return page_of(after, rows, bytes_max)


def reading(position: int, events_max: int, *, behind_folds: bool) -> Sent:
    """Return the statement that reads the rows of so many events behind a checkpoint's position."""
    first = int(position > 0)  # the row at the checkpoint; at 0 there is none
    statement = _BEHIND_FOLDS if behind_folds else _WHOLE
    return Sent(statement, [position, first + events_max], binary=True)


def page_of(
    after: Checkpoint, rows: Sequence[TupleRow], bytes_max: int | None = None
) -> Page | None:
    """Make the page that follows a checkpoint of the rows behind it; None where there are none.

    Raises:
        LogError: as `next_page` does.
    """
    _check(after, rows)
    versions: dict[str, int] = {}
    bytes_ = history = 0
    behind = rows[int(after.position > 0) :]
    taken = 0
    for _, _, stream_id, version, bytes_each, _, folded, *_ in behind:
        history += max(version - versions.get(stream_id, folded), 1)
        bytes_ += bytes_each
        if versions and (bytes_ > (bytes_max or PAGE_BYTES_MAX) or history > PAGE_HISTORY_MAX):
            break
        versions[stream_id] = version
        taken += 1
    if not taken:
        return None
    last, hash_, *_ = behind[taken - 1]
    return Page(after.position, last, hash_, versions, behind[0][5], _brought(behind[:taken]))


def _brought(rows: Sequence[TupleRow]) -> dict[str, list[Brought]]:
    """Return the events that have come along with a page's rows, by their streams.

    Notices may be about to have homes.
    """
    brought: dict[str, list[Brought]] = {}
    for position, _, stream_id, version, _, recorded_at, _, topic, state, told_before in rows:
        if state is not None and not is_notice(stream_id):
            columns = (stream_id, version, topic, state, position, recorded_at)
            told = () if version == 1 else told_before
            brought.setdefault(stream_id, []).append(Brought(columns, told))
    return brought


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


def _rows(curs: Cursor, touched: Iterable[Touched], last: int) -> Generator[TupleRow]:
    asked = [*touched]
    parameters = parameters_of(asked, lambda _: last)
    # A stream of rows is never prepared, and to plan it takes longer than to find a few.
    if sum(one.version - one.after for one in asked) <= FETCH_ROWS:
        yield from curs.execute(READ, parameters, prepare=True)
    else:
        yield from curs.stream(READ, parameters, size=FETCH_ROWS)


class Touched(NamedTuple):
    """A stream, and which events of it are read: those behind `after`, up to a version.

    Those up to `base` are known, or what they add up to is.
    """

    stream_id: str
    version: int
    after: int = 0
    base: int = 0


def parameters_of(touched: Iterable[Touched], last_of: Callable[[str], int]) -> list[object]:
    """Return what `READ` is told: of each stream, up to which position it is read, too."""
    streams, versions, afters, bases = zip(*sorted(touched), strict=True)
    lasts = map(last_of, streams)
    return [TextArray(streams), *map(IntegerArray, (versions, afters, bases, lasts))]


class Read(NamedTuple):
    """What was read of a stream, in order of arrival.

    `told_before` are the versions, up to the base, of events with the same webhook-ids.
    """

    stream_id: str
    events: list[Event]
    told_before: set[int]


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
    versions = versions_of(conn, page, mapper)
    touched = [Touched(*one) for one in versions.items()]
    with closing(read(conn, page, mapper, touched)) as streams:
        for stream_id, events, _ in streams:
            yield stream_id, events


def versions_of(conn: Connection, page: Page, mapper: LedgerMapper) -> dict[str, int]:
    """Return the streams of the aggregates that a page touches, with their versions behind it.

    One to which notices of the page belong has any version.
    """
    homes: frozenset[str] = frozenset()
    if page.has_notices:
        homes = settle_all(conn, mapper, page.after, page.last)
    return {**page.versions, **dict.fromkeys(homes, ANY_VERSION)}


def read(
    conn: Connection, page: Page, mapper: LedgerMapper, touched: Iterable[Touched]
) -> Generator[Read]:
    """Read events of streams, among them all of a page, up to whose last event they go.

    Raises:
        LogError: behind the last stream: an event of the page is in none of them.
    """
    found = 0
    asked = [*touched]
    parts = Counter(one.stream_id for one in asked)
    known: list[Touched] = []
    others: list[Touched] = []
    for one in asked:
        is_known = parts[one.stream_id] == 1 and _is_brought(page, one)
        (known if is_known else others).append(one)
    brought = (_as_read(mapper, one, page.brought[one.stream_id]) for one in sorted(known))
    with closing(read_of(conn, mapper, others, page.last)) as streams:
        for read_ in chain(brought, streams):
            found += sum(page.after < (event.position or 0) <= page.last for event in read_.events)
            yield read_
    if found != page.events:
        raise LogError(
            f"of the {page.events} events at positions {page.after + 1} to {page.last}, only"
            f" {found} are in their streams' histories: raphus verify tells what was changed"
        )


def _is_brought(page: Page, asked: Touched) -> bool:
    """Whether all that is asked for of a stream has come with the page."""
    brought = page.brought.get(asked.stream_id, ())
    if len(brought) != asked.version - asked.after:
        return False
    if asked.base > 0 and any(one.told_before is None for one in brought):
        return False
    versions = [one.version for one in brought]
    return sorted(versions) == [*range(asked.after + 1, asked.version + 1)]


def _as_read(mapper: LedgerMapper, asked: Touched, brought: Sequence[Brought]) -> Read:
    """Return what has come with a page as it would have been read."""
    told_before = {version for one in brought for version in one.told_before or ()}
    known = {version for version in told_before if version <= asked.base}
    return Read(asked.stream_id, [mapper.decode(*one.columns) for one in brought], known)


def read_of(
    conn: Connection, mapper: LedgerMapper, touched: Iterable[Touched], last: int
) -> Generator[Read]:
    """Read events of streams up to a position."""
    if not touched:
        return
    with conn.cursor(binary=True) as curs, closing(_rows(curs, touched, last)) as rows:
        for stream_id, of_stream in groupby(rows, key=itemgetter(0)):
            events = []
            told_before: set[int] = set()
            for *columns, versions in of_stream:
                events.append(mapper.decode(*columns))
                told_before.update(versions or ())
            yield Read(stream_id, sorted(events, key=place_in_log), told_before)


def events_of(
    conn: Connection, mapper: LedgerMapper, touched: Iterable[Touched], last: int
) -> Generator[Event]:
    """Read events up to a position of streams, one after the other, in no order within a stream."""
    with conn.cursor(binary=True) as curs, closing(_rows(curs, touched, last)) as rows:
        for *columns, _ in rows:
            yield mapper.decode(*columns)


def histories_of(
    conn: Connection, mapper: LedgerMapper, versions: Mapping[str, int], last: int
) -> Generator[tuple[str, list[Event]]]:
    """Read all events up to a position of streams, each up to a version, in order of arrival."""
    touched = [Touched(*one) for one in versions.items()]
    with closing(read_of(conn, mapper, touched, last)) as streams:
        for stream_id, events, _ in streams:
            yield stream_id, events


def whole_histories(
    conn: Connection, mapper: LedgerMapper, streams: Iterable[str], last: int
) -> Generator[tuple[str, list[Event]]]:
    """Read all events of streams up to a position, in order of arrival."""
    yield from histories_of(conn, mapper, dict.fromkeys(streams, ANY_VERSION), last)
