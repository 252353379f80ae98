"""The policy: its rules as they are written, and the table that the docs have of it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from domain.access.policy import DAYS_MAX, KEYS, STATUSES, Policy, read_rule, table
from domain.aggregates.subscription import SUBSCRIPTION
from tests.support.histories import NOON, said
from tests.support.persons import held
from tests.support.samples import PROJECT

PAGE = PROJECT / "docs" / "access.md"


@pytest.mark.parametrize(
    "text", ["yes", "no", "1 day", "30 days", "until past_due_ends_at", "until expires_at"]
)
def test_a_rule_is_written_as_it_was_read(text: str) -> None:
    assert str(read_rule(text)) == text


@pytest.mark.parametrize(
    "value", ["", "YES", "maybe", True, 3, None, ["yes"], "until created_at", "x days", {}]
)
def test_what_is_no_rule_is_refused_with_what_is_expected(value: object) -> None:
    with pytest.raises(ValueError, match='must be "yes", "no", a grace such as "3 days"'):
        read_rule(value)


@pytest.mark.parametrize("days", [0, DAYS_MAX + 1])
def test_a_grace_has_limits(days: int) -> None:
    with pytest.raises(ValueError, match=f"must be 1 to {DAYS_MAX} days"):
        read_rule(f"{days} days")


def test_there_is_a_rule_for_each_status_that_a_subscription_may_have() -> None:
    machine = SUBSCRIPTION.machine
    assert set(STATUSES) == set(machine.states) | machine.observed_first
    assert set(STATUSES) < set(KEYS)


def test_a_grace_at_the_end_of_time_has_no_end() -> None:
    (one,) = held([said("subscription.on_hold", subscription_id="sub_1")])
    late = NOON.replace(year=9_999)
    assert read_rule("3650 days").ends_at(one.entity, late) is None  # type: ignore[arg-type]
    assert read_rule("3 days").ends_at(one.entity, NOON) == NOON + timedelta(days=3)  # type: ignore[arg-type]


def test_the_docs_have_the_table_of_the_default() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    assert rows == [tuple(line) for line in table(Policy())]
