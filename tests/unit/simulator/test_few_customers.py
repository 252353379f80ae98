"""To the few customers whom tests share, as much happens as to many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.histories import aggregates
from tests.support.projected import few_payouts, simulated, varied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domain.delivery import Delivery


def judged(told: Iterable[Delivery]) -> set[tuple[str, object]]:
    """What has happened, and what the machines say of it."""
    built = aggregates(told).values()
    return {(entry.type, entry.verdict) for one in built for entry in one.timeline()}


def test_what_is_varied_is_as_much_as_forty_have() -> None:
    assert judged(varied()) >= judged(simulated(40, seed=5))


def test_without_payouts_of_the_same_course_as_much_is_told() -> None:
    told = simulated(12, seed=3)
    assert judged(few_payouts(told)) == judged(told)
    assert len(few_payouts(told)) < len(told) - 100
