"""Samples: one of every type that the simulator knows, as the log would tell it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cli.sample_events import NoSampleError, sample
from domain.aggregates.announcement import FAMILY_OF
from domain.aggregates.catalogue import KINDS
from domain.state_machine import Verdict
from simulator import merchant

# Of many more customers than samples are taken from.
TYPES = sorted(
    {one.type for one in merchant(2, customers=100, until=datetime(2026, 10, 1, tzinfo=UTC))}
)
MACHINES = {type_ for kind in KINDS.values() for type_ in kind.machine.types}


@pytest.mark.parametrize("type_", TYPES)
def test_every_type_that_the_simulator_knows_has_a_sample(type_: str) -> None:
    found = sample(type_)
    assert (found.type, found.payload["type"]) == (type_, type_)
    assert (found.verdict is None) == (type_ not in MACHINES)
    assert found.verdict is not Verdict.REFUSED
    assert (found.entity is None) == (type_ not in MACHINES)
    assert found == sample(type_)


def test_all_of_the_state_machines_types_have_a_sample() -> None:
    # No merchant of today is sent an older name of a type.
    assert set(TYPES) >= MACHINES - {"payout.not_initiated"}


def test_a_sample_comes_with_what_led_to_it() -> None:
    held = sample("subscription.on_hold")
    assert held.entity is not None
    assert (held.entity.status, held.gap, held.entity.history) == ("on_hold", False, "complete")


def test_a_type_without_a_sample_is_told_with_those_that_have_one() -> None:
    with pytest.raises(NoSampleError) as error:
        sample("dispute.begun")
    listed = str(error.value).partition("there are ")[2].split(", ")
    assert listed == sorted([*TYPES, *FAMILY_OF])


@pytest.mark.parametrize("type_", FAMILY_OF)
def test_every_announcement_has_a_sample(type_: str) -> None:
    found = sample(type_)
    assert (found.type, found.payload["type"]) == (type_, type_)
    assert (found.kind, found.verdict, found.entity) == ("announcement", None, None)
    assert found == sample(type_)
    data = found.payload["data"]
    if type_.startswith("access."):
        assert data["access"] is (type_ == "access.granted")
