"""Ranks: timelines and cursors store them, so none changes, whatever is added beside it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import pytest

from domain.aggregate import Aggregate
from domain.aggregates.catalogue import KINDS, check_ranks
from domain.aggregates.subscription import MACHINE, SUBSCRIPTION, SubscriptionEntity
from domain.entity import Kind
from domain.event import Event
from domain.look import RANK_OF_LOOKS
from domain.state_machine import Machine, Verdict
from tests.support.histories import NOON, said

STORED = {
    "payment": [10, 20, 30, 40],
    "refund": [100, 110],
    "subscription": [200, 210, 220, 230, 240, 250, 260, 270, 280, 290, 300],
    "dispute": [400, 410, 420],
    "license_key": [600],
    "entitlement_grant": [700, 710, 720, 730],
    "credit": [800, 810, 820, 830, 840, 850, 860, 870, 880],
    "dunning": [500, 510],
    "abandoned_checkout": [900, 910],
    "payout": [940, 950, 960, 970, 980],
    "customer": [],
    "product": [],
}
"""The ranks of each kind; test_state_machines has the events that each of them belongs to."""


def _with_a_type(machine: Machine, word: str, rank: int, to: str) -> Machine:
    """Add an event as docs/how-to-add-an-event-type.md says: a line, a rank, and a column."""
    header, *rows = machine.grid.strip().splitlines()
    cells = [f"{row}  {'=' if row.split()[0] == to else to}" for row in rows]
    return replace(
        machine,
        events={**machine.events, word: "It was taken up again, by hand."},
        ranks={word: rank, **machine.ranks},
        grid="\n".join([f"{header}  {word}", *cells]),
    )


def _between(first: int, last: int) -> int:
    """Take a rank between two others: the one in the middle."""
    return (first + last) // 2


RESUMED = _between(MACHINE.ranks["active"], MACHINE.ranks["renewed"])
RESUMABLE = _with_a_type(MACHINE, "resumed", RESUMED, "active")


class Resumable(Aggregate):
    """A subscription's stream that takes one type more."""

    kinds: ClassVar[tuple[Kind, ...]] = (replace(SUBSCRIPTION, machine=RESUMABLE),)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_ranks_are_as_they_are_stored(kind: Kind) -> None:
    assert sorted(set(kind.machine.ranks.values())) == STORED[kind.name]


@pytest.mark.parametrize(
    "kind", [pytest.param(one, id=name) for name, one in KINDS.items() if one.machine.events]
)
def test_a_type_fits_between_any_two_and_before_and_behind_all_of_its_kind(kind: Kind) -> None:
    machine, others = kind.machine, [other.machine for other in KINDS.values() if other is not kind]
    of_others = sorted(rank for other in others for rank in other.ranks.values())
    ranks = sorted(set(machine.ranks.values()))
    below = max((rank for rank in of_others if rank < ranks[0]), default=-1)
    above = min(rank for rank in [*of_others, RANK_OF_LOOKS] if rank > ranks[-1])
    for first, last in pairwise([below, *ranks, above]):
        grown = _with_a_type(machine, "begotten", _between(first, last), next(iter(machine.states)))
        check_ranks([*others, grown])
        expected = [word for word in machine.words if machine.ranks[word] <= first]
        assert grown.words[: len(expected) + 1] == (*expected, "begotten")
        assert {**grown.ranks, "begotten": None} == {**machine.ranks, "begotten": None}


def test_a_type_that_is_added_to_the_tables_is_judged_and_told_like_any_other() -> None:
    told = [
        said("subscription.active", 0, subscription_id="sub_1"),
        said("subscription.paused", 5, subscription_id="sub_1"),
        said("subscription.resumed", 9, subscription_id="sub_1", quantity=3),
    ]
    stream = Resumable(
        "subscription/bus_1/sub_1",
        [
            Event("subscription/bus_1/sub_1", number, topic, delivery, number, NOON)
            for number, delivery in enumerate(told, start=1)
            for topic in [f"subscription.{('active', 'paused', 'resumed')[number - 1]}"]
        ],
    )
    (known,) = stream.entities()
    assert isinstance(known.entity, SubscriptionEntity)
    assert (known.entity.status, known.entity.quantity) == ("active", 3)
    last = stream.timeline()[-1]
    assert (last.type, last.verdict) == ("subscription.resumed", Verdict.APPLIED)
    assert (last.from_, last.to) == ("paused", "active")


def test_of_one_timestamp_a_type_that_is_added_has_its_place_by_its_rank() -> None:
    order = [word for word in RESUMABLE.words if word in {"active", "resumed", "renewed"}]
    assert order == ["active", "resumed", "renewed"]


OTHERS = [kind.machine for kind in KINDS.values() if kind is not SUBSCRIPTION]


@pytest.mark.parametrize("rank", [190, 199, 301, 399])
def test_a_type_may_have_any_rank_between_those_of_other_kinds(rank: int) -> None:
    check_ranks([*OTHERS, _with_a_type(MACHINE, "begotten", rank, "active")])


@pytest.mark.parametrize("rank", [110, 50, 400, 500, RANK_OF_LOOKS])
def test_kinds_whose_ranks_overlap_are_refused(rank: int) -> None:
    with pytest.raises(ValueError, match="overlap"):
        check_ranks([*OTHERS, _with_a_type(MACHINE, "begotten", rank, "active")])
