"""The events of the past that a route is for, by what is known of them now."""

from __future__ import annotations

from contextlib import closing
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.aggregates.factory import aggregate
from ledger.following.pages import FETCH_ROWS
from ledger.mapper import COLUMNS, LedgerMapper
from workflows.outbox.due_facts import trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from psycopg import Connection, Cursor
    from psycopg.rows import TupleRow

    from workflows.routes.route import Route
    from workflows.trigger import Trigger

PAGE_EVENTS_MAX: Final = 500
PAGE_BYTES_MAX: Final = 8 * 2**20
"""Of a page's events, each of which is held as it reads; one event may have more."""
_PAGE: Final = """
    SELECT notification_id, coalesce(h.stream_id, originator_id), webhook_id, topic FROM (
        SELECT notification_id, originator_id, webhook_id, topic, sum(octet_length(state)) OVER (
            ORDER BY notification_id ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW
        ) AS bytes_before
        FROM (
            SELECT * FROM raphus.ledger_events WHERE notification_id > %s AND notification_id <= %s
            ORDER BY notification_id LIMIT %s
        ) AS following
    ) AS measured LEFT JOIN raphus.homes AS h ON h.position = notification_id
    WHERE coalesce(bytes_before, 0) < %s ORDER BY notification_id
"""
_HISTORIES: Final = f"""
    SELECT {COLUMNS}
    FROM raphus.housed_events WHERE originator_id = ANY (%s) AND notification_id <= %s
    ORDER BY originator_id, notification_id
"""  # noqa: S608 -- constants


class ReplaySpan(NamedTuple):
    """The events behind one position, up to another, as they stand by what is known at a third."""

    after: int
    until: int
    known: int


class Match(NamedTuple):
    """An event that a route is for."""

    stream_id: str
    trigger: Trigger


class MatchedPage(NamedTuple):
    """A part of the log: the position at which it ends, and what in it matches, in order."""

    last: int
    matches: list[Match]


class _Place(NamedTuple):
    position: int
    stream_id: str
    webhook_id: str
    type: str


def pages(
    conn: Connection[Any], route: Route, wants_type: Callable[[str], bool], span: ReplaySpan
) -> Iterator[MatchedPage]:
    """Go through a part of the log; between two pages the connection is free."""
    after, mapper = span.after, LedgerMapper()
    while after < span.until:
        limits = [after, span.until, PAGE_EVENTS_MAX, PAGE_BYTES_MAX]
        rows = conn.execute(_PAGE, limits).fetchall()
        places = list(map(_Place._make, rows))
        if not places:
            return
        after = places[-1].position
        wanted = [place for place in places if wants_type(place.type)]
        matches = list(_matches(conn, mapper, route, wanted, span.known)) if wanted else []
        yield MatchedPage(after, sorted(matches, key=lambda match: match.trigger.position))


def _matches(
    conn: Connection[Any],
    mapper: LedgerMapper,
    route: Route,
    places: Sequence[_Place],
    known: int,
) -> Iterator[Match]:
    wanted = _by_stream(places)
    with conn.cursor(binary=True) as curs, closing(_rows(curs, list(wanted), known)) as rows:
        for stream_id, of_stream in groupby(rows, key=itemgetter(0)):
            stands = aggregate(stream_id, [mapper.decode(*row) for row in of_stream])
            for place in wanted[stream_id]:
                matched = trigger(stands, place.webhook_id, place.position)
                # A further body of a webhook-id is no further event.
                if matched and matched.position == place.position and route.wants(matched):
                    yield Match(stream_id, matched)


def _rows(curs: Cursor, stream_ids: list[str], known: int) -> Generator[TupleRow]:
    yield from curs.stream(_HISTORIES, [stream_ids, known], size=FETCH_ROWS)


def _by_stream(places: Iterable[_Place]) -> dict[str, list[_Place]]:
    found: dict[str, list[_Place]] = {}
    for place in places:
        found.setdefault(place.stream_id, []).append(place)
    return found
