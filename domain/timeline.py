"""An entity's facts in the order they occurred, each judged by the state machine: the fold."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import accumulate, compress, groupby
from math import inf
from operator import attrgetter, ne
from typing import (
    TYPE_CHECKING,
    Final,
    Generic,
    Literal,
    TypeAlias,
    TypeVar,
    cast,
)

import msgspec

from domain.entity import Drift, Entity, Kind, Observation
from domain.field_readers import instant
from domain.look import MISSING, OBSERVED, RANK_OF_LOOKS, topic_of
from domain.payload import Payload
from domain.personal_data import order_of
from domain.settling import Settled, settle
from domain.state_machine import Standing, Step, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

P = TypeVar("P", bound=Payload)

_NOT_VALID: Final = (Verdict.REFUSED, Verdict.ANOMALY)
PLACE: Final = attrgetter("occurred_at", "rank", "webhook_id")
"""Gives a fact's place in the timeline."""
_POSITION: Final[Callable[[Fact], int]] = attrgetter("position")
AT_ONCE: Final = timedelta(seconds=1)
"""What data says to have happened at the time of a fact may be rounded to the next second."""


CHANGES_MAX: Final = 20
CHANGED_CHARS_MAX: Final = 200


class Fact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one webhook-id says happened, or a look. The first three are the timeline's order.

    `observations` are the bodies seen under this webhook-id, one as a rule. `position` and
    `recorded_at` are those of the first of them to be stored.
    """

    occurred_at: datetime
    rank: int
    webhook_id: str
    word: str
    position: int
    recorded_at: datetime
    observations: tuple[Observation, ...]

    @property
    def is_look(self) -> bool:
        """Whether it is no fact, but what Dodo's API said."""
        return self.rank == RANK_OF_LOOKS


Compared: TypeAlias = "tuple[object, ...]"
"""The fields of a payload that are compared, as they stand there."""


class Change(msgspec.Struct, frozen=True, gc=False, rename={"from_": "from"}):
    """What a webhook says of a field, against what the one before it in the timeline says.

    A structure is its JSON, and a long text is cut.
    """

    field: str
    from_: str | int | bool | None
    to: str | int | bool | None


class Entry(msgspec.Struct, frozen=True, gc=False, rename={"from_": "from"}):
    """A fact with its verdict, or a look: one line of a timeline.

    `verdict` is None where no state machine is asked. `from` and `to` are the statuses before and
    after. A `gap` of a look is what facts should have told. `changes` are those of fields,
    `CHANGES_MAX` at the most, where they are asked for; what people write of themselves is not
    among them.
    """

    kind: str
    id: str
    webhook_id: str
    type: str
    occurred_at: datetime | None
    recorded_at: datetime
    position: str
    verdict: Verdict | None
    reason: str | None
    gap: bool
    from_: str | None
    to: str | None
    changes: tuple[Change, ...]


class FoldedBefore(msgspec.Struct, Generic[P], frozen=True):
    """What an entity's facts up to one of them add up to, as far as those behind it ask.

    `first_at` and `first_position` are of the first that occurred, and of the first in the log;
    `last` is the last of them. `payload` is what is known then, of what `links` kept. A gap is
    `open` while no look has told of it; `is_told` says that one has told anything.
    """

    kind: str
    id: str
    first_at: datetime
    first_position: int
    last: Fact
    standing: Standing
    led: Standing | None
    observed: tuple[Standing, Fact] | None
    payload: P
    links: dict[str, str | None]
    refused: int
    settled: int
    has_gaps: bool
    has_open_gaps: bool
    is_told: bool
    missing_since: datetime | None


class Folded(msgspec.Struct, frozen=True, gc=False):
    """An entity's facts, in order, folded through its machine.

    Where the fold goes on from where it stood, they are those behind what was `before`.

    `standings` tells where the machine stands after each fact, `leds` where an anomaly has led that
    no valid fact has settled since, `observed` the last observation of a status with its fact.
    Looks are among the facts: so many are `told` as there are up to the last that found it, unless
    what it found is outdated.
    """

    facts: list[Fact]
    entries: list[Entry]
    standings: list[Standing]
    leds: list[Standing | None]
    observations: list[Observation]
    observed: tuple[Standing, Fact] | None
    told: int
    before: FoldedBefore[Payload] | None = None

    @property
    def first_at(self) -> datetime:
        """When the first of all facts occurred."""
        return self.before.first_at if self.before else self.facts[0].occurred_at

    @property
    def first_position(self) -> int:
        """Where the first event about the entity stands in the log."""
        first = min(map(_POSITION, self.facts))
        return min(first, self.before.first_position) if self.before else first

    @property
    def standing(self) -> Standing:
        """Where the machine stands after all facts."""
        return self.standings[-1]

    @property
    def led(self) -> Standing | None:
        """Where an anomaly has led, after all facts."""
        return self.leds[-1]

    @property
    def refused(self) -> int:
        """How many facts are no valid transitions now."""
        return self._refused_before + sum(entry.verdict in _NOT_VALID for entry in self.entries)

    @property
    def settled(self) -> int:
        """How many of these facts came before a look, which tells what is so since."""
        if self.before and not self.told:
            return self.before.settled
        told = self.entries[: self.told]
        return self._refused_before + sum(not is_valid(entry) for entry in told)

    @property
    def history(self) -> Literal["complete", "partial", "settled"]:
        """Partial while a gap stands, or while nothing has set a state; settled by a look since."""
        stateless = self.standing.status is None
        if not stateless and not self.has_gaps:
            return "complete"
        open_ = (stateless and not self.is_told) or self.has_open_gaps
        return "partial" if open_ else "settled"

    @property
    def has_gaps(self) -> bool:
        """Whether facts must be missing before one of these, or were before a look."""
        before = self.before is not None and self.before.has_gaps
        return before or any(entry.gap for entry in self.entries)

    @property
    def has_open_gaps(self) -> bool:
        """Whether that is so of facts behind the last look that told anything."""
        before = self.before is not None and self.before.has_open_gaps and not self.told
        return before or any(entry.gap for entry in self.entries[self.told :])

    @property
    def is_told(self) -> bool:
        """Whether a look has told anything."""
        return self.told > 0 or (self.before is not None and self.before.is_told)

    @property
    def missing_since(self) -> datetime | None:
        """The first of the looks, behind everything else, that Dodo did not have it at."""
        since = None
        for fact in reversed(self.facts):
            if fact.word != MISSING:
                return since
            since = fact.occurred_at
        return (self.before.missing_since if self.before else None) or since

    @property
    def _refused_before(self) -> int:
        return self.before.refused if self.before else 0

    def steps(self) -> Iterator[tuple[Fact, Standing, Standing | None, list[Observation]]]:
        """Go from fact to fact: where machine and anomalies stand after it; its observations."""
        done = 0
        for fact, standing, led in zip(self.facts, self.standings, self.leds, strict=True):
            begin, done = done, done + len(fact.observations)
            yield fact, standing, led, self.observations[begin:done]


def folded_up_to(kind: Kind, folded: Folded) -> FoldedBefore[Payload]:
    """Return what these facts, and what was before them, add up to."""
    observed = folded.observed
    return FoldedBefore(
        kind=folded.entries[-1].kind,
        id=folded.entries[-1].id,
        first_at=folded.first_at,
        first_position=folded.first_position,
        last=bare(folded.facts[-1]),
        standing=folded.standing,
        led=folded.led,
        observed=observed and (observed[0], bare(observed[1])),
        payload=folded.observations[-1].payload,
        links=_links(kind, folded),
        refused=folded.refused,
        settled=folded.settled,
        has_gaps=folded.has_gaps,
        has_open_gaps=folded.has_open_gaps,
        is_told=folded.is_told,
        missing_since=folded.missing_since,
    )


def bare(fact: Fact) -> Fact:
    """Return a fact without its bodies."""
    return msgspec.structs.replace(fact, observations=()) if fact.observations else fact


def _links(kind: Kind, folded: Folded) -> dict[str, str | None]:
    """Return the links of an entity as they were known last."""
    told = kind.read(folded.observations[::-1])
    before = folded.before.links if folded.before else {}
    return {name: cast("str | None", told[name]) or before.get(name) for name in kind.links}


def is_valid(entry: Entry) -> bool:
    """Tell whether a fact is a valid transition, or none that a state machine is asked of."""
    return entry.verdict is None or entry.verdict.is_valid


def fold(
    kind: Kind,
    entity_id: str,
    facts: Iterable[Fact],
    before: FoldedBefore[Payload] | None = None,
) -> Folded:
    """Sort the facts, judge each in turn, and find the last observation of a status.

    The result depends on the set of facts alone, not on their order. All of them occurred after
    what was `before`, where the fold goes on from there.
    """
    ordered = sorted((_oldest_first(kind, fact) for fact in facts), key=PLACE)
    folding = _Folding(kind, entity_id, before)
    for fact in ordered:
        if fact.rank == RANK_OF_LOOKS:
            folding.look(fact)
        else:
            folding.judge(fact)
    return folding.of(ordered)


class _Folding:
    """Where a fold stands, as it goes from fact to fact."""

    def __init__(self, kind: Kind, entity_id: str, before: FoldedBefore[Payload] | None) -> None:
        self._kind = kind
        self._id = entity_id
        self._before = before
        self._entries: list[Entry] = []
        self._observations: list[Observation] = []
        self._standings: list[Standing] = []
        self._leds: list[Standing | None] = []
        self._observed = before.observed if before else None
        self._standing = before.standing if before else Standing()
        self._led = before.led if before else None
        self._known = before.payload if before else None
        self._told = 0

    def judge(self, fact: Fact) -> None:
        """Take a fact: the machine judges it."""
        kind = self._kind
        said = self._observe(fact, fact.observations)
        word = _word(kind, fact)
        step = kind.machine.step(self._standing, word, fact.observations[0].standing.stage, said)
        if step.gap and (
            word != fact.word
            or any(kind.machine.is_unannounced(fact.word, o.payload) for o in fact.observations)
        ):
            step = step._replace(gap=False)
        led = self._led
        if step.led is not None:
            led = step.led
        elif led is not None and step.verdict.is_valid and kind.machine.names_state(fact.word):
            led = None
        entry = _entry(kind, self._id, fact, self._standing, step)
        self._stand(entry, step.to, led)

    def look(self, fact: Fact) -> None:
        """Take a look: it is judged by nothing, and the machine stands where it was seen."""
        kind = self._kind
        for one in fact.observations:
            self._observe(fact, [_seen(kind, fact, one, self._known)])
        seen = self._observations[-len(fact.observations) :]
        # A copy of what was known stands for what is outdated, so the last one has what counts.
        tells = not all(one.outdated for one in seen)
        settled = _settle(kind, fact, seen[-1] if tells else None, self._standing, self._led)
        entry = _look(kind, self._id, fact, self._standing, settled)
        self._stand(entry, settled.standing, settled.led)
        if fact.word == OBSERVED and tells:
            self._told = len(self._entries)

    def of(self, ordered: list[Fact]) -> Folded:
        """Return what all these facts, which were taken, add up to."""
        return Folded(
            ordered,
            self._entries,
            self._standings,
            self._leds,
            self._observations,
            self._observed,
            self._told,
            self._before,
        )

    def _observe(self, fact: Fact, oldest_first: Iterable[Observation]) -> str | None:
        """Take observations; return the last status that they say."""
        said = None
        kind, before = self._kind, self._observations
        for observation in oldest_first:
            known = _at_last(kind, observation, before) if kind.dated_by else observation
            before.append(known)
            self._known = known.payload
            if observation.standing.status is not None:
                said = observation.standing.status
                self._observed = self._observed if known.outdated else (known.standing, fact)
        return said

    def _stand(self, entry: Entry, standing: Standing, led: Standing | None) -> None:
        self._entries.append(entry)
        self._standing, self._led = standing, led
        self._standings.append(standing)
        self._leds.append(led)


def _seen(kind: Kind, look: Fact, own: Observation, known: Payload | None) -> Observation:
    """Lay what a look says over what was known before it."""
    if look.word != MISSING or known is None:
        return kind.overlaid(own, known)
    nothing: frozenset[str] = frozenset()
    return Observation(known, Standing(), own.delivery, nothing)


def _settle(
    kind: Kind, look: Fact, seen: Observation | None, standing: Standing, led: Standing | None
) -> Settled:
    if look.word == MISSING:
        return Settled(standing, led, gap=False, reason="Dodo's API does not have it")
    if seen is None:
        reason = "What Dodo's API said was written before what was known, and tells nothing"
        return Settled(standing, led, gap=False, reason=reason)
    said = seen.standing
    if said.status is None and kind.looked is not None:
        said = Standing(kind.looked(seen.payload))
    return settle(kind.machine, standing, led, place(kind, standing, said))


def follow(kind: Kind, folded: Folded) -> tuple[Standing, Drift | None]:
    """Let the status follow the last observation where it may; tell where the two differ.

    That it is in a state which no event announces is no difference.
    """
    standing = folded.standing
    if folded.observed is None:
        return standing, None
    observed, fact = folded.observed
    seen = place(kind, standing, observed)
    status, stage = seen.status, seen.stage
    if seen == standing or status is None:
        return standing, None
    followed = ahead(kind, standing, folded.led, observed)
    unheralded = status in kind.machine.unheralded
    if followed == seen and (unheralded or (fact.is_look and status not in kind.machine.states)):
        return followed, None
    drift = Drift(standing.status, status, standing.stage, stage, fact.occurred_at, fact.webhook_id)
    return followed, drift


def ahead(
    kind: Kind, standing: Standing, led: Standing | None, observed: Standing | None
) -> Standing:
    """Return where a thing counts as standing whose facts lead to `standing`.

    It was last seen at `observed`. An anomaly that has `led` elsewhere counts from there on, until
    Dodo says `standing` again.
    """
    if observed is None:
        return standing
    seen = place(kind, standing, observed)
    origin = standing if led is None or seen == standing else led
    return seen if seen != origin and kind.machine.follows(origin, seen) else origin


def place(kind: Kind, standing: Standing, observed: Standing) -> Standing:
    """Place an observation in a stage: one that is unknown or missing is the current one."""
    if observed.stage == standing.stage or observed.stage in kind.machine.stages:
        return observed
    return Standing(observed.status, standing.stage)


def describe(kind: Kind, business_id: str, entity_id: str, folded: Folded) -> Entity:
    """Say what is known about an entity: its state, and the fields of its newest observation.

    The derived fields have the values that they have where nothing tells another.
    """
    standing, drift = follow(kind, folded)
    newest_first = folded.observations[::-1]
    created_at = instant(newest_first[0].payload.created_at)
    fields = kind.read(newest_first)
    if folded.before:
        fields |= {name: fields[name] or known for name, known in folded.before.links.items()}
    make: Callable[..., Entity] = kind.entity
    return make(
        business_id=business_id,
        status=standing.status,
        folded_status=folded.standing.status,
        observed_status=folded.observed[0].status if folded.observed else None,
        drift=drift,
        history=folded.history,
        refused=folded.refused,
        occurred_at=folded.facts[-1].occurred_at,
        created_at=created_at or folded.first_at,
        **fields,
        **kind.derived,
        settled=folded.settled,
        missing_since=folded.missing_since,
        **{kind.id_field: entity_id},
    )


def _at_last(kind: Kind, observation: Observation, before: Sequence[Observation]) -> Observation:
    """Return what is known after an observation: a body older than the last one tells nothing."""
    written_at = kind.written_at(observation)
    known_at = kind.written_at(before[-1]) if before else None
    if written_at is None or known_at is None or written_at >= known_at:
        return observation
    return msgspec.structs.replace(before[-1], delivery=observation.delivery, outdated=True)


def _word(kind: Kind, fact: Fact) -> str:
    """Return the event that a fact counts as: where two happen at once, the second one."""
    if fact.word not in kind.machine.at_once:
        return fact.word
    second, field = kind.machine.at_once[fact.word]
    moments = (instant(getattr(observation.payload, field)) for observation in fact.observations)
    at_once = any(moment and moment <= fact.occurred_at + AT_ONCE for moment in moments)
    return second if at_once else fact.word


def _oldest_first(kind: Kind, fact: Fact) -> Fact:
    if len(fact.observations) == 1:
        return fact
    # Bodies under one webhook-id share their timestamp. A retry carries the later status, so
    # the machine's own order of stages and states decides where the bodies do not say when they
    # were written; the bytes make it a total order, which stays when the bodies are emptied. That
    # emptying takes its time, so it is done for those alone that are equally new.
    stages, states = kind.machine.stages, tuple(kind.machine.states)

    def newness(observation: Observation) -> tuple[float, int, int]:
        status, stage = observation.standing.status, observation.standing.stage
        written_at = kind.written_at(observation)
        return (
            written_at.timestamp() if written_at else -inf,
            stages.index(stage) if stage in stages else -1,
            states.index(status) if status in states else -1,
        )

    ordered: list[Observation] = []
    for _, same in groupby(sorted(fact.observations, key=newness), key=newness):
        alike = [*same]
        if len(alike) > 1:
            alike.sort(key=lambda observation: order_of(observation.delivery))
        ordered += alike
    return msgspec.structs.replace(fact, observations=tuple(ordered))


def last_changes(kind: Kind, folded: Folded, count: int) -> Iterator[tuple[Change, ...]]:
    """Tell, of each of so many last facts, what it says otherwise than the fact before it."""
    ends = accumulate(len(fact.observations) for fact in folded.facts)
    newest = [folded.observations[end - 1].payload for end in ends][-count - 1 :]
    if len(newest) == count and folded.before:
        newest = [folded.before.payload, *newest]
    compared = kind.compared
    payload, before = newest[0], compared(newest[0])
    if len(newest) == count:
        # Nothing is before the first fact of all.
        yield ()
    for following in newest[1:]:
        # Most bodies say what the one before them said, which is known at once.
        if following == payload:
            yield ()
            continue
        payload, now = following, compared(following)
        yield () if before == now else _changed(kind, before, now)
        before = now


def _changed(kind: Kind, was: Compared, now: Compared) -> tuple[Change, ...]:
    # Most fields stay, so those that differ are looked for before anything is read.
    differing = compress(range(len(now)), map(ne, was, now))
    changes: list[Change] = []
    for place in differing:
        name, read = kind.comparable[place]
        old, new = read(was[place]), read(now[place])
        if old != new:
            changes.append(Change(name, _shortened(old), _shortened(new)))
    return tuple(changes[:CHANGES_MAX])


def _shortened(value: object) -> str | int | bool | None:
    if value is None or isinstance(value, int):
        return value
    written = value if isinstance(value, str) else msgspec.to_builtins(value)
    if not isinstance(written, str):
        written = msgspec.json.encode(written).decode()
    cut = len(written) > CHANGED_CHARS_MAX
    return f"{written[: CHANGED_CHARS_MAX - 1]}…" if cut else written


def _look(kind: Kind, entity_id: str, look: Fact, before: Standing, settled: Settled) -> Entry:
    return Entry(
        kind=kind.name,
        id=entity_id,
        webhook_id=look.webhook_id,
        type=topic_of(kind.name, look.word),
        occurred_at=look.occurred_at,
        recorded_at=look.recorded_at,
        position=str(look.position),
        verdict=None,
        reason=settled.reason,
        gap=settled.gap,
        from_=before.status,
        to=settled.standing.status,
        changes=(),
    )


def _entry(kind: Kind, entity_id: str, fact: Fact, before: Standing, step: Step) -> Entry:
    return Entry(
        kind=kind.name,
        id=entity_id,
        webhook_id=fact.webhook_id,
        type=f"{kind.name}.{fact.word}",
        occurred_at=fact.occurred_at,
        recorded_at=fact.recorded_at,
        position=str(fact.position),
        verdict=step.verdict,
        reason=step.reason,
        gap=step.gap,
        from_=before.status,
        to=step.to.status,
        changes=(),
    )
