"""Merchants that the simulator has told of for two years, as many as a log of some size takes."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from domain.delivery import Delivery
from simulator import merchant
from tests.benchmarks.bodies import signed
from tests.benchmarks.projected import project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator import Occurrence

_CUSTOMERS: Final = 300
"""Of one merchant, which is told as a whole and so is in memory: some 12,000 events."""
_NOW: Final = datetime(2027, 9, 1, tzinfo=UTC)
"""Two years after merchants begin. To the read models it is a date like another."""
_LATER: Final = datetime(2027, 11, 1, tzinfo=UTC)


def two_years() -> Iterator[list[Delivery]]:
    """Tell merchants, one after the other, each for two years: deliveries that nobody verifies."""
    for seed in itertools.count(1):
        told = merchant(seed, customers=_CUSTOMERS, until=_NOW)
        yield [unverified(one) for one in told]


def after_two_years(conninfo: str, events: int) -> Callable[[int], list[Delivery]]:
    """Record and show the past of merchants to whom so many events come next.

    Returns what makes a number of these, signed as they are made. They are mostly of subscriptions
    with months or years behind them, and of the new payments that their renewals bring.
    """
    past, coming = _past_and_next(events)
    project(conninfo, past)
    following = iter(coming)
    return lambda count: [
        signed(one.webhook_id, one.body) for one in itertools.islice(following, count)
    ]


def _past_and_next(events: int) -> tuple[list[Delivery], list[Occurrence]]:
    past: list[Delivery] = []
    following: list[Occurrence] = []
    for seed in itertools.count(1):
        if len(following) >= events:
            break
        for one in merchant(seed, customers=_CUSTOMERS, until=_LATER):
            if one.occurred_at < _NOW:
                past.append(unverified(one))
            else:
                following.append(one)
    return past, following


def unverified(one: Occurrence) -> Delivery:
    """Make a delivery of an occurrence, sent at once, that nobody verifies."""
    sent_at = str(int(one.occurred_at.timestamp()))
    return Delivery(one.webhook_id, sent_at, "v1,none", one.body)
