"""The announcer, step by step, and what it has announced."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import psycopg
import pytest

from ledger.application import Ledger
from ledger.mapper import COLUMNS, LedgerMapper
from tests.support.connected import connected
from tests.support.deliveries import receipts
from tests.support.projected import following, forget, go_to_the_end
from workflows.announcing import access
from workflows.announcing.announcer import Announcer
from workflows.announcing.begun import Moment, moment
from workflows.policy_file import PolicyFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from domain.aggregates.announcement import Family
    from domain.delivery import Delivery
    from projections.live.follower import Follower

NO_POLICY: Final = Path("/nonexistent/raphus.toml")
_ANNOUNCED: Final = (
    f"SELECT {COLUMNS} FROM raphus.ledger_events WHERE originator_id LIKE 'announcement/%'"
    " ORDER BY notification_id"
)
_mapper: Final = LedgerMapper()
_moment: Final = moment


class Shown(NamedTuple):
    """A database whose read models show at once what is recorded."""

    database: str
    ledger: Ledger
    follower: Follower

    def tell(self, *deliveries: Delivery) -> None:
        """Record deliveries, and take the read models to the end of the log."""
        receipts(self.ledger.record(deliveries))
        go_to_the_end(self.follower)


@contextmanager
def showing(conninfo: str) -> Iterator[Shown]:
    """Keep what records and what follows: each begins with plans of what it asks."""
    with Ledger(conninfo) as ledger, following(conninfo) as follower:
        yield Shown(conninfo, ledger, follower)


@contextmanager
def announcing(
    conninfo: str, policy: Path = NO_POLICY, families: Sequence[Family] = ("access",)
) -> Iterator[Announcer]:
    """Open an announcer whose steps are taken one by one."""
    announcer = Announcer(conninfo, PolicyFile(policy), lambda: {*families})
    try:
        yield announcer
    finally:
        announcer.stop()


def settle(announcer: Announcer, events_max: int = access.PAGE_EVENTS_MAX) -> None:
    """Let it begin, or take all that there is to take now, so many events at a time."""
    nothing = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workflows.announcing.announcer.PAGE_EVENTS_MAX", events_max)
        while nothing < 3:  # the first may have begun, or ended to look at everything
            nothing = 0 if announcer.run_once() else nothing + 1


def clock(monkeypatch: pytest.MonkeyPatch, now: datetime, *, heard: datetime | None = None) -> None:
    """Let it be a time, by which all that was recorded is shown, or by an earlier one."""

    def moment(conn: psycopg.Connection[Any]) -> Moment:
        really = _moment(conn)
        return Moment(now, really.shown, heard or now)

    monkeypatch.setattr("workflows.announcing.begun.moment", moment)


def announce(conninfo: str, policy: Path = NO_POLICY) -> list[dict[str, Any]]:
    """Announce what has changed, and return all that has been announced."""
    with announcing(conninfo, policy) as announcer:
        settle(announcer)
    return announced(conninfo)


def check_a_rebuild_tells_nothing(
    conninfo: str, announce: Callable[[str], list[dict[str, Any]]]
) -> None:
    """Check that what is announced stays as it is while the read models are built anew."""
    found = announce(conninfo)
    assert found
    forget(conninfo)
    with following(conninfo) as follower:
        while follower.run_once():
            assert announce(conninfo) == found
    assert announce(conninfo) == found


def announced(conninfo: str) -> list[dict[str, Any]]:
    """Return the bodies of what has been announced, in order."""
    with connected(conninfo) as conn:
        rows = conn.execute(_ANNOUNCED.encode()).fetchall()
    return [msgspec.json.decode(_mapper.decode(*row).delivery.body) for row in rows]
