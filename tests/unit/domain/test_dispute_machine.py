"""Every answer of the dispute's state machine within one stage, written out by hand."""

from __future__ import annotations

import pytest

from domain.aggregates.dispute import MACHINE
from domain.state_machine import Judgement, Verdict

APPLIED = Verdict.APPLIED
UNCHANGED = Verdict.UNCHANGED
REFUSED = Verdict.REFUSED

STATES: tuple[str | None, ...] = (
    None,
    "opened",
    "challenged",
    "won",
    "lost",
    "accepted",
    "expired",
    "cancelled",
)
STATUSES = ("opened", "challenged", "won", "lost", "accepted", "expired", "cancelled")
NOT_STATUSES = ("escalated", "dispute_opened", "dispute_won", "pending", "Opened", "")
WORDS = ("opened", "challenged", "won", "lost", "accepted", "expired", "cancelled")

JUDGED: tuple[tuple[str | None, str, Verdict, str | None], ...] = (
    (None, "opened", APPLIED, "opened"),
    (None, "challenged", APPLIED, "challenged"),
    (None, "won", APPLIED, "won"),
    (None, "lost", APPLIED, "lost"),
    (None, "accepted", APPLIED, "accepted"),
    (None, "expired", APPLIED, "expired"),
    (None, "cancelled", APPLIED, "cancelled"),
    ("opened", "opened", UNCHANGED, "opened"),
    ("opened", "challenged", APPLIED, "challenged"),
    ("opened", "won", APPLIED, "won"),
    ("opened", "lost", APPLIED, "lost"),
    ("opened", "accepted", APPLIED, "accepted"),
    ("opened", "expired", APPLIED, "expired"),
    ("opened", "cancelled", APPLIED, "cancelled"),
    ("challenged", "opened", REFUSED, "challenged"),
    ("challenged", "challenged", UNCHANGED, "challenged"),
    ("challenged", "won", APPLIED, "won"),
    ("challenged", "lost", APPLIED, "lost"),
    ("challenged", "accepted", REFUSED, "challenged"),
    ("challenged", "expired", REFUSED, "challenged"),
    ("challenged", "cancelled", REFUSED, "challenged"),
    ("won", "opened", REFUSED, "won"),
    ("won", "challenged", REFUSED, "won"),
    ("won", "won", UNCHANGED, "won"),
    ("won", "lost", REFUSED, "won"),
    ("won", "accepted", REFUSED, "won"),
    ("won", "expired", REFUSED, "won"),
    ("won", "cancelled", REFUSED, "won"),
    ("lost", "opened", REFUSED, "lost"),
    ("lost", "challenged", REFUSED, "lost"),
    ("lost", "won", REFUSED, "lost"),
    ("lost", "lost", UNCHANGED, "lost"),
    ("lost", "accepted", REFUSED, "lost"),
    ("lost", "expired", REFUSED, "lost"),
    ("lost", "cancelled", REFUSED, "lost"),
    ("accepted", "opened", REFUSED, "accepted"),
    ("accepted", "challenged", REFUSED, "accepted"),
    ("accepted", "won", REFUSED, "accepted"),
    ("accepted", "lost", REFUSED, "accepted"),
    ("accepted", "accepted", UNCHANGED, "accepted"),
    ("accepted", "expired", REFUSED, "accepted"),
    ("accepted", "cancelled", REFUSED, "accepted"),
    ("expired", "opened", REFUSED, "expired"),
    ("expired", "challenged", REFUSED, "expired"),
    ("expired", "won", REFUSED, "expired"),
    ("expired", "lost", REFUSED, "expired"),
    ("expired", "accepted", REFUSED, "expired"),
    ("expired", "expired", UNCHANGED, "expired"),
    ("expired", "cancelled", REFUSED, "expired"),
    ("cancelled", "opened", REFUSED, "cancelled"),
    ("cancelled", "challenged", REFUSED, "cancelled"),
    ("cancelled", "won", REFUSED, "cancelled"),
    ("cancelled", "lost", REFUSED, "cancelled"),
    ("cancelled", "accepted", REFUSED, "cancelled"),
    ("cancelled", "expired", REFUSED, "cancelled"),
    ("cancelled", "cancelled", UNCHANGED, "cancelled"),
)

# Accepted from nothing, though an opening must have come before that was never seen.
GAPS: frozenset[tuple[str | None, str]] = frozenset(
    {
        (None, "challenged"),
        (None, "won"),
        (None, "lost"),
        (None, "accepted"),
        (None, "expired"),
        (None, "cancelled"),
    }
)

REACHES: tuple[tuple[str | None, str, bool], ...] = (
    (None, "opened", True),
    (None, "challenged", True),
    (None, "won", True),
    (None, "lost", True),
    (None, "accepted", True),
    (None, "expired", True),
    (None, "cancelled", True),
    ("opened", "opened", True),
    ("opened", "challenged", True),
    ("opened", "won", True),
    ("opened", "lost", True),
    ("opened", "accepted", True),
    ("opened", "expired", True),
    ("opened", "cancelled", True),
    ("challenged", "opened", False),
    ("challenged", "challenged", True),
    ("challenged", "won", True),
    ("challenged", "lost", True),
    ("challenged", "accepted", False),
    ("challenged", "expired", False),
    ("challenged", "cancelled", False),
    ("won", "opened", False),
    ("won", "challenged", False),
    ("won", "won", True),
    ("won", "lost", False),
    ("won", "accepted", False),
    ("won", "expired", False),
    ("won", "cancelled", False),
    ("lost", "opened", False),
    ("lost", "challenged", False),
    ("lost", "won", False),
    ("lost", "lost", True),
    ("lost", "accepted", False),
    ("lost", "expired", False),
    ("lost", "cancelled", False),
    ("accepted", "opened", False),
    ("accepted", "challenged", False),
    ("accepted", "won", False),
    ("accepted", "lost", False),
    ("accepted", "accepted", True),
    ("accepted", "expired", False),
    ("accepted", "cancelled", False),
    ("expired", "opened", False),
    ("expired", "challenged", False),
    ("expired", "won", False),
    ("expired", "lost", False),
    ("expired", "accepted", False),
    ("expired", "expired", True),
    ("expired", "cancelled", False),
    ("cancelled", "opened", False),
    ("cancelled", "challenged", False),
    ("cancelled", "won", False),
    ("cancelled", "lost", False),
    ("cancelled", "accepted", False),
    ("cancelled", "expired", False),
    ("cancelled", "cancelled", True),
)


def test_every_pair_of_state_and_word_is_written_out_once() -> None:
    pairs = [(state, word) for state, word, _, _ in JUDGED]
    assert pairs == [(state, word) for state in STATES for word in WORDS]


@pytest.mark.parametrize(("state", "word", "verdict", "to"), JUDGED)
def test_a_word_is_judged_as_the_table_of_disputes_says(
    state: str | None, word: str, verdict: Verdict, to: str | None
) -> None:
    expected = Judgement(verdict, to, (state, word) in GAPS)
    assert MACHINE.judge(state, word) == expected


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
def test_what_is_no_status_of_a_dispute_is_never_reached(state: str | None, observed: str) -> None:
    assert MACHINE.reaches(state, observed) is False


def test_every_outcome_of_a_dispute_is_final() -> None:
    assert MACHINE.final == frozenset({"won", "lost", "accepted", "expired", "cancelled"})


def test_words_at_one_instant_are_ranked_opened_then_challenged_then_the_outcomes() -> None:
    assert MACHINE.words[:2] == ("opened", "challenged")
    assert frozenset(MACHINE.words[2:]) == {"won", "lost", "accepted", "expired", "cancelled"}
    assert len(MACHINE.words) == len(WORDS)


def test_the_outcomes_of_a_dispute_share_a_rank() -> None:
    outcomes = ("won", "lost", "accepted", "expired", "cancelled")
    assert len({MACHINE.ranks[word] for word in outcomes}) == 1
    assert MACHINE.ranks["opened"] < MACHINE.ranks["challenged"] < MACHINE.ranks["won"]
