"""The follower: a thread in which the elected one of all processes projects the log."""

from __future__ import annotations

import logging
from threading import Thread
from typing import TYPE_CHECKING, Final

from psycopg.sql import SQL, Identifier

from ledger.following.pages import PAGE_EVENTS_MAX, LogError
from postgres.advisory_locks import AdvisoryLock, try_lock
from postgres.connections import DATABASE_ERRORS, FOLLOWING, connect
from postgres.wakeup import Bell
from projections.live.projector import ProjectionError, Projector
from telemetry.redaction import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.mapper import LedgerMapper
    from postgres.connections import Connection
    from projections.live.projector import Projected

_log = logging.getLogger(__name__)

POLL_S: Final = 1.0
"""How long at most the leader takes a notification's absence for the absence of events, and how
often the others try to become the leader."""
PAUSE_MIN_S: Final = 0.1
PAUSE_MAX_S: Final = 1.0
"""The pause after a failure doubles from the one to the other: the database may be back."""
LEDGER_CHANNEL: Final = "ledger_events"
"""Where the ledger tells of each commit."""


def _ignore(projected: Projected) -> None:
    pass


class Follower:
    """Keeps the read models up with the log while it is the leader, and stands by otherwise.

    One connection holds the advisory lock that makes it the leader and runs every transaction,
    so whoever loses the one loses the other. `on_page` is called in this thread after each
    committed page.
    """

    def __init__(
        self,
        conninfo: str,
        mapper: LedgerMapper,
        on_page: Callable[[Projected], None] = _ignore,
    ) -> None:
        self._conninfo = conninfo
        self._projector = Projector(mapper)
        self._on_page = on_page
        self._conn: Connection | None = None
        self._careful_until = 0
        self._failures = 0
        self._running: tuple[Thread, Bell] | None = None
        self.leading = False
        self.problem: str | None = None
        """Why it cannot go on, as a person may read it; None while it can."""

    def start(self) -> None:
        """Begin to follow."""
        bell = Bell()
        thread = Thread(target=self._run, args=[bell], name="follower")
        self._running = thread, bell
        thread.start()

    def stop(self) -> None:
        """Finish the page at hand, and give the leadership up."""
        if self._running is not None:
            thread, bell = self._running
            bell.ring()
            thread.join()
            bell.close()
        self._disconnect()

    def run_once(self) -> int:
        """Project the next page, where this is or can become the leader.

        Returns the number of events projected: 0 at the end of the log, or while it stands by.

        Raises:
            LogError: the log does not go on where the read models stand.
            ProjectionError: the page cannot be projected, by a defect.
            psycopg.Error: the database is away, or is not what it must be.
        """
        if self._conn is None or self._conn.closed:
            before = self._conn
            self._conn = connect(self._conninfo, FOLLOWING, "raphus-follower", instead_of=before)
        if not self.leading and not self._lead(self._conn):
            return 0
        projected = self._projector.project(
            self._conn, 1 if self._careful_until else PAGE_EVENTS_MAX
        )
        if projected is None:
            return 0
        if projected.position >= self._careful_until:
            self._careful_until = 0
        self._on_page(projected)
        return projected.events

    def _lead(self, conn: Connection) -> bool:
        self.leading = try_lock(conn, AdvisoryLock.FOLLOW)
        if self.leading:
            conn.execute(SQL("LISTEN {}").format(Identifier(LEDGER_CHANNEL)))
            _log.info("following the log from position %d", self._projector.position(conn))
        return self.leading

    def _run(self, bell: Bell) -> None:
        while not bell.rung:
            try:
                self._follow(bell)
            except DATABASE_ERRORS as error:
                self._failed(f"the database is away: {type(error).__name__}")
            except LogError as error:
                self._failed(str(error))
            except ProjectionError as error:
                # One event at a time from here on, so as to get up to the one that fails.
                self._careful_until = error.page.last
                self._failed(f"{error} cannot be projected: {origin_of(error.__cause__ or error)}")
            except Exception as error:  # noqa: BLE001 -- told, and tried again
                self._failed(origin_of(error))
            else:
                self._failures = 0
                continue
            bell.wait(min(PAUSE_MIN_S * 2**self._failures, PAUSE_MAX_S))
            self._failures += 1

    def _follow(self, bell: Bell) -> None:
        taken = self.run_once()
        if not self._careful_until:
            self.problem = None
        if not self.leading or self._conn is None:
            bell.wait(POLL_S)
        elif not list(self._conn.notifies(timeout=0)) and not taken:
            bell.wait(POLL_S, self._conn)

    def _failed(self, problem: str) -> None:
        self._disconnect()
        if problem != self.problem:
            _log.error("the read models do not follow the log: %s", problem)
        self.problem = problem

    def _disconnect(self) -> None:
        self.leading = False
        if self._conn is not None:
            self._conn.close()
