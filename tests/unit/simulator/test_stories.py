"""The stories tell nothing that Dodo's own state machines would refuse."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aggregates import dispute, license_key, payment, refund, subscription
from domain.state_machine import Machine, Standing
from simulator import Occurrence, merchant
from tests.support.histories import aggregates, delivery

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
STAGES = ["pre_dispute", "dispute", "pre_arbitration"]

MACHINES = {
    "payment": (payment.MACHINE, "payment_id"),
    "refund": (refund.MACHINE, "refund_id"),
    "dispute": (dispute.MACHINE, "dispute_id"),
    "subscription": (subscription.MACHINE, "subscription_id"),
    "license_key": (license_key.MACHINE, "id"),
}

Data = dict[str, Any]


def facts_by_object(
    history: list[Occurrence],
) -> dict[tuple[str, str], list[tuple[Occurrence, str, Data]]]:
    facts = defaultdict(list)
    for occurrence in history:
        kind, _, word = occurrence.type.partition(".")
        if kind in MACHINES:
            data: Data = msgspec.json.decode(occurrence.body)["data"]
            facts[kind, data[MACHINES[kind][1]]].append((occurrence, word, data))
    return facts


def in_timeline_order(
    machine: Machine, facts: list[tuple[Occurrence, str, Data]]
) -> list[tuple[Occurrence, str, Data]]:
    return sorted(
        facts, key=lambda fact: (fact[0].occurred_at, machine.ranks[fact[1]], fact[0].webhook_id)
    )


@given(seed=st.integers(min_value=0, max_value=2**32))
@settings(max_examples=15)
def test_every_fact_is_a_valid_transition_without_a_gap_and_agrees_with_its_data(seed: int) -> None:
    history = merchant(seed, customers=25, until=UNTIL)
    for (kind, object_id), facts in facts_by_object(history).items():
        machine, _ = MACHINES[kind]
        standing = Standing()
        status = None
        for occurrence, word, data in in_timeline_order(machine, facts):
            step = machine.step(standing, word, data.get("dispute_stage"))
            assert step.verdict.is_valid, (object_id, occurrence.type, standing)
            assert not step.gap, (object_id, occurrence.type, standing)
            standing = step.to
            status = (data.get("dispute_status") or data["status"]).removeprefix("dispute_")
        assert standing.status == status, (object_id, standing)


@given(seed=st.integers(min_value=0, max_value=2**32))
@settings(max_examples=8)
def test_what_is_told_of_grants_credits_dunning_checkouts_and_payouts_is_whole(seed: int) -> None:
    told = [
        delivery(occurrence.body, occurrence.webhook_id)
        for occurrence in merchant(seed, customers=25, until=UNTIL)
        if occurrence.type.partition(".")[0] not in MACHINES
    ]
    for stream in aggregates(told).values():
        for kind, entity, _ in stream.entities():
            assert (entity.refused, entity.drift) == (0, None), (kind.name, entity)
            assert getattr(entity, "anomaly", None) is None
            assert entity.history == "complete", (kind.name, entity)


@given(seed=st.integers(min_value=0, max_value=2**32))
@settings(max_examples=15)
def test_succeeded_refunds_never_exceed_the_payment(seed: int) -> None:
    facts = facts_by_object(merchant(seed, customers=40, until=UNTIL))
    refunded: dict[str, int] = defaultdict(int)
    for (kind, _), told in facts.items():
        if kind == "refund" and told[-1][1] == "succeeded":
            refunded[told[-1][2]["payment_id"]] += told[-1][2]["amount"]
    for payment_id, amount_minor in refunded.items():
        assert 0 < amount_minor <= facts["payment", payment_id][-1][2]["total_amount"]


@given(seed=st.integers(min_value=0, max_value=2**32))
@settings(max_examples=5)
def test_credits_add_up_from_line_to_line(seed: int) -> None:
    accounts: dict[str, tuple[str, str]] = defaultdict(lambda: ("0", "0"))
    for occurrence in merchant(seed, customers=60, until=UNTIL):
        if occurrence.type.startswith("credit.") and occurrence.type != "credit.balance_low":
            line: Data = msgspec.json.decode(occurrence.body)["data"]
            before = line["balance_before"], line["overage_before"]
            assert accounts[line["grant_id"]] == before
            accounts[line["grant_id"]] = line["balance_after"], line["overage_after"]


def test_disputes_take_every_course_and_reopen_at_higher_stages_only() -> None:
    facts = facts_by_object(merchant(1, customers=2000, until=UNTIL))
    courses = set()
    reopened = set()
    for (kind, _), told in facts.items():
        if kind == "dispute":
            stages = [STAGES.index(data["dispute_stage"]) for _, _, data in told]
            assert stages == sorted(stages)
            words = [word for (_, word, _), stage in zip(told, stages, strict=True) if stage == 0]
            courses.add(tuple(words))
            reopened.add(tuple(sorted(set(stages))))
    assert courses >= {
        ("opened",),
        ("opened", "accepted"),
        ("opened", "expired"),
        ("opened", "cancelled"),
        ("opened", "challenged"),
        ("opened", "challenged", "won"),
        ("opened", "challenged", "lost"),
    }
    assert {(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)} <= reopened
