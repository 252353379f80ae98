"""A subscription's life: what its webhooks make of it, in whatever order they come."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import TYPE_CHECKING, TypeAlias

import pytest

from domain.aggregates.subscription import SubscriptionEntity, counts_as_active
from tests.support.histories import NOON, aggregates, delivery, of_one, said
from tests.support.samples import samples

if TYPE_CHECKING:
    from domain.aggregate import Aggregate
    from domain.delivery import Delivery

Line: TypeAlias = "tuple[str, str | None, str | None]"
"""A fact's word, its verdict, and the status after it."""
LIVING = ["active", "past_due", "on_hold", "paused"]
ENDED = ["cancelled", "failed", "expired"]


def _told(word: str, minute: int = 0, status: str | None = None, **data: object) -> Delivery:
    known = {"subscription_id": "sub_1"} | ({"status": status} if status else {})
    return said(f"subscription.{word}", minute, None, **known | data)


def _known(*deliveries: Delivery) -> SubscriptionEntity:
    (known,) = of_one(*deliveries).entities()
    assert isinstance(known.entity, SubscriptionEntity)
    return known.entity


def _lines(aggregate: Aggregate) -> list[Line]:
    return [
        (entry.type.removeprefix("subscription."), entry.verdict, entry.to)
        for entry in aggregate.timeline()
    ]


def _life(*words: str) -> list[Delivery]:
    return [_told(word, minute) for minute, word in enumerate(words)]


BURST = [
    "payment.succeeded",
    "subscription.active",
    "subscription.renewed",
    "subscription.updated",
]


@pytest.mark.parametrize("order", list(permutations(BURST)), ids=" ".join)
def test_the_burst_of_a_first_purchase_gives_one_active_subscription_in_every_order(
    order: tuple[str, ...],
) -> None:
    streams = aggregates(delivery(samples()[name], f"msg_{name}") for name in order)
    business = "bus_nVKDvwk64QyNvXXlkpDR55"
    payment = streams[f"payment/{business}/pay_LqvYe1S8NXrQPm2ZJXzSWQ"]
    subscription = streams[f"subscription/{business}/sub_CKsjulU4C20HVVCoIsSjkz"]
    assert len(streams) == 2
    assert [entry.to for entry in payment.timeline()] == ["succeeded"]
    assert _lines(subscription) == [
        ("updated", "unchanged", None),
        ("active", "applied", "active"),
        ("renewed", "unchanged", "active"),
    ]
    (known,) = subscription.entities()
    assert (known.entity.status, known.entity.history) == ("active", "complete")
    assert (known.entity.drift, known.entity.refused) == (None, 0)
    assert known.entity.customer_id == "cus_Pc0LRWgjgpYpcz9t6e0pLV"
    first = min(order.index(name) for name in BURST[1:]) + 1
    assert known.first_position == first


@pytest.mark.parametrize(
    ("words", "verdicts", "status"),
    [
        # A trial begins with the mandate; the first period is charged when it ends.
        ("active renewed", "applied unchanged", "active"),
        ("active past_due renewed", "applied applied applied", "active"),
        ("active past_due on_hold active", "applied applied applied applied", "active"),
        ("active past_due on_hold cancelled", "applied applied applied applied", "cancelled"),
        ("active on_hold expired", "applied applied applied", "expired"),
        ("active plan_changed updated", "applied unchanged unchanged", "active"),
        ("active update_payment_method", "applied unchanged", "active"),
        ("active paused renewed unpaused", "applied applied refused applied", "active"),
        ("active paused past_due on_hold", "applied applied refused applied", "on_hold"),
        ("active unpaused failed", "applied unchanged refused", "active"),
        ("active past_due paused unpaused", "applied applied refused refused", "past_due"),
        ("active on_hold past_due", "applied applied refused", "on_hold"),
        ("failed on_hold active", "applied refused refused", "failed"),
        ("failed renewed", "applied refused", "failed"),
        ("failed cancelled", "applied refused", "failed"),
        ("active cancelled renewed", "applied applied refused", "cancelled"),
        ("active cancelled on_hold unpaused", "applied applied refused refused", "cancelled"),
        ("active cancelled expired", "applied applied unchanged", "cancelled"),
        ("active cancelled active", "applied applied refused", "cancelled"),
        ("active expired cancelled", "applied applied refused", "expired"),
        ("active expired renewed", "applied applied refused", "expired"),
        ("active expired active renewed", "applied applied refused refused", "expired"),
    ],
)
def test_a_life_is_judged_fact_by_fact_in_every_order_of_arrival(
    words: str, verdicts: str, status: str
) -> None:
    life = _life(*words.split())
    for order in permutations(life):
        stream = of_one(*order)
        assert [entry.verdict for entry in stream.timeline()] == verdicts.split()
        entity = _known(*order)
        assert (entity.status, entity.folded_status) == (status, status)
        assert entity.refused == verdicts.split().count("refused")
        assert entity.history == "complete"


@pytest.mark.parametrize("word", ["active", "renewed", "unpaused"])
@pytest.mark.parametrize("ended", ENDED)
def test_what_dodo_says_after_an_end_in_type_and_data_is_an_anomaly_that_the_status_follows(
    ended: str, word: str
) -> None:
    life = [_told("active", 0), _told(ended, 1, ended), _told(word, 2, "active")]
    for order in permutations(life[1:] if ended == "failed" else life):
        line = of_one(*order).timeline()[-1]
        assert (line.verdict, line.from_, line.to) == ("anomaly", ended, ended)
        assert line.reason == (
            f"subscription.{word} is not a valid transition from {ended}, which is final;"
            " its own data says active, and the status follows"
        )
        entity = _known(*order)
        assert (entity.status, entity.folded_status) == ("active", ended)
        assert entity.drift is not None
        assert (entity.drift.folded, entity.drift.observed) == (ended, "active")
        assert entity.refused == 1
        assert entity.anomaly == f"Dodo says active after {ended}, which is final"


@pytest.mark.parametrize("status", ["cancelled", "expired", "pending", "hibernating", None])
def test_after_an_end_a_fact_that_its_own_data_does_not_bear_out_is_refused(
    status: str | None,
) -> None:
    entity = _known(_told("cancelled", 1, "cancelled"), _told("renewed", 2, status))
    assert (entity.status, entity.folded_status) == ("cancelled", "cancelled")
    assert (entity.refused, entity.anomaly) == (1, None)


def test_a_contradicted_end_is_followed_on_until_dodo_says_an_end_again() -> None:
    life = [
        _told("active", 0, "active"),
        _told("cancelled", 1, "cancelled"),
        _told("active", 2, "active"),
        _told("updated", 3, "past_due"),
        _told("on_hold", 4, "on_hold"),
        _told("updated", 5, "active"),
        _told("cancelled", 6, "cancelled"),
        _told("updated", 7, "active"),
    ]
    statuses = "active cancelled active past_due on_hold active cancelled cancelled".split()
    folded = ["active", *["cancelled"] * 7]
    for number in range(1, len(life) + 1):
        entity = _known(*life[:number])
        assert (entity.status, entity.folded_status) == (statuses[number - 1], folded[number - 1])
        assert (entity.anomaly is None) == (entity.status == entity.folded_status)
        assert entity.history == "complete"


def test_an_end_that_dodo_contradicts_and_then_says_by_data_alone_counts_again() -> None:
    life = [_told("cancelled", 1, "cancelled"), _told("active", 2, "active")]
    entity = _known(*life, _told("updated", 3, "cancelled"))
    assert (entity.status, entity.drift, entity.anomaly) == ("cancelled", None, None)
    assert _known(*life, _told("updated", 3, "hibernating")).status == "active"


def test_an_anomaly_becomes_a_transition_when_the_end_turns_out_to_be_later() -> None:
    renewed, end = _told("renewed", 3, "active"), _told("cancelled", 1, "cancelled")
    assert _lines(of_one(end, renewed))[-1] == ("renewed", "anomaly", "cancelled")
    alone = of_one(renewed, _told("cancelled", 5, "cancelled"))
    assert [line[1] for line in _lines(alone)] == ["applied", "applied"]


def test_a_refused_fact_is_kept_with_its_reason_and_keeps_the_state() -> None:
    (_, refused) = of_one(*_life("cancelled", "renewed")).timeline()
    assert (refused.type, refused.verdict) == ("subscription.renewed", "refused")
    assert refused.reason == "subscription.renewed is not a valid transition from cancelled"
    assert (refused.from_, refused.to, refused.gap) == ("cancelled", "cancelled", False)


def test_a_refused_fact_is_judged_again_when_a_missing_one_arrives() -> None:
    paused, renewed = _told("paused", 1), _told("renewed", 3)
    assert _lines(of_one(paused, renewed))[-1] == ("renewed", "refused", "paused")
    late = _told("unpaused", 2)
    assert _lines(of_one(paused, renewed, late)) == [
        ("paused", "applied", "paused"),
        ("unpaused", "applied", "active"),
        ("renewed", "unchanged", "active"),
    ]


def test_an_applied_fact_is_refused_once_an_earlier_end_arrives() -> None:
    hold = _told("on_hold", 5)
    assert _known(hold).status == "on_hold"
    entity = _known(hold, _told("cancelled", 1))
    assert (entity.status, entity.refused) == ("cancelled", 1)


@pytest.mark.parametrize(
    "word", ["past_due", "on_hold", "paused", "unpaused", "cancelled", "expired", "plan_changed"]
)
def test_a_gap_closes_by_itself_when_the_beginning_arrives(word: str) -> None:
    later, beginning = _told(word, 5), _told("active", 0)
    (entry,) = of_one(later).timeline()
    assert entry.gap
    assert _known(later).history == "partial"
    assert [entry.gap for entry in of_one(later, beginning).timeline()] == [False, False]
    assert _known(later, beginning).history == "complete"


def test_a_gap_stands_while_what_arrives_is_later_than_it() -> None:
    assert _known(_told("on_hold", 0), _told("active", 5)).history == "partial"


@pytest.mark.parametrize("word", ["active", "renewed", "failed"])
def test_a_life_that_begins_with_a_beginning_has_no_gap(word: str) -> None:
    assert _known(_told(word)).history == "complete"


@pytest.mark.parametrize("word", ["updated", "update_payment_method", "plan_changed"])
def test_history_is_partial_while_nothing_has_set_a_state(word: str) -> None:
    entity = _known(_told(word))
    assert (entity.history, entity.folded_status, entity.status) == ("partial", None, None)
    assert _known(_told(word, 1), _told("active", 0)).history == "complete"


def test_facts_of_one_instant_are_taken_in_the_order_of_their_ranks() -> None:
    ranked = "updated plan_changed active renewed past_due on_hold".split()
    ranked += "paused unpaused failed cancelled expired".split()
    for words in (ranked, ranked[::-1]):
        told = [_told(word, 0) for word in words]
        assert [word for word, _, _ in _lines(of_one(*told))] == ranked
        assert _known(*told).status == "cancelled"


def test_a_repeated_delivery_changes_nothing() -> None:
    once = _life("active", "on_hold")
    assert of_one(*once, *once, *once[::-1]).version == 2


def test_what_arrives_after_it_was_asked_counts_when_it_is_asked_again() -> None:
    stream = of_one(_told("active", 0))
    assert len(stream.timeline()) == 1
    (_, later) = of_one(_told("active", 0), _told("cancelled", 5)).events
    stream.append(later)
    assert _lines(stream)[-1] == ("cancelled", "applied", "cancelled")


def test_a_retried_activation_that_carries_a_later_status_is_both_fact_and_observation() -> None:
    entity = _known(_told("active", 0, "cancelled"))
    assert (entity.status, entity.folded_status) == ("cancelled", "active")
    assert entity.observed_status == "cancelled"
    assert entity.drift is not None
    assert (entity.drift.folded, entity.drift.observed) == ("active", "cancelled")
    assert (entity.drift.observed_at, entity.drift.webhook_id) == (
        NOON,
        "msg_subscription.active_0",
    )


def test_drift_ends_when_the_webhook_in_flight_arrives() -> None:
    ahead = _told("updated", 5, "on_hold")
    assert _known(_told("active", 0), ahead).drift is not None
    entity = _known(_told("active", 0), ahead, _told("on_hold", 5))
    assert (entity.status, entity.folded_status, entity.drift) == ("on_hold", "on_hold", None)


@pytest.mark.parametrize("observed", [*LIVING, "cancelled", "expired"])
@pytest.mark.parametrize("folded", LIVING)
def test_a_living_subscription_follows_what_is_observed(folded: str, observed: str) -> None:
    entity = _known(_told("active", 0), _told(folded, 1), _told("updated", 2, observed))
    assert (entity.status, entity.folded_status) == (observed, folded)
    assert (entity.drift is None) == (folded == observed)


@pytest.mark.parametrize("observed", ["pending", "failed", "hibernating", "Active", "unpaused"])
@pytest.mark.parametrize("folded", LIVING)
def test_it_does_not_follow_back_to_the_beginning_nor_to_a_status_that_no_schema_lists(
    folded: str, observed: str
) -> None:
    entity = _known(_told("active", 0), _told(folded, 1), _told("updated", 2, observed))
    assert (entity.status, entity.folded_status) == (folded, folded)
    assert entity.observed_status == observed
    assert entity.drift is not None
    assert entity.drift.observed == observed


@pytest.mark.parametrize("observed", [*LIVING, *ENDED, "pending", "hibernating"])
@pytest.mark.parametrize("ended", ENDED)
def test_no_observation_leads_out_of_an_end(ended: str, observed: str) -> None:
    entity = _known(_told(ended, 1), _told("updated", 2, observed))
    assert (entity.status, entity.observed_status) == (ended, observed)
    assert (entity.drift is None) == (ended == observed)


@pytest.mark.parametrize("observed", ["pending", *LIVING, *ENDED])
def test_before_any_state_every_listed_status_can_be_observed(observed: str) -> None:
    entity = _known(_told("updated", 0, observed))
    assert (entity.status, entity.folded_status) == (observed, None)
    assert entity.drift is not None
    assert (entity.drift.folded, entity.drift.observed) == (None, observed)
    assert entity.history == "partial"


def test_before_any_state_an_unlisted_status_is_drift_and_nothing_more() -> None:
    entity = _known(_told("updated", 0, "hibernating"))
    assert (entity.status, entity.folded_status) == (None, None)
    assert entity.observed_status == "hibernating"
    assert entity.drift is not None


def test_a_subscription_that_was_pending_becomes_active() -> None:
    entity = _known(_told("updated", 0, "pending"), _told("active", 1, "active"))
    assert (entity.status, entity.drift, entity.history) == ("active", None, "complete")


def test_a_refused_fact_counts_as_an_observation() -> None:
    entity = _known(_told("active", 0, "active"), _told("failed", 1, "on_hold"))
    assert (entity.folded_status, entity.refused) == ("active", 1)
    assert (entity.status, entity.observed_status) == ("on_hold", "on_hold")


def test_the_observation_is_the_last_in_the_timeline_not_the_last_to_arrive() -> None:
    newest, older = _told("updated", 5, "active"), _told("updated", 1, "on_hold")
    entity = _known(_told("active", 0), newest, older)
    assert (entity.status, entity.observed_status, entity.drift) == ("active", "active", None)


@pytest.mark.parametrize("unsaid", [{}, {"status": None}, {"status": 5}, {"status": ""}])
def test_a_fact_that_carries_no_status_leaves_the_observation_as_it_is(
    unsaid: dict[str, object],
) -> None:
    silent = said("subscription.updated", 2, None, **{"subscription_id": "sub_1"} | unsaid)
    entity = _known(_told("active", 0), _told("updated", 1, "paused"), silent)
    assert (entity.status, entity.observed_status) == ("paused", "paused")
    assert entity.drift is not None
    assert entity.drift.webhook_id == "msg_subscription.updated_1"


def test_a_cancellation_at_the_periods_end_shows_and_can_be_undone() -> None:
    asked = _told("updated", 1, "active", cancel_at_next_billing_date=True)
    entity = _known(_told("active", 0), asked)
    assert (entity.status, entity.cancel_at_next_billing_date) == ("active", True)
    undone = _told("updated", 2, "active", cancel_at_next_billing_date=False)
    assert _known(_told("active", 0), asked, undone).cancel_at_next_billing_date is False
    ended = _told("cancelled", 3, "cancelled", cancelled_at="2026-05-01T12:03:00Z")
    assert _known(_told("active", 0), asked, ended).status == "cancelled"


@pytest.mark.parametrize(
    ("status", "ends_after_s", "gives"),
    [
        ("active", None, True),
        ("active", -60, True),
        ("past_due", None, True),
        ("past_due", 1, True),
        ("past_due", 0, False),
        ("past_due", -1, False),
        ("on_hold", 60, False),
        ("paused", None, False),
        ("cancelled", None, False),
        (None, None, False),
    ],
)
def test_a_subscription_gives_access_while_active_and_past_due_until_its_grace_ends(
    status: str | None, ends_after_s: int | None, *, gives: bool
) -> None:
    ends_at = None if ends_after_s is None else NOON + timedelta(seconds=ends_after_s)
    assert counts_as_active(status, ends_at, NOON) is gives


def test_occurred_at_is_the_newest_facts_even_if_it_was_refused() -> None:
    entity = _known(_told("renewed", 10), _told("cancelled", 0))
    assert (entity.occurred_at - NOON).total_seconds() == 600
