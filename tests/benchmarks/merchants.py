"""Merchants that the simulator has told of for two years, as many as a log of some size takes."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from domain.delivery import Delivery
from simulator import merchant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator import Occurrence

_CUSTOMERS: Final = 300
"""Of one merchant, which is told as a whole and so is in memory: 14,000 events."""
NOW: Final = datetime(2027, 9, 1, tzinfo=UTC)
"""Two years after merchants begin. To the read models it is a date like another."""
_LATER: Final = datetime(2027, 11, 1, tzinfo=UTC)


def occurrences(events: int) -> Iterator[Occurrence]:
    """Tell so many events of merchants, one merchant after the other, each for two years."""
    told = (merchant(seed, customers=_CUSTOMERS, until=NOW) for seed in itertools.count(1))
    return itertools.islice(itertools.chain.from_iterable(told), events)


def past_and_next(events: int) -> tuple[list[Delivery], list[Occurrence]]:
    """Tell merchants until so many events come next; return what came before, and those.

    What comes next is mostly of subscriptions with months or years behind them, and of the new
    payments that their renewals bring.
    """
    past: list[Delivery] = []
    following: list[Occurrence] = []
    for seed in itertools.count(1):
        if len(following) >= events:
            break
        for one in merchant(seed, customers=_CUSTOMERS, until=_LATER):
            if one.occurred_at < NOW:
                past.append(recorded(one))
            else:
                following.append(one)
    return past, following[:events]


def recorded(one: Occurrence) -> Delivery:
    """Make a delivery that nobody verifies."""
    return Delivery(one.webhook_id, "1777636800", "v1,none", one.body)
