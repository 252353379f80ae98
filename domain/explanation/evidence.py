"""The facts and observations about one thing, with the deliveries they came by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import msgspec

from domain.field_readers import integer, text
from domain.state_machine import Standing, Verdict
from domain.timeline import is_valid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from domain.aggregate import Aggregate, Known
    from domain.entity import Entity, Kind, Observation
    from domain.event import Event
    from domain.timeline import Entry, Fact, Folded

Said: TypeAlias = "str | int | float | bool | list[str] | None"
_UNSHOWN: Final = "…"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery or a look that counts for a field, or was passed over; `reason` tells why.

    A fact has `said` the word of its type, an observation what stands in its data; every look is
    an observation. `position`
    and `recorded_at` are of the delivery: of the first one where several told of one fact.
    """

    webhook_id: str
    type: str
    occurred_at: datetime
    recorded_at: datetime
    position: str
    role: Literal["fact", "observation"]
    said: Said
    reason: str


class Judged(NamedTuple):
    """A fact with its verdict, or a look, and where the machine stood before and after it.

    `led` is where an anomaly has led by then, and `seen` the last status of its bodies that counts.
    """

    fact: Fact
    entry: Entry
    before: Standing
    after: Standing
    led: Standing | None
    seen: str | None

    @property
    def moved(self) -> bool:
        """Whether it moved the state."""
        if self.fact.is_look:
            return self.before != self.after
        return self.entry.verdict is Verdict.APPLIED

    @property
    def leads(self) -> bool:
        """Whether it contradicts an end, and the status follows it."""
        if not self.fact.is_look:
            return self.entry.verdict is Verdict.ANOMALY
        return self.led is not None and self.led.status == self.seen

    @property
    def noun(self) -> str:
        """What it is called."""
        return "look" if self.fact.is_look else "fact"

    @property
    def refused(self) -> bool:
        """Whether the machine does not allow it."""
        return not is_valid(self.entry)

    def source(self, reason: str, said: Said = None) -> Source:
        """Name the fact as a source."""
        return Source(
            webhook_id=self.fact.webhook_id,
            type=self.entry.type,
            occurred_at=self.fact.occurred_at,
            recorded_at=self.fact.recorded_at,
            position=str(self.fact.position),
            role="observation" if self.fact.is_look else "fact",
            said=self._own if said is None else said,
            reason=reason,
        )

    @property
    def _own(self) -> Said:
        return self.fact.word if self.seen is None or not self.fact.is_look else self.seen


class Seen(NamedTuple):
    """An observation with the event whose body it is, and the fact that it belongs to."""

    fact: Fact
    event: Event
    observation: Observation

    def source(self, reason: str, said: Said) -> Source:
        """Name the observation as a source.

        Raises:
            ValueError: its event has not been recorded.
        """
        if self.event.recorded_at is None:
            raise ValueError("only recorded events can be sources")
        return Source(
            webhook_id=self.fact.webhook_id,
            type=self.event.topic,
            occurred_at=self.fact.occurred_at,
            recorded_at=self.event.recorded_at,
            position=str(self.event.position),
            role="observation",
            said=said,
            reason=reason,
        )


class Reading(NamedTuple):
    """How a field is read from an observation, and how what stands there is shown."""

    read: Callable[[Observation], object]
    said: Callable[[Observation], Said]

    def source(self, seen: Seen, reason: str) -> Source:
        """Name an observation as a source of the field."""
        return seen.source(reason, self.said(seen.observation))


@dataclass(frozen=True)
class Evidence:
    """All there is about one thing of an aggregate; the facts and observations newest first."""

    aggregate: Aggregate
    kind: Kind
    id: str
    entity: Entity
    folded: Folded
    facts: tuple[Judged, ...]
    seen: tuple[Seen, ...]

    @property
    def last_move(self) -> list[Judged]:
        """The newest fact, or look, that moved the state, if one did."""
        return [judged for judged in self.facts if judged.moved][:1]

    @property
    def anomalies(self) -> list[Judged]:
        """What contradicts an end behind it: facts that their own data bears out, and looks."""
        return [judged for judged in self.facts if judged.leads]

    @property
    def with_status(self) -> list[Seen]:
        """The observations that carry a status."""
        return [seen for seen in self.seen if seen.observation.standing.status is not None]

    def telling(self, *names: str) -> list[Seen]:
        """Return the observations whose own data says one of these fields."""
        return [seen for seen in self.seen if seen.observation.tells(*names)]


def evidence(aggregate: Aggregate, known: Known) -> Evidence:
    """Collect the evidence about a thing that an aggregate knows."""
    kind, entity = known.kind, known.entity
    entity_id: str = getattr(entity, kind.id_field)
    folded = aggregate.folded()[kind.name, entity_id]
    events = {(e.delivery.webhook_id, e.delivery.body_hash): e for e in aggregate.events}
    befores = [Standing(), *folded.standings]
    steps = list(folded.steps())
    facts = [
        Judged(fact, entry, before, after, led, observations[-1].standing.status)
        for (fact, after, led, observations), entry, before in zip(
            steps, folded.entries, befores, strict=False
        )
    ]
    seen = [
        Seen(fact, events[fact.webhook_id, observation.delivery.body_hash], observation)
        for fact, _, _, observations in steps
        for observation in observations
        if not observation.outdated
    ]
    newest_first = tuple(facts[::-1]), tuple(seen[::-1])
    return Evidence(aggregate, kind, entity_id, entity, folded, *newest_first)


def first_of_run(
    seen: Iterable[Seen], value: object, read: Callable[[Observation], object]
) -> Seen:
    """Return the oldest of the newest observations that read as `value` without a break."""
    *_, first = takewhile(lambda observed: read(observed.observation) == value, seen)
    return first


def shown(value: object) -> Said:
    """Show what stands in a field, cut where it is long; a structure is not shown."""
    if value is None or isinstance(value, bool | float):
        return value
    number = integer(value) if isinstance(value, int) else None
    return text(value) or "" if isinstance(value, str) else _UNSHOWN if number is None else number
