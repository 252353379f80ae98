"""Every answer of the licence key's state machine, written out by hand."""

from __future__ import annotations

import pytest

from domain.aggregates.license_key import MACHINE
from domain.state_machine import Judgement, Verdict

APPLIED = Verdict.APPLIED
UNCHANGED = Verdict.UNCHANGED

STATES: tuple[str | None, ...] = (None, "active", "disabled", "expired")
STATUSES = ("active", "disabled", "expired")
NOT_STATUSES = ("revoked", "created", "pending", "Active", "")

JUDGED: tuple[tuple[str | None, str, Verdict, str | None], ...] = (
    (None, "created", APPLIED, "active"),
    ("active", "created", UNCHANGED, "active"),
    ("disabled", "created", UNCHANGED, "disabled"),
    ("expired", "created", UNCHANGED, "expired"),
)

REACHES: tuple[tuple[str | None, str, bool], ...] = (
    (None, "active", True),
    (None, "disabled", True),
    (None, "expired", True),
    ("active", "active", True),
    ("active", "disabled", True),
    ("active", "expired", True),
    ("disabled", "active", True),
    ("disabled", "disabled", True),
    ("disabled", "expired", True),
    ("expired", "active", True),
    ("expired", "disabled", True),
    ("expired", "expired", True),
)


def test_every_state_is_judged_by_the_one_word_there_is() -> None:
    assert [(state, word) for state, word, _, _ in JUDGED] == [
        (state, "created") for state in STATES
    ]


@pytest.mark.parametrize(("state", "word", "verdict", "to"), JUDGED)
def test_a_word_is_judged_as_the_table_of_license_keys_says(
    state: str | None, word: str, verdict: Verdict, to: str | None
) -> None:
    assert MACHINE.judge(state, word) == Judgement(verdict, to, gap=False)


def test_every_pair_of_state_and_observed_status_is_written_out_once() -> None:
    pairs = [(state, observed) for state, observed, _ in REACHES]
    assert pairs == [(state, observed) for state in STATES for observed in STATUSES]


@pytest.mark.parametrize(("state", "observed", "reached"), REACHES)
def test_a_license_key_follows_what_is_observed_in_any_direction(
    state: str | None, observed: str, reached: bool
) -> None:
    assert MACHINE.reaches(state, observed) is reached


@pytest.mark.parametrize("observed", NOT_STATUSES)
@pytest.mark.parametrize("state", STATES)
def test_what_is_no_status_of_a_license_key_is_never_reached(
    state: str | None, observed: str
) -> None:
    assert MACHINE.reaches(state, observed) is False


def test_no_state_of_a_license_key_is_final() -> None:
    assert MACHINE.final == frozenset()


def test_a_license_key_is_announced_only_once_created() -> None:
    assert MACHINE.words == ("created",)
