"""The rules over one aggregate, in one table: what each asks of a thing, and since when it is so.

A rule that is an anomaly by itself, and one that is half of one over several aggregates, are told
alike: the other half finds it by what it is `about`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from domain.aggregates.catalogue import KINDS
from domain.aggregates.notice import Notice
from domain.aggregates.routing import NOTICE
from domain.aggregates.subscription import MACHINE as SUBSCRIPTION
from domain.aggregates.subscription import due_at
from domain.anomalies.situation import Situation, is_plain, situations
from domain.anomalies.span import Named, Span, Testimony
from domain.lateness import missing_from
from domain.periods import earlier
from domain.state_machine import Verdict
from domain.stream_id import stream_id

if TYPE_CHECKING:
    from datetime import datetime

    from domain.aggregate import Aggregate
    from domain.anomalies.span import Said
    from domain.timeline import Fact

LIVE: Final = "live"
"""A subscription counts as active; it is about its customer and product."""
ENDED: Final = "ended"
"""A subscription has ended for good; it is about itself."""
HEARD: Final = "heard"
"""A subscription has been heard of; it is about itself."""
PAID: Final = "paid"
"""A payment has succeeded and was not given back; it is about a subscription that it names."""


class Opening(msgspec.Struct, frozen=True, gc=False):
    """From when on a condition holds, if nothing else happens: by which fact, which says what.

    It is not before the situation begins that it is told of, and ends with it, or at `ends`.
    """

    at: datetime
    fact: Fact
    said: Mapping[str, Said]
    about: str = ""
    ends: datetime | None = None
    began_at: datetime | None = None
    objects: tuple[Named, ...] = ()


Opens: TypeAlias = "Callable[[Situation], Iterable[Opening]]"


@dataclass(frozen=True)
class Rule:
    """One condition: its code, the kinds of things that it is asked of, and what it asks.

    `since` names the field of a situation that says since which fact it is so, where there is one:
    None there is a condition that does not hold.
    """

    code: str
    kinds: frozenset[str]
    opens: Opens
    since: str | None = None


def _due(one: Situation, status: str, field: str) -> Iterator[Opening]:
    if one.status != status:
        return
    due = due_at(
        status,
        on_demand=one.read("on_demand"),
        next_billing_date=one.read("next_billing_date"),
        past_due_ends_at=one.read("past_due_ends_at"),
    )
    if due is not None and (opens := missing_from(due)) is not None and one.lasts_to(opens):
        fields = {"status": status, field: _written(due)}
        yield Opening(opens, one.fact, fields)


def _overdue(one: Situation) -> Iterator[Opening]:
    return _due(one, "active", "next_billing_date")


def _grace_ended(one: Situation) -> Iterator[Opening]:
    return _due(one, "past_due", "past_due_ends_at")


def _drift(one: Situation) -> Iterator[Opening]:
    if one.drifting is not None and (opens := missing_from(one.drifting.occurred_at)) is not None:
        fields = {"observed_status": one.observed_status, "folded_status": one.folded_status}
        yield Opening(opens, one.drifting, fields)


def _gap(one: Situation) -> Iterator[Opening]:
    if one.partial is not None:
        yield Opening(one.partial.occurred_at, one.partial, {"history": "partial"})


def _refused(one: Situation) -> Iterator[Opening]:
    if one.refused is not None:
        fields = {"folded_status": one.folded_status}
        yield Opening(one.refused.occurred_at, one.refused, fields)


def _after_end(one: Situation) -> Iterator[Opening]:
    if one.contradicted is not None:
        fields = {"status": one.status, "folded_status": one.folded_status}
        yield Opening(one.contradicted.occurred_at, one.contradicted, fields)


def _over_refunded(one: Situation) -> Iterator[Opening]:
    total = one.amount
    if total is not None and one.refunded > total:
        fields = {"total_amount": total, "refunded_amount": one.refunded}
        yield Opening(one.since, one.fact, fields)


def _gone(one: Situation) -> Iterator[Opening]:
    if one.missing is not None:
        yield Opening(one.missing.occurred_at, one.missing, {"status": one.status})


def _live(one: Situation) -> Iterator[Opening]:
    product_id, ends = one.read("product_id"), None
    if one.status == "past_due":
        ends = one.read("past_due_ends_at")
    elif one.status != "active":
        return
    if one.customer_id is not None and product_id is not None:
        about = stream_id("customer", one.customer_id, product_id)
        fields = {"status": one.status, "product_id": product_id}
        yield Opening(one.since, one.fact, fields, about, ends)


def _ended(one: Situation) -> Iterator[Opening]:
    if one.status in SUBSCRIPTION.final:
        about = stream_id("subscription", one.id)
        yield Opening(one.since, one.fact, {"status": one.status}, about)


def _heard(one: Situation) -> Iterator[Opening]:
    if one.is_there:
        about = stream_id("subscription", one.id)
        yield Opening(one.since, one.fact, {"status": one.status}, about)


def _paid(one: Situation) -> Iterator[Opening]:
    amount = one.amount
    is_back = amount is not None and 0 < amount <= one.refunded
    if one.status != "succeeded" or is_back:
        return
    for subscription_id in one.named:
        fields = {"status": one.status, "subscription_id": subscription_id}
        yield Opening(
            one.since,
            one.fact,
            fields,
            stream_id("subscription", subscription_id),
            began_at=one.created_at,
            objects=(Named("subscription", subscription_id),),
        )


_OF_SUBSCRIPTION: Final = frozenset({"subscription"})
_OF_PAYMENT: Final = frozenset({"payment"})
_OF_TOLD: Final = frozenset(name for name, kind in KINDS.items() if kind.machine.events)
"""All but the kinds of which no webhook tells."""
RULES: Final = (
    Rule("overdue", _OF_SUBSCRIPTION, _overdue),
    Rule("grace_ended", _OF_SUBSCRIPTION, _grace_ended),
    Rule("drift", _OF_TOLD, _drift, since="drifting"),
    Rule("gap", _OF_TOLD, _gap, since="partial"),
    Rule("refused", _OF_TOLD, _refused, since="refused"),
    Rule("after_end", _OF_TOLD, _after_end, since="contradicted"),
    Rule("over_refunded", _OF_PAYMENT, _over_refunded),
    Rule("gone", frozenset(KINDS), _gone, since="missing"),
    Rule(LIVE, _OF_SUBSCRIPTION, _live),
    Rule(ENDED, _OF_SUBSCRIPTION, _ended),
    Rule(HEARD, _OF_SUBSCRIPTION, _heard),
    Rule(PAID, _OF_PAYMENT, _paid),
)
"""Every rule over one aggregate. What each code means is told in `domain.anomalies.catalogue`."""
UNREADABLE: Final = "unreadable"
"""The one rule that asks no thing: of a webhook that should have told of one."""
_OF_KIND: Final = {
    kind: tuple(rule for rule in RULES if kind in rule.kinds) for kind in (*KINDS, NOTICE)
}
_OF_KIND_WITHOUT_SIGNS: Final = {
    kind: tuple(rule for rule in rules if rule.since is None) for kind, rules in _OF_KIND.items()
}
_SIGNS: Final = attrgetter(*(rule.since for rule in RULES if rule.since is not None))


class NumberedSpan(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A span with its place among all of its stream, from 0 on."""

    ordinal: int
    span: Span


class SpansBefore(msgspec.Struct, frozen=True):
    """Of `count` spans before the situation that lasts, those that reach up to it."""

    count: int = 0
    running: tuple[NumberedSpan, ...] = ()


def spans(aggregate: Aggregate) -> list[Span]:
    """Return from when until when each rule's condition holds of what a stream is about, in order.

    At every instant, those that have opened and not settled are what the facts up to it add up to.
    """
    return [one.span for one in numbered_spans(aggregate)]


def numbered_spans(aggregate: Aggregate) -> list[NumberedSpan]:
    """Return the same, each with its place.

    Where the aggregate goes on from a base, those that had settled there are left out.
    """
    if isinstance(aggregate, Notice):
        return [*itertools.starmap(NumberedSpan, enumerate(_unreadable(aggregate)))]
    if not _may_hold(aggregate):
        return []
    before = aggregate.carried(SpansBefore) or SpansBefore()
    return _numbered(aggregate.business_id, situations(aggregate), before)


def _may_hold(aggregate: Aggregate) -> bool:
    """Tell whether a rule may hold: of most kinds of things none does while nothing is odd."""
    return any(
        _OF_KIND_WITHOUT_SIGNS[kind] or not is_plain(folded)
        for (kind, _), folded in aggregate.folded().items()
    )


def spans_up_to(aggregate: Aggregate) -> SpansBefore:
    """Return what is carried of a stream that is about one thing."""
    before = aggregate.carried(SpansBefore) or SpansBefore()
    (of_one,) = situations(aggregate)
    settled = _numbered(aggregate.business_id, [of_one[:-1]] if of_one[1:] else [], before)
    running = (one for one in settled if one.span.settled_at == of_one[-1].since)
    new = sum(one.ordinal >= before.count for one in settled)
    return SpansBefore(before.count + new, tuple(running))


def _numbered(
    business_id: str, things: Iterable[list[Situation]], before: SpansBefore
) -> list[NumberedSpan]:
    found = [
        span
        for of_one in things
        for rule in _rules_for(of_one)
        for span in _of_rule(rule, business_id, of_one, before.running)
    ]
    numbers = {_NAME(one.span): one.ordinal for one in before.running}
    new = [one for one in found if _NAME(one) not in numbers] if numbers else found
    old = [one for one in found if _NAME(one) in numbers] if numbers else []
    return [
        *sorted((NumberedSpan(numbers[_NAME(one)], one) for one in old), key=_ORDINAL),
        *itertools.starmap(NumberedSpan, enumerate(sorted(new, key=_IN_ORDER), before.count)),
    ]


def _rules_for(of_one: Sequence[Situation]) -> tuple[Rule, ...]:
    """Return the rules that may hold of a thing; of most things, nothing is odd."""
    is_odd = any(any(_SIGNS(one)) for one in of_one)
    return (_OF_KIND if is_odd else _OF_KIND_WITHOUT_SIGNS)[of_one[0].kind.name]


_IN_ORDER: Final = attrgetter("opened_at", "code", "kind", "id", "about")
_ORDINAL: Final[Callable[[NumberedSpan], int]] = attrgetter("ordinal")
_NAME: Final = attrgetter("code", "about", "opened_at")
"""Tells the spans of one thing apart."""


class _Run(msgspec.Struct, gc=False):
    """A span as it began, and up to when it is known to go on."""

    span: Span
    until: datetime | None

    def so_far(self) -> Span:
        """Return the span up to there."""
        if self.until == self.span.settled_at:
            return self.span
        return msgspec.structs.replace(self.span, settled_at=self.until)


def _of_rule(
    rule: Rule, business_id: str, of_one: list[Situation], before: Iterable[NumberedSpan]
) -> list[Span]:
    runs = [_Run(one.span, one.span.settled_at) for one in before if one.span.code == rule.code]
    running = {run.span.about: run for run in runs}
    for one in of_one:
        for opening in rule.opens(one):
            start, end = max(opening.at, one.since), earlier(one.until, opening.ends)
            if end is not None and start >= end:
                continue
            run = running.get(opening.about)
            if run is not None and run.until == start:
                run.until = end
                continue
            run = _Run(_begun(rule, business_id, one, opening, (start, end)), end)
            running[opening.about] = run
            runs.append(run)
    return [run.so_far() for run in runs]


def _begun(
    rule: Rule,
    business_id: str,
    one: Situation,
    opening: Opening,
    span: tuple[datetime, datetime | None],
) -> Span:
    opened_at, settled_at = span
    return Span(
        code=rule.code,
        kind=one.kind.name,
        id=one.id,
        business_id=business_id,
        about=opening.about,
        customer_id=one.customer_id,
        opened_at=opened_at,
        settled_at=settled_at,
        began_at=opening.began_at,
        amount=one.amount,
        currency=one.currency,
        objects=(Named(one.kind.name, one.id), *opening.objects),
        evidence=(one.evidence(opening.fact, opening.said),),
    )


def _unreadable(notice: Notice) -> Iterator[Span]:
    for entry in notice.timeline():
        if entry.verdict is not Verdict.REFUSED:
            continue
        occurred_at = entry.occurred_at or entry.recorded_at
        # Bodies under one webhook-id may name several businesses: then it is no one's alone.
        business_id = notice.business_id if len(notice.events) == 1 else ""
        yield Span(
            code=UNREADABLE,
            kind=NOTICE,
            id=entry.id,
            business_id=business_id,
            customer_id=None,
            opened_at=occurred_at,
            settled_at=None,
            amount=None,
            currency=None,
            objects=(Named(NOTICE, entry.id),),
            evidence=(
                Testimony(
                    NOTICE,
                    entry.id,
                    entry.webhook_id,
                    entry.type,
                    occurred_at,
                    {"problem": entry.reason},
                ),
            ),
        )


def _written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
