"""Ranks: timelines and cursors store them, so none changes, whatever is added beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from domain.aggregate import Aggregate
from domain.aggregates.catalogue import KINDS, RANK_OF_NOTICES, check_ranks
from domain.aggregates.subscription import MACHINE, SUBSCRIPTION, SubscriptionEntity
from domain.entity import Kind
from domain.event import Event
from domain.state_machine import Machine, Verdict
from tests.support.histories import NOON, said

STORED = {
    "payment": {"processing": 0, "failed": 1, "cancelled": 2, "succeeded": 3},
    "refund": {"failed": 10, "succeeded": 11},
    "subscription": {
        "updated": 20,
        "plan_changed": 21,
        "update_payment_method": 21,
        "active": 22,
        "renewed": 23,
        "past_due": 24,
        "on_hold": 25,
        "paused": 26,
        "unpaused": 27,
        "failed": 28,
        "cancelled": 29,
        "expired": 30,
    },
    "dispute": {
        "opened": 40,
        "challenged": 41,
        "won": 42,
        "lost": 42,
        "accepted": 42,
        "expired": 42,
        "cancelled": 42,
    },
    "license_key": {"created": 60},
}


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


RESUMABLE = _with_a_type(MACHINE, "resumed", MACHINE.ranks["active"], "active")


class Resumable(Aggregate):
    """A subscription's stream that takes one type more."""

    kinds: ClassVar[tuple[Kind, ...]] = (replace(SUBSCRIPTION, machine=RESUMABLE),)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_ranks_are_as_they_are_stored(kind: Kind) -> None:
    assert kind.machine.ranks == STORED[kind.name]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_an_event_type_in_the_middle_of_the_order_leaves_all_other_ranks_as_they_are(
    kind: Kind,
) -> None:
    machine = kind.machine
    for rank in sorted(set(machine.ranks.values())):
        grown = _with_a_type(machine, "added", rank, next(iter(machine.states)))
        assert {**grown.ranks, "added": None} == {**machine.ranks, "added": None}
        assert [word for word in grown.words if word != "added"] == list(machine.words)


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
    order = [word for word in RESUMABLE.words if word in {"updated", "resumed", "renewed"}]
    assert order == ["updated", "resumed", "renewed"]


OTHERS = [kind.machine for kind in KINDS.values() if kind is not SUBSCRIPTION]


@pytest.mark.parametrize("rank", [19, 31, 39])
def test_a_type_may_have_any_rank_between_those_of_other_kinds(rank: int) -> None:
    check_ranks([*OTHERS, _with_a_type(MACHINE, "added", rank, "active")])


@pytest.mark.parametrize("rank", [11, 5, 40, 50, RANK_OF_NOTICES])
def test_kinds_whose_ranks_overlap_are_refused(rank: int) -> None:
    with pytest.raises(ValueError, match="overlap"):
        check_ranks([*OTHERS, _with_a_type(MACHINE, "added", rank, "active")])
