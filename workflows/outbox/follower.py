"""Following: a thread in which the log is read, and what it calls for put into the outbox."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from psycopg.sql import SQL, Identifier

from ledger.following.checkpoint import ProjectionTracking
from ledger.following.pages import LogError, histories, next_page
from ledger.mapper import LedgerMapper
from postgres.advisory_locks import AdvisoryLock, try_lock
from postgres.connections import DATABASE_ERRORS, FOLLOWING, WRITING, connect
from postgres.wakeup import Bell
from projections.live.follower import LEDGER_CHANNEL
from telemetry.incident import Trouble
from telemetry.redaction import origin_of
from workflows.outbox import table as outbox
from workflows.outbox.due_facts import fallen_due

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from psycopg import Connection

    from domain.event import Event
    from ledger.following.checkpoint import Checkpoint
    from ledger.following.pages import Page
    from workflows.outbox.due_facts import Due
    from workflows.routes.route import Routes
    from workflows.routes.routes_file import RoutesFile

_log = logging.getLogger(__name__)

NAME: Final = "windmill"
"""The checkpoint of the outbox."""
PAGE_EVENTS_MAX: Final = 500
"""It is less for a while when a page could not be taken: it may have been too much in one go."""
PAGE_BYTES_MAX: Final = 8 * 2**20
"""Of a page's own events, each of which is held as it reads until the page is taken."""
SETTLED_S: Final = 0.2
"""The routes count as they are when their file has not changed for so long: whoever writes it may
empty it first."""
POLL_S: Final = 1.0
PAUSE_S: Final = 1.0


class Outbox:
    """Follows the log for the routes that there are when an event is read.

    Rows and checkpoint are written in one transaction, so an event is taken exactly once. One
    of all processes leads. Nothing is read while it is not known what the log calls for: where
    the routes were never right since the process began, or are just being written. `routes` are
    asked by its thread alone.
    """

    def __init__(self, conninfo: str, routes: RoutesFile) -> None:
        self._conninfo = conninfo
        self._routes = routes
        self._mapper = LedgerMapper()
        self._tracking = ProjectionTracking(NAME)
        self._page_events_max = PAGE_EVENTS_MAX
        self._trouble = Trouble(_log, "the outbox does not follow the log")
        self._running: tuple[Thread, Bell] | None = None

    def start(self) -> None:
        """Begin to follow."""
        bell = Bell()
        thread = Thread(target=self._run, args=[bell], name="outbox")
        self._running = thread, bell
        thread.start()

    def stop(self) -> None:
        """Finish the page at hand, and stop."""
        if self._running is not None:
            thread, bell = self._running
            bell.ring()
            thread.join()
            bell.close()

    def take(self, conn: Connection[Any], routes: Routes) -> int:
        """Take the next page of the log for routes, and return how many events it had.

        Raises:
            LogError: the log does not go on where the outbox stands.
            psycopg.Error: the database went away; the page is taken, or all of it is not.
        """
        with conn.transaction():
            after = self._tracking.take(conn)
            page = None if after is None else self._next_page(conn, after)
            if page is None:
                return 0
            outbox.add_all(conn, self._due(conn, page, routes))
            self._tracking.advance(conn, page.last, page.hash, page.events)
        self._page_events_max = min(2 * self._page_events_max, PAGE_EVENTS_MAX)
        return page.events

    def _next_page(self, conn: Connection[Any], after: Checkpoint) -> Page | None:
        return next_page(conn, after, self._page_events_max, PAGE_BYTES_MAX)

    def _known_routes(self) -> Routes | None:
        """Return the routes; None where they are not known, and no event may be passed over."""
        routes = self._routes.current()
        is_unknown = self._routes.problem is not None and not routes
        # Looked at last: what was read may be what is left of a file that is being written.
        return None if is_unknown or _is_being_written(self._routes.path) else routes

    def _due(self, conn: Connection[Any], page: Page, routes: Routes) -> list[tuple[str, str, Due]]:
        """Return what falls due with a page, with its stream and route, in the log's order."""
        found, taken = [], 0
        with closing(histories(conn, page, self._mapper)) as streams:
            for stream_id, events in streams:
                taken += sum((event.position or 0) > page.after for event in events)
                found += [(stream_id, *one) for one in _due(routes, stream_id, events, page.after)]
        if taken != page.events:
            raise LogError(f"of {page.events} events behind {page.after}, {taken} were found")
        return sorted(found, key=lambda one: one[2].known_position)

    def _run(self, bell: Bell) -> None:
        conn = None
        while not bell.rung:
            try:
                conn = connect(self._conninfo, FOLLOWING, "raphus-outbox", instead_of=conn)
                with conn:
                    self._follow(conn, bell)
            except DATABASE_ERRORS as error:
                self._trouble.begin(f"the database is away: {type(error).__name__}")
            except LogError as error:
                self._trouble.begin(str(error))
            except Exception as error:  # noqa: BLE001 -- told, and tried again
                self._trouble.begin(origin_of(error))
            self._page_events_max = max(1, self._page_events_max // 8)
            bell.wait(PAUSE_S)

    def _follow(self, conn: Connection[Any], bell: Bell) -> None:
        while not try_lock(conn, AdvisoryLock.OUTBOX):
            self._trouble.end()
            bell.wait(POLL_S)
            if bell.rung:
                return
        conn.execute(SQL("LISTEN {}").format(Identifier(LEDGER_CHANNEL)))
        while not bell.rung:
            routes = self._known_routes()
            taken = self.take(conn, routes) if routes is not None else 0
            self._trouble.end()
            if not list(conn.notifies(timeout=0)) and not taken:
                bell.wait(SETTLED_S if routes is None else POLL_S, conn)


def begin(conninfo: str) -> None:
    """Let the outbox begin at the end of the log, unless it has begun.

    What came before there was a route is for `replay`.

    Raises:
        psycopg.Error: the database went away.
    """
    with connect(conninfo, WRITING, "raphus") as conn, conn.transaction():
        ProjectionTracking(NAME).begin_at_end(conn)


def _is_being_written(path: Path) -> bool:
    try:
        age_s = time.time() - path.stat().st_mtime
    except OSError:
        return False
    return 0 <= age_s < SETTLED_S


def _due(
    routes: Routes, stream_id: str, events: Sequence[Event], after: int
) -> Iterator[tuple[str, Due]]:
    """Yield what falls due with new events of a stream, for each route that wants it."""
    types = {event.topic for event in events}
    wanting = [route for route in routes if any(map(route.wants_type, types))]
    if not wanting:
        return

    def wants_type(type_: str) -> bool:
        return any(route.wants_type(type_) for route in wanting)

    for due in fallen_due(stream_id, events, after, wants_type):
        for route in wanting:
            if route.wants(due.occasion):
                # Its payload has served its purpose, and a page of them would be large.
                yield route.name, due._replace(occasion=due.occasion._replace(payload={}))
