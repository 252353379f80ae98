"""Follows the log, and puts the jobs that routes start for its events into the outbox."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from ledger.following.checkpoint import ProjectionTracking
from ledger.following.leader import Duty, Leader, Step
from ledger.following.taking import PageLimits, take
from ledger.mapper import LedgerMapper
from postgres.advisory_locks import AdvisoryLock
from postgres.connections import WRITING, connect
from projections.folds.as_known import as_known
from workflows.followed_file import WHOLE_S
from workflows.outbox import table as outbox
from workflows.outbox.due_facts import fallen_due

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

    from domain.aggregate import Aggregate
    from ledger.following.pages import Page
    from postgres.together import Sent
    from workflows.outbox.due_facts import Due
    from workflows.routes.route import Routes
    from workflows.routes.routes_file import RoutesFile

NAME: Final = "windmill"
"""The checkpoint of the outbox."""
DUTY: Final = Duty(
    name="raphus-outbox",
    lock=AdvisoryLock.OUTBOX,
    checkpoint=NAME,
    failure="the outbox does not follow the log",
)
PAGE_EVENTS_MAX: Final = 500
"""It is less for a while when a page could not be taken: it may have been too much in one go."""
PAGE_BYTES_MAX: Final = 8 * 2**20
"""Of a page's own events, each of which is held as it reads until the page is taken."""


class Outbox(Leader):
    """Follows the log for the routes that there are when an event is read.

    Rows and checkpoint are written in one transaction, so an event is taken exactly once.
    Nothing is read while the routes are not known: they were never right since the process
    began, or are just being written. `routes` are asked by its thread
    alone.
    """

    def __init__(self, conninfo: str, routes: RoutesFile) -> None:
        super().__init__(conninfo, DUTY, self._take_known)
        self._routes = routes
        self._mapper = LedgerMapper()
        self._tracking = ProjectionTracking(NAME)
        self._page_events_max = PAGE_EVENTS_MAX

    def take(
        self, conn: Connection[Any], routes: Routes, events_max: int = PAGE_EVENTS_MAX
    ) -> Step:
        """Take the next page of the log, of so many events at the most, for routes.

        Raises:
            LogError: the log does not go on where the outbox stands.
            PageError: the page cannot be taken, by a defect; nothing of it is.
            psycopg.Error: the database went away; the page is taken, or all of it is not.
        """

        def write(page: Page) -> list[Sent]:
            outbox.add_all(conn, self._due(conn, page, routes))
            return []

        page = take(conn, self._tracking, write, PageLimits(events_max, PAGE_BYTES_MAX))
        return Step(page.events, page.last) if page else Step()

    def _take_known(self, conn: Connection[Any], is_one: bool) -> Step:
        routes = self._known_routes()
        if routes is None:
            return Step(look_again_s=WHOLE_S)
        try:
            step = self.take(conn, routes, 1 if is_one else self._page_events_max)
        except Exception:
            self._page_events_max = max(1, self._page_events_max // 8)
            raise
        if step.events:
            self._page_events_max = min(2 * self._page_events_max, PAGE_EVENTS_MAX)
        return step

    def _known_routes(self) -> Routes | None:
        """Return the routes; None where they are not known, and no event may be passed over."""
        routes = self._routes.current()
        is_unknown = self._routes.problem is not None and not routes
        # Looked at last: what was read may be what is left of a file that is being written.
        return None if is_unknown or self._routes.is_being_written else routes

    def _due(self, conn: Connection[Any], page: Page, routes: Routes) -> list[tuple[str, str, Due]]:
        """Return what falls due with a page, with its stream and route, in the log's order."""
        due: list[tuple[str, str, Due]] = []
        with closing(as_known(conn, self._mapper, page)) as streams:
            for stream in streams:
                due += [(stream.id, *rest) for rest in _due(routes, stream, page.after)]
        return sorted(due, key=lambda fallen: fallen[2].known_position)


def begin(conninfo: str) -> None:
    """Let the outbox begin at the end of the log, unless it has begun.

    What came before there was a route is for `replay`.

    Raises:
        psycopg.Error: the database went away.
    """
    with connect(conninfo, WRITING, "raphus") as conn, conn.transaction():
        ProjectionTracking(NAME).begin_at_end(conn)


def _due(routes: Routes, stream: Aggregate, after: int) -> Iterator[tuple[str, Due]]:
    """Yield what falls due with new events of a stream, for each route that wants it."""
    types = {event.topic for event in stream.events}
    wanting = [route for route in routes if any(map(route.wants_type, types))]
    if not wanting:
        return

    def wants_type(type_: str) -> bool:
        return any(route.wants_type(type_) for route in wanting)

    for due in fallen_due(stream, after, wants_type):
        for route in wanting:
            if route.wants(due.trigger):
                # Its body has served its purpose, and a page of them would be large.
                light = due.trigger._replace(payload={}, body=b"")
                yield route.name, due._replace(trigger=light)
