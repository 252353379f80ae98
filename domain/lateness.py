"""Which facts came late, each by itself or with others in one stretch."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from datetime import datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

DELAY_MAX: Final = timedelta(seconds=60)
"""Dodo delivers within seconds: what took longer was retried, replayed, held up or loaded."""
MISSING_AFTER: Final = timedelta(hours=28)
"""Dodo sends a webhook again for about 27 hours (docs/dodo.md, section 1): then it is missing."""
PAUSE_MAX: Final = timedelta(hours=1)
"""What is recorded together has no longer pauses between two facts."""


def missing_from(due: datetime) -> datetime | None:
    """Return from when on what was due then is missing; None where no time is so late."""
    try:
        return due + MISSING_AFTER
    except OverflowError:
        return None


class Arrival(NamedTuple):
    """When a fact occurred and was recorded, and its place in the log."""

    position: int
    occurred_at: datetime
    recorded_at: datetime


class Stretch(msgspec.Struct, frozen=True):
    """Facts that were recorded afterwards, together: an import, a recovery, the end of an outage.

    Nothing that had been recorded before occurred between the first and the last of them.
    `out_of_order` tells whether something that occurred later had been recorded already.
    """

    facts: int
    occurred_from: datetime
    occurred_to: datetime
    recorded_from: datetime
    recorded_to: datetime
    out_of_order: bool


class Lateness(NamedTuple):
    """What came late, each fact told once: by its position with the seconds, or in a stretch."""

    late_s: dict[int, int]
    stretches: list[Stretch]


def lateness(arrivals: Iterable[Arrival]) -> Lateness:
    """Tell what came late among facts that belong together; the stretches in order of recording.

    It depends on what had been recorded before a fact and with it, never on what came later.
    """
    late_s: dict[int, int] = {}
    stretches: list[Stretch] = []
    earlier: list[datetime] = []
    for run in _runs(sorted(arrivals)):
        if _is_delayed(run[0]):
            for block in _blocks(run, earlier):
                if len(block) == 1:
                    delay = block[0].recorded_at - block[0].occurred_at
                    late_s[block[0].position] = int(delay.total_seconds())
                else:
                    stretches.append(_stretch(block, earlier))
        for arrival in run:
            insort(earlier, arrival.occurred_at)
    return Lateness(late_s, sorted(stretches, key=attrgetter("recorded_from", "occurred_from")))


def _is_delayed(arrival: Arrival) -> bool:
    return arrival.recorded_at - arrival.occurred_at > DELAY_MAX


def _runs(arrivals: Sequence[Arrival]) -> Iterator[list[Arrival]]:
    """Split into runs that were recorded in time, and that were recorded late without a pause."""
    run: list[Arrival] = []
    for arrival in arrivals:
        if run and (
            _is_delayed(run[-1]) != _is_delayed(arrival)
            or (_is_delayed(arrival) and arrival.recorded_at - run[-1].recorded_at > PAUSE_MAX)
        ):
            yield run
            run = []
        run.append(arrival)
    if run:
        yield run


def _blocks(run: Sequence[Arrival], earlier: Sequence[datetime]) -> Iterator[list[Arrival]]:
    """Split a run, by time of occurrence, where something that was known before lies between."""
    in_time = sorted(run, key=attrgetter("occurred_at", "position"))
    block = in_time[:1]
    for previous, arrival in pairwise(in_time):
        if bisect_left(earlier, arrival.occurred_at) > bisect_right(earlier, previous.occurred_at):
            yield block
            block = []
        block.append(arrival)
    yield block


def _stretch(block: Sequence[Arrival], earlier: Sequence[datetime]) -> Stretch:
    recorded = [arrival.recorded_at for arrival in block]
    return Stretch(
        facts=len(block),
        occurred_from=block[0].occurred_at,
        occurred_to=block[-1].occurred_at,
        recorded_from=min(recorded),
        recorded_to=max(recorded),
        out_of_order=bool(earlier) and earlier[-1] > block[-1].occurred_at,
    )
