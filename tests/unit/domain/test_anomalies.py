"""Anomalies are open exactly while what the facts up to that instant add up to is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from domain.access.doubts import overdue
from domain.aggregates.payment import PaymentEntity
from domain.aggregates.subscription import MACHINE, SubscriptionEntity, counts_as_active
from domain.anomalies.rules import ENDED, HEARD, LIVE, PAID, spans
from domain.lateness import MISSING_AFTER, missing_from
from domain.look import MISSING, OBSERVED, topic_of
from domain.state_machine import Verdict
from domain.stream_id import stream_id
from domain.timeline import place
from tests.support.histories import NOON, of_one
from tests.support.strategies import MINUTES, lives

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from random import Random

    from domain.aggregate import Aggregate, Known
    from domain.anomalies.span import Span
    from domain.delivery import Delivery
    from domain.timeline import Folded

Open = tuple[str, str, str, str]
_SECOND = timedelta(seconds=1)
_DATES = "next_billing_date", "past_due_ends_at"
_FAR = NOON + timedelta(days=3_650)


def instants(aggregate: Aggregate) -> list[datetime]:
    """Every instant at which anything may begin or end, and those just beside it."""
    turns = {NOON + timedelta(minutes=minute) for minute in range(-1, MINUTES + 2)}
    for known in aggregate.entities():
        dates = (getattr(known.entity, name, None) for name in _DATES)
        turns |= {at for at in dates if at is not None and at < _FAR}
    turns |= {span.opened_at for span in spans(aggregate)}
    turns |= {missing for missing in map(missing_from, turns) if missing}
    return sorted(at + offset for at in turns for offset in (-_SECOND, timedelta(0), _SECOND))


def open_at(aggregate: Aggregate, instant: datetime) -> list[Open]:
    return sorted(
        (span.code, span.kind, span.id, span.about)
        for span in spans(aggregate)
        if span.opened_at <= instant and (span.settled_at is None or instant < span.settled_at)
    )


def expected(aggregate: Aggregate, instant: datetime) -> list[Open]:
    """Work out what is open at an instant from the facts up to it, and from nothing else."""
    was = aggregate.at(as_of=instant)
    return sorted(
        (code, known.kind.name, str(getattr(known.entity, known.kind.id_field)), about)
        for known in was.entities()
        for code, about in [*_wrong(was, known, instant), *_held(was, known, instant)]
    )


def _wrong(was: Aggregate, known: Known, instant: datetime) -> Iterator[tuple[str, str]]:
    kind, entity, _ = known
    folded = was.folded()[kind.name, getattr(entity, kind.id_field)]
    if overdue(entity, instant):
        yield ("overdue" if entity.status == "active" else "grace_ended"), ""
    if entity.drift is not None and _drifting_since(was, known) + MISSING_AFTER <= instant:
        yield "drift", ""
    if folded.history == "partial" and kind.machine.events:
        yield "gap", ""
    if _is_refused(known, folded):
        yield "refused", ""
    if folded.led is not None and entity.status != entity.folded_status:
        yield "after_end", ""
    if entity.missing_since is not None:
        yield "gone", ""
    if isinstance(entity, PaymentEntity) and entity.anomaly is not None:
        yield "over_refunded", ""


def _drifting_since(was: Aggregate, known: Known) -> datetime:
    named = known.kind.name, getattr(known.entity, known.kind.id_field)
    since = known.entity.occurred_at
    for fact in reversed(was.folded()[named].facts):
        then = was.at(as_of=fact.occurred_at).find(*named)
        if then is None or then.entity.drift is None:
            break
        since = fact.occurred_at
    return since


def _is_refused(known: Known, folded: Folded) -> bool:
    stands = False
    for (_, standing, _, observations), entry in zip(folded.steps(), folded.entries, strict=True):
        told = [one.standing for one in observations if one.standing.status is not None]
        agrees = bool(told) and place(known.kind, standing, told[-1]) == standing
        if entry.type == topic_of(known.kind.name, OBSERVED):
            stands = False
        elif entry.verdict is not Verdict.REFUSED:
            stands = stands and not agrees
        elif not agrees:
            stands = True
    return stands


def _held(was: Aggregate, known: Known, instant: datetime) -> Iterator[tuple[str, str]]:
    entity = known.entity
    if isinstance(entity, SubscriptionEntity):
        itself = stream_id("subscription", entity.subscription_id)
        facts = was.folded()["subscription", entity.subscription_id].facts
        if any(fact.word != MISSING for fact in facts):
            yield HEARD, itself
        if entity.status in MACHINE.final:
            yield ENDED, itself
        active = counts_as_active(entity.status, entity.past_due_ends_at, instant)
        if active and entity.customer_id and entity.product_id:
            yield LIVE, stream_id("customer", entity.customer_id, entity.product_id)
    if isinstance(entity, PaymentEntity) and entity.status == "succeeded":
        total, back = entity.total_amount, entity.refunded_amount
        if total is None or not 0 < total <= back:
            yield from ((PAID, stream_id("subscription", one)) for one in entity.subscription_ids)


@given(lives())
def test_what_is_open_at_any_instant_is_what_the_facts_up_to_it_add_up_to(
    arrivals: list[Delivery],
) -> None:
    aggregate = of_one(*arrivals)
    for instant in instants(aggregate):
        assert open_at(aggregate, instant) == expected(aggregate, instant)


@given(lives())
def test_a_span_is_not_empty_and_no_two_of_one_condition_touch(arrivals: list[Delivery]) -> None:
    found = spans(of_one(*arrivals))
    assert all(one.settled_at is None or one.opened_at < one.settled_at for one in found)
    running: dict[Open, Span] = {}
    for one in found:
        named = one.code, one.kind, one.id, one.about
        before = running.get(named)
        assert before is None or (before.settled_at and before.settled_at < one.opened_at)
        running[named] = one


@given(lives(), st.randoms(use_true_random=False))
def test_spans_are_the_same_in_every_order_of_arrival(
    arrivals: list[Delivery], random: Random
) -> None:
    shuffled = random.sample(arrivals, len(arrivals)) + random.choices(arrivals, k=3)
    assert spans(of_one(*arrivals)) == spans(of_one(*shuffled))
