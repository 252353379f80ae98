"""Since when something is announced, and what has to be looked at anew."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from ledger.application import Ledger

if TYPE_CHECKING:
    from psycopg import AsyncConnection, Connection

    from domain.aggregates.announcement import Family

Sweep: TypeAlias = Literal["beginning", "policy", "release", "clock"]
"""Why everything is looked at anew: at the beginning nothing is told of it."""

_HOLD: Final = """
    SELECT policy, release, sweep, swept_to, told_to FROM raphus.announcing WHERE family = %s
    FOR UPDATE SKIP LOCKED
"""
_BEGIN: Final = """
    INSERT INTO raphus.announcing (family, policy, release, sweep)
    VALUES (%s, %s, %s, 'beginning') ON CONFLICT (family) DO NOTHING
"""
_MOVE: Final = """
    UPDATE raphus.announcing
    SET policy = %s, release = %s, sweep = %s, swept_to = %s, told_to = %s WHERE family = %s
"""
# What was recorded by a time is shown if what is not shown yet was recorded later.
_MOMENT: Final = f"""
    SELECT clock_timestamp(), shown.position, (
        SELECT recorded_at FROM raphus.ledger_events WHERE notification_id = shown.position + 1
    ) FROM (
        SELECT coalesce(max(notification_id), 0) AS position FROM raphus.projections_tracking
        WHERE application_name = '{Ledger.name}'
    ) AS shown
"""  # noqa: S608 -- constants


class Begun(NamedTuple):
    """By what it has been judged, and how far everything has been looked at anew, if it is.

    `told_to` is the latest time as of which something was told for the sake of the time.
    """

    policy: str
    release: str
    sweep: Sweep | None
    swept_to: str = ""
    told_to: datetime | None = None

    @property
    def is_silent(self) -> bool:
        """Whether what there is was there before, and is not told."""
        return self.sweep == "beginning"


class Moment(NamedTuple):
    """The database's time, up to where the read models show the log, and by when that was recorded.

    What was recorded up to `heard` is shown.
    """

    now: datetime
    shown: int
    heard: datetime


def begin(conn: Connection[Any], family: Family, judged_by: Begun) -> None:
    """Let it begin, unless it has begun."""
    conn.execute(_BEGIN, [family, judged_by.policy, judged_by.release])


def hold(conn: Connection[Any], family: Family) -> Begun | None:
    """Lock it until the transaction ends; None where it has not begun, or another one holds it."""
    row = conn.execute(_HOLD, [family]).fetchone()
    return Begun(*row) if row else None


def move(conn: Connection[Any], family: Family, begun: Begun) -> None:
    """Write how far it is."""
    conn.execute(_MOVE, [*begun, family])


def moment(conn: Connection[Any]) -> Moment:
    """Tell what time it is, and what is known."""
    (row,) = conn.execute(_MOMENT).fetchall()
    return _moment(*row)


async def moment_async(conn: AsyncConnection[Any]) -> Moment:
    """Tell the same, on a connection of an event loop."""
    found = await conn.execute(_MOMENT)
    (row,) = await found.fetchall()
    return _moment(*row)


def _moment(now: datetime, shown: int, unheard: datetime | None) -> Moment:
    return Moment(now, shown, min(now, unheard or now))
