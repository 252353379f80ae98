"""Erasure: a customer's personal data taken out of log, read models, snapshots and outbox.

All of it is one transaction. Locks are taken in one order, which everybody else's follow too:
the advisory locks of rebuilds and of snapshots; the read models' checkpoint, which keeps their
follower away; the outbox's table; and last, and shortly, the end of the log. Webhooks are stored
meanwhile, but for that last moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg

from ledger import erasure
from ledger.erasure import BusyError, Search
from ledger.following.checkpoint import ProjectionTracking
from ledger.mapper import LedgerMapper
from ledger.own_events import close_end, recorder_of
from postgres.advisory_locks import AdvisoryLock, lock_in_transaction
from postgres.connections import WORKING, connect
from projections.live.projector import Projector
from projections.rebuild import snapshots
from projections.rebuild.rebuild import drop_leftovers
from telemetry.progress import silent
from workflows.outbox import table as outbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

    from ledger.erasure import Request
    from telemetry.progress import Progress

PHASE: Final = "forget"
STEPS: Final = 5
"""Locked and found, emptied in the log, in the read models, in the outbox, and recorded."""
WAIT_S: Final = 30
"""How long a rebuild, or a snapshot that is being built, is waited for."""
_BEGIN: Final = f"""
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
    SET LOCAL lock_timeout = '{WAIT_S}s'
"""
_VACUUM: Final = (
    "VACUUM raphus.ledger_events, raphus.folds, raphus.earlier_folds, raphus.windmill_attempts,"
    " raphus.windmill_outbox"
)


class Findings(NamedTuple):
    """What an erasure would empty: events by type, of so many streams, and what jobs were told."""

    business_id: str
    customer_id: str
    events: dict[str, int]
    streams: int
    jobs: int


class Forgotten(NamedTuple):
    """What was erased; without a position there was nothing left to erase, and nothing was done.

    `webhook_id` is the erasure's own.
    """

    business_id: str
    customer_id: str
    position: int | None
    webhook_id: str | None
    events: dict[str, int]


def look(conninfo: str, customer_id: str, business_id: str | None) -> Findings:
    """Tell what an erasure would empty now; nothing is changed.

    Raises:
        ErasureError: nothing names the customer, or it is not clear which one is meant.
        psycopg.Error: the database went away.
    """
    with connect(conninfo, WORKING, "raphus-forget") as conn:
        search = Search(conn, customer_id, business_id)
        search.to_the_end()
        jobs = outbox.told(conn, sorted(search.touched))
        return Findings(search.business_id, customer_id, search.counts, len(search.homes), jobs)


def forget(conninfo: str, request: Request, progress: Progress = silent) -> Forgotten:
    """Empty all that identifies a customer, and record that it was done: all of it or nothing.

    `progress` is called with the step that is done; it may raise, to cancel.

    Raises:
        ErasureError: nothing names the customer, it is not clear which one is meant, or somebody
            else is at work for too long.
        psycopg.Error: the database went away. If that was at the end, all may be done.
    """
    with connect(conninfo, WORKING, "raphus-forget") as conn:
        # What an older release stored without understanding it is found by its aggregate.
        projector = Projector(LedgerMapper())
        projector.adopt_all(conn)
        search = Search(conn, request.customer_id, request.business_id)
        search.to_the_end()
        _ = search.business_id  # who is unknown is told so now, and nobody is held up for it
        try:
            with conn.transaction():
                forgotten = _forget(conn, conninfo, projector, search, request, _Steps(progress))
        except psycopg.errors.LockNotAvailable as error:
            raise BusyError from error
        # What was replaced is in dead rows until then.
        conn.execute(_VACUUM)
        return forgotten


class _Steps:
    """Tells of each step when it is done."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0

    def done(self) -> None:
        self._done += 1
        self._progress(PHASE, self._done, STEPS)


def _forget(
    conn: Connection[Any],
    conninfo: str,
    projector: Projector,
    search: Search,
    request: Request,
    steps: _Steps,
) -> Forgotten:
    conn.execute(_BEGIN)
    lock_in_transaction(conn, AdvisoryLock.REBUILD)
    lock_in_transaction(conn, AdvisoryLock.SNAPSHOTS)
    drop_leftovers(conn)
    snapshots.drop_all(conn, WAIT_S)
    shown = ProjectionTracking().hold(conn).position
    search.to_the_end()
    steps.done()
    business_id, webhook_id = search.business_id, erasure.new_webhook_id()
    emptied = erasure.empty(conn, sorted(search.types), webhook_id)
    steps.done()
    touched = sorted(search.touched)
    projector.rewrite(conn, touched, shown)
    steps.done()
    outbox.lock(conn)
    outbox.empty(conn, touched)
    steps.done()
    recorder = recorder_of(conninfo)
    head = close_end(conn, recorder)
    emptied += erasure.empty(conn, search.to_the_end(), webhook_id)
    # What has come since may have told of streams of which all was nameless before.
    late = sorted(search.touched - set(touched))
    projector.rewrite(conn, late, shown)
    outbox.empty(conn, late)
    done = Forgotten(business_id, request.customer_id, None, None, {})
    if not emptied:
        return done
    position = erasure.append(conn, recorder, head, (business_id, request), emptied, webhook_id)
    steps.done()
    counts = _counts(search, [place for place, _ in emptied])
    return done._replace(position=position, webhook_id=webhook_id, events=counts)


def _counts(search: Search, positions: Sequence[int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for position in positions:
        type_ = search.types[position]
        counts[type_] = counts.get(type_, 0) + 1
    return dict(sorted(counts.items()))
