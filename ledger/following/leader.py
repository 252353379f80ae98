"""A thread in which one process of all, holding a lock, takes the log page by page."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg
from psycopg.sql import SQL, Identifier

from ledger.following.checkpoint import position_of, selected
from ledger.following.pages import LogError
from ledger.following.taking import PageError
from postgres.advisory_locks import try_lock, unlock
from postgres.connections import DATABASE_ERRORS, FOLLOWING, connect
from postgres.failures import absence_of
from postgres.wakeup import Bell
from telemetry.backoff import backoff_s
from telemetry.heartbeat import BeatingThread, beat
from telemetry.incident import Incident
from telemetry.redaction import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread

    from postgres.advisory_locks import AdvisoryLock
    from postgres.connections import Connection

_log = logging.getLogger(__name__)

LEDGER_CHANNEL: Final = "ledger_events"
"""Notified by every commit to the ledger, or soon after it (`ledger.committer`)."""
POLL_S: Final = 1.0
"""How often the leader looks for events without a notification, and how often the others try to
become the leader."""
GATHER_S: Final = 0.02
"""So long after a page has begun, at the least, the next one begins, where they come one after the
other: what is committed meanwhile is taken together. A page of one event costs several times what
an event costs in a page of hundreds."""
PAUSE_MIN_S: Final = 0.1
PAUSE_MAX_S: Final = 1.0
"""The pause after a failure doubles from the one to the other: the database may be back."""


class Duty(NamedTuple):
    """What one of all processes does with the log.

    `name` is that of its thread and of its connection in `pg_stat_activity`, `checkpoint` that of
    its row in `projections_tracking`; `failure` says in the server's log what is not done while
    something is wrong. There may be something to take when `channel` is notified.
    """

    name: str
    lock: AdvisoryLock
    checkpoint: str
    failure: str
    channel: str = LEDGER_CHANNEL


class Step(NamedTuple):
    """What came of one attempt to take a page.

    `events` were taken, up to `position`; both are 0 where there was nothing to take. Then the
    next attempt is made at a notification, or after `look_again_s`.
    """

    events: int = 0
    position: int = 0
    look_again_s: float = POLL_S


_STANDING_BY: Final = Step()


class Leader:
    """Takes the log page by page while it is the leader, and stands by otherwise.

    One connection holds the advisory lock that makes it the leader and runs every transaction,
    so whoever loses the one loses the other. `take` takes the next page on it, of one event
    where it is told to. It is called in the thread that follows, or by `run_once`.
    """

    def __init__(self, conninfo: str, duty: Duty, take: Callable[[Connection, bool], Step]) -> None:
        self._conninfo = conninfo
        self._duty = duty
        self._take = take
        self._conn: Connection | None = None
        self._one_by_one_until = 0
        self._incident = Incident(_log, duty.failure, logging.ERROR)
        self._running: tuple[Thread, Bell] | None = None
        self.leading = False

    @property
    def problem(self) -> str | None:
        """Why it cannot go on, as a person may read it; None while it can."""
        return self._incident.problem

    def start(self) -> None:
        """Begin to follow, in a thread."""
        bell = Bell()
        thread = BeatingThread(target=self._run, args=[bell], name=self._duty.name)
        self._running = thread, bell
        thread.start()

    def stop(self) -> None:
        """Finish the page at hand, end the thread, and give the leadership up."""
        if self._running is not None:
            thread, bell = self._running
            bell.ring()
            thread.join()
            bell.close()
        # The server frees the lock only some time after the connection has ended.
        if self.leading and self._conn is not None:
            with suppress(psycopg.Error):
                unlock(self._conn, self._duty.lock)
        self._disconnect()

    def run_once(self) -> int:
        """Take the next page, where this is or can become the leader.

        Returns the number of events taken: 0 at the end of the log, or while it stands by.

        Raises:
            LogError: the log does not go on where, and as, it has been followed.
            PageError: the page cannot be taken, by a defect.
            psycopg.Error: the database is away, or is not what it must be.
        """
        return self._step().events

    def _step(self) -> Step:
        if self._conn is None or self._conn.closed:
            lost = self._conn
            self._conn = connect(self._conninfo, FOLLOWING, self._duty.name, instead_of=lost)
        if not self.leading and not self._lead(self._conn):
            self._one_by_one_until = 0  # what failed here is another process' to take now
            return _STANDING_BY
        step = self._take(self._conn, self._one_by_one_until > 0)
        # Where there is none, others have taken it meanwhile.
        if not step.events or step.position >= self._one_by_one_until:
            self._one_by_one_until = 0
        return step

    def _lead(self, conn: Connection) -> bool:
        self.leading = try_lock(conn, self._duty.lock)
        if self.leading:
            position = selected(conn, position_of(self._duty.checkpoint))
            _log.info("%s follows the log from position %d", self._duty.name, position)
            conn.execute(SQL("LISTEN {}").format(Identifier(self._duty.channel)))
        return self.leading

    def _run(self, bell: Bell) -> None:
        failures = 0
        while not bell.rung:
            beat()
            try:
                self._follow(bell)
            except DATABASE_ERRORS as error:
                self._failed(absence_of(error))
            except LogError as error:
                self._failed(str(error))
            except PageError as error:
                # So as to get up to the event that fails, and to name it.
                self._one_by_one_until = error.page.last
                self._failed(f"{error} cannot be taken: {origin_of(error.__cause__ or error)}")
            except Exception as error:  # noqa: BLE001 -- logged, and tried again
                self._failed(origin_of(error))
            else:
                failures = 0
                continue
            failures += 1
            bell.wait(backoff_s(failures, PAUSE_MIN_S, PAUSE_MAX_S))

    def _follow(self, bell: Bell) -> None:
        """Take a page, and wait until there may be a next one to take."""
        began_s = time.monotonic()
        step = self._step()
        if not self._one_by_one_until:
            self._incident.end()
        if not self.leading or self._conn is None:
            bell.wait(POLL_S)
            return
        told = list(self._conn.notifies(timeout=0))
        if not step.events and not told:
            bell.wait(step.look_again_s, self._conn)
        elif step.position and not self._one_by_one_until:
            left_s = began_s + GATHER_S - time.monotonic()
            if left_s > 0:
                bell.wait(left_s)

    def _failed(self, problem: str) -> None:
        self._disconnect()
        self._incident.begin(problem)

    def _disconnect(self) -> None:
        self.leading = False
        if self._conn is not None:
            self._conn.close()
