"""Aggregates some at a time: all of them, in their order, and never many of much."""

from __future__ import annotations

from itertools import chain, pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.factory import aggregate
from domain.delivery import Delivery
from domain.event import Event
from projections.batches import AT_ONCE_MAX, BODY_BYTES_MAX, batches, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domain.aggregate import Aggregate

BODIES = [b" " * size for size in (0, BODY_BYTES_MAX // 3, BODY_BYTES_MAX + 1)]


def stream(kind: str, number: int, *bodies: bytes) -> Aggregate:
    stream_id = f"{kind}/bus_1/{number}"
    deliveries = [
        Delivery(f"msg_{place}", "1", "v1,none", body) for place, body in enumerate(bodies)
    ]
    events = [Event(stream_id, place, kind, one) for place, one in enumerate(deliveries, start=1)]
    return aggregate(stream_id, events)


def body_bytes(some: list[Aggregate]) -> int:
    return sum(len(event.delivery.body) for one in some for event in one.events)


@st.composite
def streams(draw: st.DrawFn) -> list[Aggregate]:
    bodies = st.lists(st.sampled_from(BODIES), min_size=1, max_size=3)
    told = st.lists(st.tuples(st.sampled_from(["payment", "dispute"]), bodies), max_size=20)
    return [stream(kind, number, *own) for number, (kind, own) in enumerate(draw(told))]


@given(streams(), st.integers(1, 4))
def test_all_are_given_in_their_order_and_kinds_apart(
    ours: list[Aggregate], at_once_max: int
) -> None:
    given = [*batches(ours, at_once_max)]
    assert [*chain(*given)] == ours
    for some in given:
        assert len({kind_of(one) for one in some}) == 1
        assert len(some) <= at_once_max
        assert len(some) == 1 or body_bytes(some) <= BODY_BYTES_MAX


@given(streams())
def test_those_that_fit_are_given_batches(ours: list[Aggregate]) -> None:
    given = [*batches(ours)]
    for some, others in pairwise(given):
        alike = kind_of(some[0]) == kind_of(others[0]) and len(some) < AT_ONCE_MAX
        assert not alike or body_bytes([*some, others[0]]) > BODY_BYTES_MAX


@pytest.mark.parametrize("at_once_max", [1, 3])
def test_no_further_one_is_taken_before_those_are_given_that_are_enough(at_once_max: int) -> None:
    taken = []

    def taking() -> Iterator[Aggregate]:
        for number in range(2 * at_once_max):
            taken.append(number)
            yield stream("payment", number, b"")

    for count, some in enumerate(batches(taking(), at_once_max), start=1):
        assert len(some) == at_once_max
        assert len(taken) == count * at_once_max
