"""Every answer of the subscription's state machine, written out by hand."""

from __future__ import annotations

import pytest

from domain.machine import Judgement, Verdict
from domain.subscription import MACHINE

APPLIED = Verdict.APPLIED
UNCHANGED = Verdict.UNCHANGED
REFUSED = Verdict.REFUSED

STATES: tuple[str | None, ...] = (
    None,
    "active",
    "past_due",
    "on_hold",
    "paused",
    "failed",
    "cancelled",
    "expired",
)
STATUSES = ("pending", *(state for state in STATES if state is not None))
NOT_STATUSES = ("grace", "renewed", "updated", "unpaused", "Active", "")
WORDS = (
    "active",
    "renewed",
    "past_due",
    "on_hold",
    "paused",
    "unpaused",
    "cancelled",
    "failed",
    "expired",
    "updated",
    "plan_changed",
    "update_payment_method",
)

JUDGED: tuple[tuple[str | None, str, Verdict, str | None], ...] = (
    (None, "active", APPLIED, "active"),
    (None, "renewed", APPLIED, "active"),
    (None, "past_due", APPLIED, "past_due"),
    (None, "on_hold", APPLIED, "on_hold"),
    (None, "paused", APPLIED, "paused"),
    (None, "unpaused", APPLIED, "active"),
    (None, "cancelled", APPLIED, "cancelled"),
    (None, "failed", APPLIED, "failed"),
    (None, "expired", APPLIED, "expired"),
    (None, "updated", UNCHANGED, None),
    (None, "plan_changed", UNCHANGED, None),
    (None, "update_payment_method", UNCHANGED, None),
    ("active", "active", UNCHANGED, "active"),
    ("active", "renewed", UNCHANGED, "active"),
    ("active", "past_due", APPLIED, "past_due"),
    ("active", "on_hold", APPLIED, "on_hold"),
    ("active", "paused", APPLIED, "paused"),
    ("active", "unpaused", UNCHANGED, "active"),
    ("active", "cancelled", APPLIED, "cancelled"),
    ("active", "failed", REFUSED, "active"),
    ("active", "expired", APPLIED, "expired"),
    ("active", "updated", UNCHANGED, "active"),
    ("active", "plan_changed", UNCHANGED, "active"),
    ("active", "update_payment_method", UNCHANGED, "active"),
    ("past_due", "active", APPLIED, "active"),
    ("past_due", "renewed", APPLIED, "active"),
    ("past_due", "past_due", UNCHANGED, "past_due"),
    ("past_due", "on_hold", APPLIED, "on_hold"),
    ("past_due", "paused", REFUSED, "past_due"),
    ("past_due", "unpaused", REFUSED, "past_due"),
    ("past_due", "cancelled", APPLIED, "cancelled"),
    ("past_due", "failed", REFUSED, "past_due"),
    ("past_due", "expired", APPLIED, "expired"),
    ("past_due", "updated", UNCHANGED, "past_due"),
    ("past_due", "plan_changed", UNCHANGED, "past_due"),
    ("past_due", "update_payment_method", UNCHANGED, "past_due"),
    ("on_hold", "active", APPLIED, "active"),
    ("on_hold", "renewed", APPLIED, "active"),
    ("on_hold", "past_due", REFUSED, "on_hold"),
    ("on_hold", "on_hold", UNCHANGED, "on_hold"),
    ("on_hold", "paused", APPLIED, "paused"),
    ("on_hold", "unpaused", APPLIED, "active"),
    ("on_hold", "cancelled", APPLIED, "cancelled"),
    ("on_hold", "failed", REFUSED, "on_hold"),
    ("on_hold", "expired", APPLIED, "expired"),
    ("on_hold", "updated", UNCHANGED, "on_hold"),
    ("on_hold", "plan_changed", UNCHANGED, "on_hold"),
    ("on_hold", "update_payment_method", UNCHANGED, "on_hold"),
    ("paused", "active", APPLIED, "active"),
    ("paused", "renewed", REFUSED, "paused"),
    ("paused", "past_due", REFUSED, "paused"),
    ("paused", "on_hold", APPLIED, "on_hold"),
    ("paused", "paused", UNCHANGED, "paused"),
    ("paused", "unpaused", APPLIED, "active"),
    ("paused", "cancelled", APPLIED, "cancelled"),
    ("paused", "failed", REFUSED, "paused"),
    ("paused", "expired", APPLIED, "expired"),
    ("paused", "updated", UNCHANGED, "paused"),
    ("paused", "plan_changed", UNCHANGED, "paused"),
    ("paused", "update_payment_method", UNCHANGED, "paused"),
    ("failed", "active", APPLIED, "active"),
    ("failed", "renewed", APPLIED, "active"),
    ("failed", "past_due", REFUSED, "failed"),
    ("failed", "on_hold", REFUSED, "failed"),
    ("failed", "paused", REFUSED, "failed"),
    ("failed", "unpaused", REFUSED, "failed"),
    ("failed", "cancelled", APPLIED, "cancelled"),
    ("failed", "failed", UNCHANGED, "failed"),
    ("failed", "expired", APPLIED, "expired"),
    ("failed", "updated", UNCHANGED, "failed"),
    ("failed", "plan_changed", UNCHANGED, "failed"),
    ("failed", "update_payment_method", UNCHANGED, "failed"),
    ("cancelled", "active", APPLIED, "active"),
    ("cancelled", "renewed", REFUSED, "cancelled"),
    ("cancelled", "past_due", REFUSED, "cancelled"),
    ("cancelled", "on_hold", REFUSED, "cancelled"),
    ("cancelled", "paused", REFUSED, "cancelled"),
    ("cancelled", "unpaused", REFUSED, "cancelled"),
    ("cancelled", "cancelled", UNCHANGED, "cancelled"),
    ("cancelled", "failed", REFUSED, "cancelled"),
    ("cancelled", "expired", UNCHANGED, "cancelled"),
    ("cancelled", "updated", UNCHANGED, "cancelled"),
    ("cancelled", "plan_changed", UNCHANGED, "cancelled"),
    ("cancelled", "update_payment_method", UNCHANGED, "cancelled"),
    ("expired", "active", APPLIED, "active"),
    ("expired", "renewed", REFUSED, "expired"),
    ("expired", "past_due", REFUSED, "expired"),
    ("expired", "on_hold", REFUSED, "expired"),
    ("expired", "paused", REFUSED, "expired"),
    ("expired", "unpaused", REFUSED, "expired"),
    ("expired", "cancelled", REFUSED, "expired"),
    ("expired", "failed", REFUSED, "expired"),
    ("expired", "expired", UNCHANGED, "expired"),
    ("expired", "updated", UNCHANGED, "expired"),
    ("expired", "plan_changed", UNCHANGED, "expired"),
    ("expired", "update_payment_method", UNCHANGED, "expired"),
)

# Accepted from nothing, though something must have come before that was never seen.
GAPS: frozenset[tuple[str | None, str]] = frozenset(
    {
        (None, "past_due"),
        (None, "on_hold"),
        (None, "paused"),
        (None, "unpaused"),
        (None, "cancelled"),
        (None, "expired"),
        (None, "plan_changed"),
    }
)

# From a folded state: the statuses that an observation may move it ahead to, and all the others.
REACHES: tuple[tuple[str | None, frozenset[str], frozenset[str]], ...] = (
    (
        None,
        frozenset(
            {
                "pending",
                "active",
                "past_due",
                "on_hold",
                "paused",
                "failed",
                "cancelled",
                "expired",
            }
        ),
        frozenset(),
    ),
    (
        "active",
        frozenset({"active", "past_due", "on_hold", "paused", "cancelled", "expired"}),
        frozenset({"pending", "failed"}),
    ),
    # It pauses by way of active or of on_hold.
    (
        "past_due",
        frozenset({"active", "past_due", "on_hold", "paused", "cancelled", "expired"}),
        frozenset({"pending", "failed"}),
    ),
    # It falls due by way of active.
    (
        "on_hold",
        frozenset({"active", "past_due", "on_hold", "paused", "cancelled", "expired"}),
        frozenset({"pending", "failed"}),
    ),
    (
        "paused",
        frozenset({"active", "past_due", "on_hold", "paused", "cancelled", "expired"}),
        frozenset({"pending", "failed"}),
    ),
    # A fact revives these three, an observation never does.
    (
        "failed",
        frozenset({"failed"}),
        frozenset({"pending", "active", "past_due", "on_hold", "paused", "cancelled", "expired"}),
    ),
    (
        "cancelled",
        frozenset({"cancelled"}),
        frozenset({"pending", "active", "past_due", "on_hold", "paused", "failed", "expired"}),
    ),
    (
        "expired",
        frozenset({"expired"}),
        frozenset({"pending", "active", "past_due", "on_hold", "paused", "failed", "cancelled"}),
    ),
)


def test_every_pair_of_state_and_word_is_written_out_once() -> None:
    pairs = [(state, word) for state, word, _, _ in JUDGED]
    assert sorted(pairs, key=str) == sorted(
        ((state, word) for state in STATES for word in WORDS), key=str
    )


@pytest.mark.parametrize(("state", "word", "verdict", "to"), JUDGED)
def test_a_word_is_judged_as_the_table_of_subscriptions_says(
    state: str | None, word: str, verdict: Verdict, to: str | None
) -> None:
    expected = Judgement(verdict, to, (state, word) in GAPS)
    assert MACHINE.judge(state, word) == expected


def test_every_pair_of_state_and_observed_status_is_written_out_once() -> None:
    assert [state for state, _, _ in REACHES] == list(STATES)
    for _, within, beyond in REACHES:
        assert within | beyond == frozenset(STATUSES)
        assert not within & beyond


@pytest.mark.parametrize(
    ("state", "observed"),
    [(state, observed) for state, within, _ in REACHES for observed in sorted(within)],
)
def test_an_observation_may_run_ahead_of_the_folded_state(state: str | None, observed: str) -> None:
    assert MACHINE.reaches(state, observed) is True


@pytest.mark.parametrize(
    ("state", "observed"),
    [(state, observed) for state, _, beyond in REACHES for observed in sorted(beyond)],
)
def test_an_observation_off_the_valid_paths_moves_nothing(state: str | None, observed: str) -> None:
    assert MACHINE.reaches(state, observed) is False


@pytest.mark.parametrize("observed", NOT_STATUSES)
@pytest.mark.parametrize("state", STATES)
def test_what_is_no_status_of_a_subscription_is_never_reached(
    state: str | None, observed: str
) -> None:
    assert MACHINE.reaches(state, observed) is False


def test_a_subscription_ends_cancelled_failed_or_expired() -> None:
    assert MACHINE.final == frozenset({"cancelled", "failed", "expired"})


def test_words_at_one_instant_are_ranked_from_updated_to_expired() -> None:
    assert MACHINE.words[0] == "updated"
    assert frozenset(MACHINE.words[1:3]) == {"plan_changed", "update_payment_method"}
    assert MACHINE.words[3:] == (
        "active",
        "renewed",
        "past_due",
        "on_hold",
        "paused",
        "unpaused",
        "failed",
        "cancelled",
        "expired",
    )


def test_a_new_plan_and_a_new_payment_method_share_a_rank() -> None:
    assert MACHINE.ranks["plan_changed"] == MACHINE.ranks["update_payment_method"]
    assert len(set(MACHINE.ranks.values())) == len(WORDS) - 1
