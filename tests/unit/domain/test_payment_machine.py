"""Every answer of the payment's state machine, written out by hand."""

from __future__ import annotations

import pytest

from domain.aggregates.payment import MACHINE
from domain.state_machine import Judgement, Verdict

APPLIED = Verdict.APPLIED
UNCHANGED = Verdict.UNCHANGED
REFUSED = Verdict.REFUSED

STATES: tuple[str | None, ...] = (None, "processing", "failed", "cancelled", "succeeded")
STATUSES = ("processing", "failed", "cancelled", "succeeded")
NOT_STATUSES = ("settled", "pending", "refunded", "Succeeded", "")
WORDS = ("processing", "failed", "cancelled", "succeeded")

# No cell is a gap: the first word about a payment may be any of the four.
JUDGED: tuple[tuple[str | None, str, Verdict, str | None], ...] = (
    (None, "processing", APPLIED, "processing"),
    (None, "failed", APPLIED, "failed"),
    (None, "cancelled", APPLIED, "cancelled"),
    (None, "succeeded", APPLIED, "succeeded"),
    ("processing", "processing", UNCHANGED, "processing"),
    ("processing", "failed", APPLIED, "failed"),
    ("processing", "cancelled", APPLIED, "cancelled"),
    ("processing", "succeeded", APPLIED, "succeeded"),
    ("failed", "processing", APPLIED, "processing"),
    ("failed", "failed", UNCHANGED, "failed"),
    ("failed", "cancelled", APPLIED, "cancelled"),
    ("failed", "succeeded", APPLIED, "succeeded"),
    ("cancelled", "processing", REFUSED, "cancelled"),
    ("cancelled", "failed", REFUSED, "cancelled"),
    ("cancelled", "cancelled", UNCHANGED, "cancelled"),
    ("cancelled", "succeeded", APPLIED, "succeeded"),
    ("succeeded", "processing", REFUSED, "succeeded"),
    ("succeeded", "failed", REFUSED, "succeeded"),
    ("succeeded", "cancelled", REFUSED, "succeeded"),
    ("succeeded", "succeeded", UNCHANGED, "succeeded"),
)

REACHES: tuple[tuple[str | None, str, bool], ...] = (
    (None, "processing", True),
    (None, "failed", True),
    (None, "cancelled", True),
    (None, "succeeded", True),
    ("processing", "processing", True),
    ("processing", "failed", True),
    ("processing", "cancelled", True),
    ("processing", "succeeded", True),
    ("failed", "processing", True),
    ("failed", "failed", True),
    ("failed", "cancelled", True),
    ("failed", "succeeded", True),
    # Only a fact makes a cancelled payment succeed.
    ("cancelled", "processing", False),
    ("cancelled", "failed", False),
    ("cancelled", "cancelled", True),
    ("cancelled", "succeeded", False),
    ("succeeded", "processing", False),
    ("succeeded", "failed", False),
    ("succeeded", "cancelled", False),
    ("succeeded", "succeeded", True),
)


def test_every_pair_of_state_and_word_is_written_out_once() -> None:
    pairs = [(state, word) for state, word, _, _ in JUDGED]
    assert pairs == [(state, word) for state in STATES for word in WORDS]


@pytest.mark.parametrize(("state", "word", "verdict", "to"), JUDGED)
def test_a_word_is_judged_as_the_table_of_payments_says(
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
def test_what_is_no_status_of_a_payment_is_never_reached(state: str | None, observed: str) -> None:
    assert MACHINE.reaches(state, observed) is False


def test_a_payment_ends_succeeded_or_cancelled() -> None:
    assert MACHINE.final == frozenset({"succeeded", "cancelled"})


def test_words_at_one_instant_are_ranked_from_processing_to_succeeded() -> None:
    assert MACHINE.words == ("processing", "failed", "cancelled", "succeeded")
