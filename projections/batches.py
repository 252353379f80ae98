"""Aggregates of one kind, some at a time: each step is taken for all of them before the next one.

A page of the log touches hundreds of small ones. Taken one by one, each of them goes through all
the code that makes rows, which is more than a processor has at hand at once: it takes a third
longer to make the same rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from domain.aggregate import Aggregate

AT_ONCE_MAX: Final = 32
BODY_BYTES_MAX: Final = 2**20
"""Of the bodies that are in memory at once, unless those of one aggregate have more."""


def batches(
    aggregates: Iterable[Aggregate], at_once_max: int = AT_ONCE_MAX
) -> Iterator[list[Aggregate]]:
    """Give aggregates in their order, some that follow one another and are of one kind together."""
    some: list[Aggregate] = []
    body_bytes = 0
    for one in aggregates:
        own_bytes = sum(len(event.delivery.body) for event in one.events)
        fits = body_bytes + own_bytes <= BODY_BYTES_MAX
        if some and (not fits or kind_of(one) != kind_of(some[0])):
            yield some
            some, body_bytes = [], 0
        some.append(one)
        body_bytes += own_bytes
        if len(some) == at_once_max:
            yield some
            some, body_bytes = [], 0
    if some:
        yield some


def kind_of(aggregate: Aggregate) -> str:
    """Return the kind of an aggregate, the first part of its stream's id."""
    return aggregate.id.partition("/")[0]
