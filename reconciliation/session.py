"""What an import and a reconciliation work with, one of them at a time on a database."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, cast

import psycopg

from dodo.client import Dodo
from ledger.application import Ledger
from ledger.following.catching_up import catch_up
from ledger.mapper import LedgerMapper
from postgres.advisory_locks import AdvisoryLock, try_lock, unlock
from postgres.connections import WORKING, connect
from projections.live.follower import Follower
from reconciliation.account import identified
from reconciliation.observing import Observer
from reconciliation.taking import Taker
from telemetry.errors import RaphusError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dodo.client import Mode
    from dodo.pace import Pace
    from ledger.recorder import LedgerRecorder
    from postgres.connections import Connection


class BusyError(RaphusError):
    """Another import or reconciliation runs."""


class Source(NamedTuple):
    """Where to read: with which key, in which mode, how fast. `base_url` is None for Dodo's own."""

    api_key: str
    mode: Mode
    pace: Pace
    base_url: str | None = None

    def __repr__(self) -> str:
        return f"Source({self.mode})"


class Session(NamedTuple):
    """A connection that holds the lock, what takes looks, and what appends to the log."""

    conn: Connection
    taker: Taker
    follower: Follower | None
    recorder: LedgerRecorder

    def catch_up(self) -> None:
        """Wait until the read models show what is recorded.

        Raises:
            BehindError: they do not go on.
        """
        catch_up(self.conn, lambda: self.follower.problem if self.follower else None)


@contextmanager
def opened(
    conninfo: str,
    source: Source,
    *,
    business_id: str | None = None,
    records: bool = True,
    follows: bool = True,
) -> Iterator[Session]:
    """Open what reads Dodo's API into a database, alone.

    It is for one business, which `business_id` may name. Unless somebody else `follows` the log,
    the read models are kept up meanwhile, where no server does it.

    Raises:
        BusyError: another import or reconciliation runs.
        AccountError: the key is not of what is known here.
        DodoError: Dodo cannot be asked.
        psycopg.Error: the database is away.
    """
    with ExitStack() as stack:
        conn = stack.enter_context(connect(conninfo, WORKING, "raphus-reconcile"))
        if not try_lock(conn, AdvisoryLock.RECONCILE):
            raise BusyError("another import or reconciliation runs: wait until it has ended")
        stack.callback(_let_go, conn)
        follower = Follower(conninfo, LedgerMapper()) if follows else None
        if follower is not None:
            follower.start()
            stack.callback(follower.stop)
        ledger = stack.enter_context(Ledger(conninfo))
        dodo = stack.enter_context(
            Dodo(source.api_key, source.mode, base_url=source.base_url, pace=source.pace)
        )
        account = identified(conn, dodo, source.mode, business_id)
        taker = Taker(dodo, account, Observer(ledger, records=records))
        yield Session(conn, taker, follower, cast("LedgerRecorder", ledger.recorder))


def _let_go(conn: Connection) -> None:
    with suppress(psycopg.Error):  # with the connection the lock is gone, too
        unlock(conn, AdvisoryLock.RECONCILE)
