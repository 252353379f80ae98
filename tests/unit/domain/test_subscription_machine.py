"""Every answer of the subscription's state machine, written out by hand."""

from __future__ import annotations

import pytest

from domain.aggregates.subscription import MACHINE
from domain.state_machine import At, Judgement, Verdict

APPLIED = Verdict.APPLIED
UNCHANGED = Verdict.UNCHANGED
REFUSED = Verdict.REFUSED
ANOMALY = Verdict.ANOMALY

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
    ("failed", "active", ANOMALY, "failed"),
    ("failed", "renewed", ANOMALY, "failed"),
    ("failed", "past_due", ANOMALY, "failed"),
    ("failed", "on_hold", ANOMALY, "failed"),
    ("failed", "paused", ANOMALY, "failed"),
    ("failed", "unpaused", ANOMALY, "failed"),
    ("failed", "cancelled", ANOMALY, "failed"),
    ("failed", "failed", UNCHANGED, "failed"),
    ("failed", "expired", ANOMALY, "failed"),
    ("failed", "updated", UNCHANGED, "failed"),
    ("failed", "plan_changed", UNCHANGED, "failed"),
    ("failed", "update_payment_method", UNCHANGED, "failed"),
    ("cancelled", "active", ANOMALY, "cancelled"),
    ("cancelled", "renewed", ANOMALY, "cancelled"),
    ("cancelled", "past_due", ANOMALY, "cancelled"),
    ("cancelled", "on_hold", ANOMALY, "cancelled"),
    ("cancelled", "paused", ANOMALY, "cancelled"),
    ("cancelled", "unpaused", ANOMALY, "cancelled"),
    ("cancelled", "cancelled", UNCHANGED, "cancelled"),
    ("cancelled", "failed", REFUSED, "cancelled"),
    ("cancelled", "expired", UNCHANGED, "cancelled"),
    ("cancelled", "updated", UNCHANGED, "cancelled"),
    ("cancelled", "plan_changed", UNCHANGED, "cancelled"),
    ("cancelled", "update_payment_method", UNCHANGED, "cancelled"),
    ("expired", "active", ANOMALY, "expired"),
    ("expired", "renewed", ANOMALY, "expired"),
    ("expired", "past_due", ANOMALY, "expired"),
    ("expired", "on_hold", ANOMALY, "expired"),
    ("expired", "paused", ANOMALY, "expired"),
    ("expired", "unpaused", ANOMALY, "expired"),
    ("expired", "cancelled", ANOMALY, "expired"),
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

# What each anomaly claims: Dodo documents no way out of these three, yet may tell of one.
CLAIMS: dict[tuple[str | None, str], str] = {
    ("failed", "active"): "active",
    ("failed", "renewed"): "active",
    ("failed", "past_due"): "past_due",
    ("failed", "on_hold"): "on_hold",
    ("failed", "paused"): "paused",
    ("failed", "unpaused"): "active",
    ("failed", "cancelled"): "cancelled",
    ("failed", "expired"): "expired",
    ("cancelled", "active"): "active",
    ("cancelled", "renewed"): "active",
    ("cancelled", "past_due"): "past_due",
    ("cancelled", "on_hold"): "on_hold",
    ("cancelled", "paused"): "paused",
    ("cancelled", "unpaused"): "active",
    ("expired", "active"): "active",
    ("expired", "renewed"): "active",
    ("expired", "past_due"): "past_due",
    ("expired", "on_hold"): "on_hold",
    ("expired", "paused"): "paused",
    ("expired", "unpaused"): "active",
    ("expired", "cancelled"): "cancelled",
}

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
    # These three are final: no observation alone leads out of them.
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
    pair = state, word
    expected = Judgement(verdict, to, pair in GAPS, CLAIMS.get(pair))
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


@pytest.mark.parametrize("observed", [None, *STATUSES, *NOT_STATUSES])
@pytest.mark.parametrize(("pair", "claimed"), CLAIMS.items())
def test_an_anomaly_is_one_only_where_its_own_data_bears_out_what_it_claims(
    pair: tuple[str, str], claimed: str, observed: str | None
) -> None:
    state, word = pair
    within = {state_: living for state_, living, _ in REACHES}[claimed] - MACHINE.final | {claimed}
    borne_out = observed in within
    step = MACHINE.step(At(state), word, None, observed)
    assert step.verdict is (ANOMALY if borne_out else REFUSED)
    assert step.to == At(state)
    assert step.led == (At(claimed) if borne_out else None)
    assert step.reason is not None
    assert step.reason.startswith(f"subscription.{word} is not a valid transition from {state}")


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
