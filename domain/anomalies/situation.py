"""What was known of a thing from one fact to the next: what the rules over one aggregate ask."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

import msgspec

from domain.aggregates.catalogue import KINDS
from domain.aggregates.payment import given_back, subscriptions
from domain.anomalies.span import Testimony
from domain.field_readers import instant
from domain.look import MISSING, OBSERVED, topic_of
from domain.periods import FIELDS
from domain.state_machine import Standing, Verdict
from domain.timeline import Fact, ahead, bare, place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from domain.aggregate import Aggregate
    from domain.anomalies.span import Said
    from domain.entity import Kind, Observation
    from domain.payload import Payload
    from domain.timeline import Entry, Folded


class Situation(msgspec.Struct, frozen=True, gc=False):
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

    def lasts_to(self, at: datetime) -> bool:
        """Tell whether it is not over at an instant, be that before it begins."""
        return self.until is None or at < self.until

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


class SituationBefore(msgspec.Struct, frozen=True):
    """The situation in which a thing is: where it stands, and the newest fact."""

    standings: _Standings
    fact: Fact


def is_plain(folded: Folded) -> bool:
    """Tell whether each fact of a thing led where Dodo has seen it: then nothing is ever odd.

    What goes on from a base, or was looked at, is not taken for plain.
    """
    if folded.before is not None:
        return False
    observed: Standing | None = None
    for (_, standing, _, observations), entry in zip(folded.steps(), folded.entries, strict=True):
        for observation in observations:
            observed = observed if observation.standing.status is None else observation.standing
        is_led = entry.verdict is not None and entry.verdict.is_valid and not entry.gap
        if not is_led or standing.status is None or observed not in (None, standing):
            return False
    return True


def situations(aggregate: Aggregate) -> Iterator[list[Situation]]:
    """Give the situations of each thing that the stream is about, in order, without holes.

    Where the aggregate goes on from a base, the first is the one that lasted there.
    """
    before = aggregate.carried(SituationBefore)
    own = {
        named: list(_Course(KINDS[named[0]], named[1], folded).situations(before))
        for named, folded in aggregate.folded().items()
    }
    refunds = [found for (kind, _), found in own.items() if kind == "refund"]
    for (kind, _), found in own.items():
        yield list(_with_refunds(found, refunds)) if kind == "payment" and refunds else found


class _Standings(msgspec.Struct):
    """Where a thing stands, fact by fact, and since when something about it is odd."""

    standing: Standing = Standing()
    led: Standing | None = None
    observed: Standing | None = None
    is_looked_at: bool = False
    gaps: bool = False
    is_told: bool = False
    customer_id: str | None = None
    named: tuple[str, ...] = ()
    is_there: bool = False
    drifting: Fact | None = None
    partial: Fact | None = None
    refused: Fact | None = None
    contradicted: Fact | None = None
    missing: Fact | None = None

    def followed(self, kind: Kind) -> Standing:
        """Return where it counts as standing."""
        return ahead(kind, self.standing, self.led, self.observed)

    def take(
        self,
        kind: Kind,
        entry: Entry,
        step: tuple[Fact, Standing, Standing | None, list[Observation]],
    ) -> None:
        """Go on by one fact, after which machine and anomalies stand as the step says."""
        fact, self.standing, self.led, observations = step
        said: Standing | None = None
        link, is_payment = kind.links.get("customer_id"), kind.name == "payment"
        for observation in observations:
            said = said if observation.standing.status is None else observation.standing
            if link is not None:
                self.customer_id = link(observation.payload) or self.customer_id
            if is_payment:
                self.named = subscriptions(observation.payload) or self.named
        if said is not None:
            self.observed, self.is_looked_at = said, fact.is_look
        self.is_there = self.is_there or fact.word != MISSING
        self.missing = (self.missing or fact) if fact.word == MISSING else None
        self.gaps = self.gaps or (entry.gap and not fact.is_look)
        agrees = said is not None and place(kind, self.standing, said) == self.standing
        if fact.is_look and fact.word == OBSERVED:
            # It tells what everything before it has led to.
            self.gaps, self.is_told, self.refused = False, True, None
        elif entry.verdict is Verdict.REFUSED and not agrees:
            self.refused = self.refused or fact
        elif agrees and entry.verdict is not Verdict.REFUSED:
            self.refused = None

    def settle(self, kind: Kind, fact: Fact) -> None:
        """Note what is odd after all facts of an instant, of which this is the last."""
        stateless = self.standing.status is None and not self.is_told
        self.drifting = (self.drifting or fact) if self._drifts(kind) else None
        self.partial = (self.partial or fact) if self.gaps or stateless else None
        ends = self.led is not None and self.followed(kind).status != self.standing.status
        self.contradicted = (self.contradicted or fact) if ends else None

    def _drifts(self, kind: Kind) -> bool:
        if self.observed is None or self.observed.status is None:
            return False
        seen, machine = place(kind, self.standing, self.observed), kind.machine
        if seen == self.standing:
            return False
        unheralded = seen.status in machine.unheralded
        unheralded |= self.is_looked_at and seen.status not in machine.states
        return not (unheralded and self.followed(kind) == seen)


class _Course(msgspec.Struct, frozen=True, gc=False):
    """The facts of a thing, along which its situations follow."""

    kind: Kind
    id: str
    folded: Folded

    def situations(self, before: SituationBefore | None) -> Iterator[Situation]:
        """Give the situations, after the one that lasted before."""
        now = _begun(before)
        if self.folded.before and before:
            begins_at, known = self.folded.facts[0].occurred_at, self.folded.before.payload
            yield self._situation(now, before.fact, begins_at, known)
        for fact, until, payload in self.instants(now):
            yield self._situation(now, fact, until, payload)

    def instants(self, now: _Standings) -> Iterator[tuple[Fact, datetime | None, Payload]]:
        """Go from instant to instant: its last fact, when the next one is, what is known."""
        folded = self.folded
        ends = [*(fact.occurred_at for fact in folded.facts[1:]), None]
        for step, entry, until in zip(folded.steps(), folded.entries, ends, strict=True):
            now.take(self.kind, entry, step)
            fact, _, _, observations = step
            if until != fact.occurred_at:
                now.settle(self.kind, fact)
                yield fact, until, observations[-1].payload

    def _situation(
        self, now: _Standings, fact: Fact, until: datetime | None, payload: Payload
    ) -> Situation:
        return Situation(
            self.kind,
            self.id,
            fact.occurred_at,
            until,
            now.followed(self.kind).status,
            now.standing.status,
            now.observed.status if now.observed else None,
            payload,
            fact,
            instant(payload.created_at) or self.folded.first_at,
            now.customer_id,
            now.named,
            now.is_there,
            now.drifting,
            now.partial,
            now.refused,
            now.contradicted,
            now.missing,
        )


def situation_up_to(aggregate: Aggregate) -> SituationBefore:
    """Return what is carried of a stream that is about one thing."""
    ((named, folded),) = aggregate.folded().items()
    now = _begun(aggregate.carried(SituationBefore))
    for _ in _Course(KINDS[named[0]], named[1], folded).instants(now):
        pass
    for name in ("drifting", "partial", "refused", "contradicted", "missing"):
        fact = getattr(now, name)
        setattr(now, name, fact and bare(fact))
    return SituationBefore(now, bare(folded.facts[-1]))


def _begun(before: SituationBefore | None) -> _Standings:
    return msgspec.structs.replace(before.standings) if before else _Standings()


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
                yield msgspec.structs.replace(one, since=since, until=at, refunded=total)
                since = at
            given = given_back(refund, one.currency)[0]
            total += given - back.get(number, 0)
            back[number] = given
        yield msgspec.structs.replace(one, since=since, refunded=total)


def _place_of(end: datetime | None, places: list[datetime]) -> int:
    return len(places) if end is None else bisect_left(places, end)
