"""When a batch is recorded, agreed between clocks of which one may be wrong.

Three clocks are at hand: the database's, this process', and Dodo's, by the times that deliveries
were signed at. A delivery is accepted only within `TOLERANCE` of this process' clock (its signature
is good for no longer), so a fresh one vouches for that clock, and two of three agree on the truth.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

TOLERANCE: Final = timedelta(minutes=5)
"""So far apart may two clocks be that both count as right: as Standard Webhooks has it."""
AHEAD_MAX: Final = 4 * TOLERANCE
"""So far may the log be ahead of the time and still be waited for. Two writers that are vouched
for, each with a database's clock that agrees with its own, cannot be further apart."""


class Clocks(NamedTuple):
    """What time it is, by all who should know.

    `signed_at` are the times at which the deliveries of a batch were signed; `head_at` is when
    the last event of the log was recorded, None where there is none.
    """

    database_at: datetime
    own_at: datetime
    signed_at: tuple[datetime, ...]
    head_at: datetime | None


class Stamp(NamedTuple):
    """When a batch is recorded; `corrects` tells that this is before the event before it."""

    recorded_at: datetime
    corrects: bool = False


def stamp(clocks: Clocks) -> Stamp:
    """Tell when a batch is recorded.

    It is the database's time, unless that differs from ours and ours is vouched for: then ours.
    Times do not go back along the log, but for one case: the log is further ahead than clocks
    that work can be apart, and our clock is vouched for.
    """
    database_at, own_at, signed_at, head_at = clocks
    vouched = any(abs(own_at - at) <= TOLERANCE for at in signed_at)
    agree = abs(database_at - own_at) <= TOLERANCE
    now = own_at if vouched and not agree else database_at
    if head_at is None or head_at <= now:
        return Stamp(now)
    if vouched and head_at - now > AHEAD_MAX:
        return Stamp(now, corrects=True)
    return Stamp(head_at)


def doubt(database_at: datetime, own_at: datetime, head_at: datetime | None) -> str | None:
    """Tell, for a person, what is wrong with the clocks, and what to do; None while they agree."""
    if abs(database_at - own_at) > TOLERANCE:
        return (
            f"the database's clock is {_apart(database_at, own_at)} this process': set the one"
            " that is wrong (NTP); webhooks are recorded by this process' clock meanwhile"
        )
    if head_at is not None and head_at - own_at > TOLERANCE:
        return (
            f"the newest event was recorded at a time that is {_apart(head_at, own_at)} the"
            " clocks, when one of them was wrong: known_at does not find what came after it until"
            " the next webhook corrects that, or the time has come"
        )
    return None


def signing_times(timestamps: Iterable[str]) -> tuple[datetime, ...]:
    """Read `webhook-timestamp`s, seconds since 1970; what is none is left out."""
    times = map(_signing_time, timestamps)
    return tuple(at for at in times if at is not None)


def _signing_time(timestamp: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(timestamp), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _apart(one: datetime, other: datetime) -> str:
    apart_s = abs(one - other) // timedelta(seconds=1)
    return f"{apart_s} s {'ahead of' if one > other else 'behind'}"
