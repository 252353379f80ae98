"""What Dodo's way of delivering does to a history, and what it leaves as it is."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import Occurrence, Posting, as_dodo_delivers, lost, merchant

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
HISTORY = merchant(1, customers=30, until=UNTIL)
BY_ID = {occurrence.webhook_id: occurrence for occurrence in HISTORY}

shares = st.floats(min_value=0, max_value=1)


def body_of(occurrence: Occurrence) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(occurrence.body)
    return body


@given(seed=st.integers(), repeated=shares, delayed=shares)
@settings(max_examples=10)
def test_nothing_is_lost_and_repeats_carry_known_ids(
    seed: int, repeated: float, delayed: float
) -> None:
    postings = as_dodo_delivers(HISTORY, seed, repeated=repeated, delayed=delayed)
    assert {posting.webhook_id for posting in postings} == BY_ID.keys()
    for posting in postings:
        occurrence, body = BY_ID[posting.webhook_id], body_of(posting)
        assert posting.type == body["type"] == occurrence.type
        assert posting.occurred_at == occurrence.occurred_at <= posting.delivered_at
        assert body["timestamp"] == body_of(occurrence)["timestamp"]


def test_the_same_seed_delivers_the_same() -> None:
    assert as_dodo_delivers(HISTORY, 5) == as_dodo_delivers(HISTORY, 5)
    assert as_dodo_delivers(HISTORY, 5) != as_dodo_delivers(HISTORY, 6)


def test_a_burst_is_shuffled_and_some_webhooks_come_twice() -> None:
    postings = as_dodo_delivers(HISTORY, 1)
    assert [p.occurred_at for p in postings] != sorted(p.occurred_at for p in postings)
    assert [p.delivered_at for p in postings] == sorted(p.delivered_at for p in postings)
    counts = Counter(p.webhook_id for p in postings)
    assert set(counts.values()) == {1, 2}


@cache
def delayed() -> tuple[list[Occurrence], list[Posting]]:
    """What happened to many customers, and how it is told when half of it comes late."""
    history = merchant(1, customers=600, until=UNTIL)
    return history, as_dodo_delivers(history, 1, delayed=0.5)


@pytest.mark.parametrize("kind", ["payment", "subscription", "dispute", "refund"])
def test_data_is_the_objects_state_when_it_is_delivered(kind: str) -> None:
    history, postings = delayed()
    own: dict[str, dict[str, Any]] = {}
    states: dict[str, list[tuple[datetime, dict[str, Any]]]] = defaultdict(list)
    for occurrence in history:
        if occurrence.type.startswith(f"{kind}."):
            own[occurrence.webhook_id] = data = body_of(occurrence)["data"]
            states[data[f"{kind}_id"]].append((occurrence.occurred_at, data))
    newer = 0
    for posting in postings:
        if posting.type.startswith(f"{kind}."):
            data = body_of(posting)["data"]
            known = [
                state for at, state in states[data[f"{kind}_id"]] if at <= posting.delivered_at
            ]
            assert without_payment(kind, data) == without_payment(kind, known[-1])
            newer += data != own[posting.webhook_id]
    assert newer


def without_payment(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """A subscription's `payment_id` belongs to the webhook, not to its state."""
    hidden = "payment_id" if kind == "subscription" else None
    return {key: value for key, value in data.items() if key != hidden}


def test_a_share_is_lost_with_all_its_repeats_when_asked_for() -> None:
    kept = {posting.webhook_id for posting in as_dodo_delivers(HISTORY, 1, lose=0.3)}
    assert 0.5 < len(kept) / len(HISTORY) < 0.9
    assert as_dodo_delivers(HISTORY, 1, lose=1) == []


def test_what_was_lost_can_be_told() -> None:
    postings = as_dodo_delivers(HISTORY, 1, lose=0.3)
    missing = lost(HISTORY, postings)
    assert {one.webhook_id for one in missing}.isdisjoint(one.webhook_id for one in postings)
    assert len(missing) + len({one.webhook_id for one in postings}) == len(HISTORY)
    assert missing == [one for one in HISTORY if one in missing]
    assert lost(HISTORY, as_dodo_delivers(HISTORY, 1)) == []


@given(seed=st.integers(), days=st.floats(min_value=0, max_value=300))
@settings(max_examples=10, deadline=None)
def test_what_was_delivered_and_lost_by_a_day_is_so_on_every_later_day(
    seed: int, days: float
) -> None:
    earlier = UNTIL - timedelta(days=days)
    before = [one for one in HISTORY if one.occurred_at < earlier]
    postings, later = (as_dodo_delivers(told, seed, lose=0.1) for told in (before, HISTORY))
    assert [one for one in postings if one.delivered_at < earlier] == [
        one for one in later if one.delivered_at < earlier
    ]
    assert lost(before, postings) == [
        one for one in lost(HISTORY, later) if one.occurred_at < earlier
    ]
