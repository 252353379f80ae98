"""A thread of the server that reconciles every few hours, in one of all servers."""

from __future__ import annotations

import logging
import random
from contextlib import closing
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

import psycopg

from dodo.pace import Pace
from postgres.connections import WORKING, connect
from postgres.failures import reason_of
from reconciliation.reconciling import DAYS, reconcile
from reconciliation.runs import last_s
from reconciliation.session import BusyError, Source, opened
from telemetry.errors import RaphusError
from telemetry.incident import Incident
from telemetry.progress import silent
from telemetry.redaction import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from postgres.connections import Connection
    from reconciliation.reconciling import Reconciled

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 60.0
"""How often it is looked whether a reconciliation is due, in one of all servers."""
FIRST_AFTER_S: Final = 30.0
"""A server that has just started has webhooks to take first."""
JITTER: Final = 0.1
"""By so much an interval is longer or shorter, by chance."""
AGAIN_AFTER_S: Final = 15 * 60.0
"""After so long at the soonest one that failed is tried again."""
STOP_S: Final = 2.0
"""How long the end of the server waits for an answer of Dodo's; whatever was not recorded then is
found by the next reconciliation."""


class Reconciler:
    """Reconciles when the last reconciliation, of whichever server, is long enough ago.

    What goes wrong is logged when it begins and ends, and tried again; nothing of the server waits
    for it.
    """

    def __init__(
        self,
        conninfo: str,
        source: Callable[[Pace], Source],
        *,
        every_s: float,
        per_minute: int,
        look_every_s: float = LOOK_EVERY_S,
        first_after_s: float = FIRST_AFTER_S,
    ) -> None:
        self._conninfo = conninfo
        self._stop = Event()
        # The merchant's own programs, an import and this share one limit.
        self._source = source(Pace(max(1, per_minute // 2), stop=self._stop))
        self._every_s = every_s
        self._waits_s = first_after_s, look_every_s
        self._thread = Thread(target=self._run, name="raphus-reconciler", daemon=True)
        self._incident = Incident(_log, "Dodo is not asked what was lost")

    @property
    def problem(self) -> str | None:
        """Why it does not reconcile, as a person may read it; None while it does."""
        return self._incident.problem

    def start(self) -> None:
        """Begin to look when one is due, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End it, in the middle of a reconciliation too."""
        self._stop.set()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        wait_s, look_every_s = self._waits_s
        again_after_s = max(look_every_s, min(AGAIN_AFTER_S, self._every_s))
        due_after_s = self._spread()
        while not self._stop.wait(wait_s):
            problem, wait_s = None, look_every_s
            try:
                done = self._reconcile(due_after_s)
                if done is not None:
                    _tell(done)
                    due_after_s = self._spread()
                    self._incident.end()
            except BusyError:
                continue
            except (RaphusError, psycopg.Error) as error:
                problem = _problem(error)
            except Exception as error:  # noqa: BLE001 -- a defect here must not end the server
                problem = f"a defect: {origin_of(error)}"
            if problem is not None and not self._stop.is_set():
                self._incident.begin(problem)
                wait_s = again_after_s

    def _reconcile(self, due_after_s: float) -> Reconciled | None:
        """Reconcile if it is due; None where it is not."""
        with closing(connect(self._conninfo, WORKING, "raphus-reconcile")) as conn:
            if not _is_due(conn, due_after_s):
                return None
        with opened(self._conninfo, self._source, follows=False) as session:
            # Another server may have done it between the first look and the lock.
            if not _is_due(session.conn, due_after_s):
                return None
            return reconcile(session, DAYS, silent)

    def _spread(self) -> float:
        return self._every_s * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 -- no secret


def _is_due(conn: Connection, after_s: float) -> bool:
    last = last_s(conn)
    return last is None or last >= after_s


def _problem(error: Exception) -> str:
    return reason_of(error) if isinstance(error, psycopg.Error) else str(error)


def _tell(done: Reconciled) -> None:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(done.outcomes.items()))
    level = logging.WARNING if done.differs else logging.INFO
    _log.log(level, "reconciled with Dodo: %s; GET /v1/findings lists them", counts or "nothing")
    for one in done.advice:
        _log.warning("%s", one)
