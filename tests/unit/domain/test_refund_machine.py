"""Every answer of the refund's state machine, written out by hand."""

from __future__ import annotations

import pytest

from domain.aggregates.refund import MACHINE
from domain.state_machine import Judgement, Verdict

APPLIED = Verdict.APPLIED
UNCHANGED = Verdict.UNCHANGED
REFUSED = Verdict.REFUSED

STATES: tuple[str | None, ...] = (None, "failed", "succeeded")
STATUSES = ("pending", "review", "failed", "succeeded")
NOT_STATUSES = ("processing", "reversed", "Succeeded", "")
WORDS = ("failed", "succeeded")

# No cell is a gap: a refund may come before its payment and is not waited for.
JUDGED: tuple[tuple[str | None, str, Verdict, str | None], ...] = (
    (None, "failed", APPLIED, "failed"),
    (None, "succeeded", APPLIED, "succeeded"),
    ("failed", "failed", UNCHANGED, "failed"),
    ("failed", "succeeded", APPLIED, "succeeded"),
    ("succeeded", "failed", REFUSED, "succeeded"),
    ("succeeded", "succeeded", UNCHANGED, "succeeded"),
)

REACHES: tuple[tuple[str | None, str, bool], ...] = (
    (None, "pending", True),
    (None, "review", True),
    (None, "failed", True),
    (None, "succeeded", True),
    ("failed", "pending", False),
    ("failed", "review", False),
    ("failed", "failed", True),
    ("failed", "succeeded", True),
    ("succeeded", "pending", False),
    ("succeeded", "review", False),
    ("succeeded", "failed", False),
    ("succeeded", "succeeded", True),
)


def test_every_pair_of_state_and_word_is_written_out_once() -> None:
    pairs = [(state, word) for state, word, _, _ in JUDGED]
    assert pairs == [(state, word) for state in STATES for word in WORDS]


@pytest.mark.parametrize(("state", "word", "verdict", "to"), JUDGED)
def test_a_word_is_judged_as_the_table_of_refunds_says(
    state: str | None, word: str, verdict: Verdict, to: str | None
) -> None:
    assert MACHINE.judge(state, word) == Judgement(verdict, to, gap=False)


def test_every_pair_of_state_and_observed_status_is_written_out_once() -> None:
    pairs = [(state, observed) for state, observed, _ in REACHES]
    assert pairs == [(state, observed) for state in STATES for observed in STATUSES]


@pytest.mark.parametrize(("state", "observed", "reached"), REACHES)
def test_an_observation_runs_ahead_only_along_valid_paths(
    state: str | None, observed: str, reached: bool
) -> None:
    assert MACHINE.reaches(state, observed) is reached


@pytest.mark.parametrize("observed", NOT_STATUSES)
@pytest.mark.parametrize("state", STATES)
def test_what_is_no_status_of_a_refund_is_never_reached(state: str | None, observed: str) -> None:
    assert MACHINE.reaches(state, observed) is False


def test_a_failed_refund_may_still_succeed_but_a_succeeded_one_is_final() -> None:
    assert MACHINE.final == frozenset({"succeeded"})


def test_at_one_instant_a_failure_ranks_before_the_success_that_follows_it() -> None:
    assert MACHINE.words == ("failed", "succeeded")
