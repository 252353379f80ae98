"""What was known of a thing from one fact to the next: what the rules over one aggregate ask."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple

from domain.aggregates.catalogue import KINDS
from domain.aggregates.payment import given_back, subscriptions
from domain.anomalies.span import Testimony
from domain.field_readers import instant
from domain.look import MISSING, OBSERVED, topic_of
from domain.periods import FIELDS
from domain.state_machine import Standing, Verdict
from domain.timeline import ahead, place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from domain.aggregate import Aggregate
    from domain.anomalies.span import Said
    from domain.entity import Kind, Observation
    from domain.payload import Payload
    from domain.timeline import Entry, Fact, Folded


class Situation(NamedTuple):
    """What was known of a thing from `since` up to, but not at, `until`; None is until now.

    Nothing of it changes within. `status` is as an entity has it, `payload` what Dodo said last,
    in the newest `fact`, and `named` the subscriptions that a payment is for. `is_there` tells that
    anything was heard of it but that Dodo's API does not have it. `drifting` to `missing` are
    the facts since which, without a break, the last observation and the folded state differ;
    something is missing before; a fact that is no valid transition stands uncorrected; Dodo
    contradicts an end; Dodo's API does not have it. `refunded` is what the refunds of a payment
    give back.
    """

    kind: Kind
    id: str
    since: datetime
    until: datetime | None
    status: str | None
    folded_status: str | None
    observed_status: str | None
    payload: Payload
    fact: Fact
    created_at: datetime
    customer_id: str | None
    named: tuple[str, ...]
    is_there: bool
    drifting: Fact | None
    partial: Fact | None
    refused: Fact | None
    contradicted: Fact | None
    missing: Fact | None
    refunded: int = 0

    def read(self, field: str) -> Any:  # noqa: ANN401 -- as the entity declares it
        """Read a field of the entity from the newest observation."""
        return self.kind.readers[field](getattr(self.payload, field))

    @property
    def amount(self) -> int | None:
        """How much it is about, in minor units."""
        found: int | None = self._money("amount")
        return found

    @property
    def currency(self) -> str | None:
        """What these units are of."""
        found: str | None = self._money("currency")
        return found

    def _money(self, field: str) -> Any:  # noqa: ANN401
        name = FIELDS[self.kind.name].get(field)
        return None if name is None else self.read(name)

    def evidence(self, fact: Fact, fields: Mapping[str, Said]) -> Testimony:
        """Name a fact of the thing as what something rests on."""
        return Testimony(
            self.kind.name,
            self.id,
            fact.webhook_id,
            topic_of(self.kind.name, fact.word)
            if fact.is_look
            else f"{self.kind.name}.{fact.word}",
            fact.occurred_at,
            dict(fields),
        )


def situations(aggregate: Aggregate) -> Iterator[list[Situation]]:
    """Give the situations of each thing that the stream is about, in order, without holes."""
    own = {
        named: list(_of_thing(KINDS[named[0]], named[1], folded))
        for named, folded in aggregate.folded().items()
    }
    refunds = [found for (kind, _), found in own.items() if kind == "refund"]
    for (kind, _), found in own.items():
        yield list(_with_refunds(found, refunds)) if kind == "payment" and refunds else found


class _Standings:
    """Where a thing stands, fact by fact, and since when something about it is odd."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._link = kind.links.get("customer_id")
        self._is_payment = kind.name == "payment"
        self._standing = Standing()
        self._led: Standing | None = None
        self._observed: Standing | None = None
        self._is_looked_at = False
        self._gaps = False
        self._is_told = False
        self.customer_id: str | None = None
        self.named: tuple[str, ...] = ()
        self.is_there = False
        self.drifting: Fact | None = None
        self.partial: Fact | None = None
        self.refused: Fact | None = None
        self.contradicted: Fact | None = None
        self.missing: Fact | None = None

    @property
    def observed_status(self) -> str | None:
        """What Dodo said last."""
        return self._observed.status if self._observed else None

    @property
    def _followed(self) -> Standing:
        return ahead(self._kind, self._standing, self._led, self._observed)

    @property
    def status(self) -> str | None:
        """Where it counts as standing."""
        return self._followed.status

    def take(
        self,
        fact: Fact,
        entry: Entry,
        standing: Standing,
        led: Standing | None,
        observations: list[Observation],
    ) -> None:
        """Go on by one fact, after which machine and anomalies stand here."""
        self._standing, self._led = standing, led
        said: Standing | None = None
        for observation in observations:
            said = said if observation.standing.status is None else observation.standing
            if self._link is not None:
                self.customer_id = self._link(observation.payload) or self.customer_id
            if self._is_payment:
                self.named = subscriptions(observation.payload) or self.named
        if said is not None:
            self._observed, self._is_looked_at = said, fact.is_look
        self.is_there = self.is_there or fact.word != MISSING
        self.missing = _kept(self.missing, fact, holds=fact.word == MISSING)
        self._gaps = self._gaps or (entry.gap and not fact.is_look)
        agrees = said is not None and place(self._kind, standing, said) == standing
        if fact.is_look and fact.word == OBSERVED:
            # It tells what everything before it has led to.
            self._gaps, self._is_told, self.refused = False, True, None
        elif entry.verdict is Verdict.REFUSED and not agrees:
            self.refused = self.refused or fact
        elif agrees and entry.verdict is not Verdict.REFUSED:
            self.refused = None

    def settle(self, fact: Fact) -> None:
        """Note what is odd after all facts of an instant, of which this is the last."""
        stateless = self._standing.status is None and not self._is_told
        self.drifting = _kept(self.drifting, fact, holds=self._drifts())
        self.partial = _kept(self.partial, fact, holds=self._gaps or stateless)
        ends = self._led is not None and self.status != self._standing.status
        self.contradicted = _kept(self.contradicted, fact, holds=ends)

    def _drifts(self) -> bool:
        if self._observed is None or self._observed.status is None:
            return False
        seen, machine = place(self._kind, self._standing, self._observed), self._kind.machine
        unheralded = seen.status in machine.unheralded
        unheralded |= self._is_looked_at and seen.status not in machine.states
        return seen != self._standing and not (unheralded and self._followed == seen)


def _kept(since: Fact | None, fact: Fact, *, holds: bool) -> Fact | None:
    return (since or fact) if holds else None


def _of_thing(kind: Kind, entity_id: str, folded: Folded) -> Iterator[Situation]:
    now = _Standings(kind)
    ends = [*(fact.occurred_at for fact in folded.facts[1:]), None]
    steps = zip(folded.steps(), folded.entries, ends, strict=True)
    for (fact, standing, led, observations), entry, until in steps:
        now.take(fact, entry, standing, led, observations)
        if until == fact.occurred_at:
            continue
        now.settle(fact)
        payload = observations[-1].payload
        yield Situation(
            kind,
            entity_id,
            fact.occurred_at,
            until,
            now.status,
            standing.status,
            now.observed_status,
            payload,
            fact,
            instant(payload.created_at) or folded.facts[0].occurred_at,
            now.customer_id,
            now.named,
            now.is_there,
            now.drifting,
            now.partial,
            now.refused,
            now.contradicted,
            now.missing,
        )


def _with_refunds(payment: list[Situation], refunds: list[list[Situation]]) -> Iterator[Situation]:
    """Part the situations of a payment where something of its refunds changes, and add them up."""
    moves = sorted(
        (one.since, number, one) for number, of_one in enumerate(refunds) for one in of_one
    )
    places = [since for since, _, _ in moves]
    for one in payment:
        first, last = bisect_right(places, one.since), _place_of(one.until, places)
        back: dict[int, int] = {}
        for _, number, refund in moves[:first]:
            back[number] = given_back(refund, one.currency)[0]
        total, since = sum(back.values()), one.since
        for at, number, refund in moves[first:last]:
            if at != since:
                yield one._replace(since=since, until=at, refunded=total)
                since = at
            given = given_back(refund, one.currency)[0]
            total += given - back.get(number, 0)
            back[number] = given
        yield one._replace(since=since, refunded=total)


def _place_of(end: datetime | None, places: list[datetime]) -> int:
    return len(places) if end is None else bisect_left(places, end)
