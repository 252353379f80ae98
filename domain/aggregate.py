"""A stream of events, and what follows from the set of them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Self, TypeVar, cast

import msgspec

from domain.look import MISSING, OBSERVED, RANK_OF_LOOKS, topic_of
from domain.stream_id import parts_of
from domain.timeline import PLACE, Entry, Fact, Folded, FoldedBefore, describe, fold, last_changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from domain.delivery import Delivery
    from domain.entity import Entity, Kind, Observation
    from domain.event import Event
    from domain.timeline import Change


T = TypeVar("T")


class Known(NamedTuple):
    """An entity as an aggregate knows it; `first_position` is of the first event about it."""

    kind: Kind
    entity: Entity
    first_position: int


class Extent(NamedTuple):
    """The instants from the first to the last at which what a fact tells occurred.

    That is one as a rule, the fact's own.
    """

    begin: datetime
    end: datetime


class Base(NamedTuple):
    """What the first events of a stream add up to, so many as `version` says.

    `carried` has, by its type, what each of those who follow the facts has of them.
    """

    version: int
    carried: Mapping[type, object]


class Word(NamedTuple):
    """What a topic says, of which kind of thing, and how its bodies are read."""

    kind: Kind
    word: str
    rank: int
    read: Callable[[Delivery], tuple[datetime, Observation]]


class Saying(msgspec.Struct, frozen=True, gc=False):
    """One event as its body reads."""

    occurred_at: datetime
    rank: int
    word: str
    observation: Observation
    event: Event


_SAID: Final = attrgetter("occurred_at", "rank", "word")
_NOTHING_ELSE: Final[Iterator[tuple[Change, ...]]] = repeat(())


class Aggregate:
    """The events of one stream, in order of arrival, and the state that they add up to.

    The state is a function of the set of events: every order and any repeats of the deliveries
    give the same (but for positions and the times of recording). It is worked out when asked
    for, since writing never needs it: no verified delivery is refused for its content.

    With a `base`, `events` are those behind it: what follows from facts goes on from there, and is
    told as far as they may have changed it. So does a stream that is about one thing.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ()
    _kinds: ClassVar[dict[str, Kind]] = {}
    _words: ClassVar[dict[str, Word]] = {}

    def __init_subclass__(cls) -> None:
        cls._kinds = {kind.name: kind for kind in cls.kinds}
        cls._words = {
            f"{kind.name}.{word}": Word(kind, word, kind.machine.ranks[word], kind.observe)
            for kind in cls.kinds
            for word in kind.machine.words
        } | {
            topic_of(kind.name, word): Word(kind, word, RANK_OF_LOOKS, kind.look)
            for kind in cls.kinds
            for word in (OBSERVED, MISSING)
        }

    def __init__(
        self, aggregate_id: str, events: Iterable[Event] = (), base: Base | None = None
    ) -> None:
        self.id = aggregate_id
        self.events = list(events)
        self.base = base
        self._business_id: str | None = None
        self._read: list[tuple[tuple[str, str], Saying]] = []
        self._folded: dict[tuple[str, str], Folded] | None = None
        self._known: dict[tuple[str, str], Known] | None = None
        self._worked_out: dict[object, object] = {}

    @property
    def version(self) -> int:
        """The number of events, with those that the base stands for."""
        return len(self.events) + (self.base.version if self.base else 0)

    @property
    def business_id(self) -> str:
        """The tenant."""
        if self._business_id is None:
            self._business_id = parts_of(self.id)[1]
        return self._business_id

    def append(self, event: Event) -> None:
        """Take the next event of the stream."""
        self.events.append(event)
        self._folded = self._known = None
        self._worked_out.clear()

    def carried(self, of_type: type[T]) -> T | None:
        """Return what is carried of the events before these; None where there is nothing."""
        return cast("T | None", self.base.carried.get(of_type)) if self.base else None

    @staticmethod
    def told_at(saying: Saying) -> datetime | None:
        """Return when something else than the fact occurred of which an event tells, if it does."""

    def extents(self) -> list[Extent]:
        """Return of each event the extent of its fact."""
        return extents(
            (said.event.delivery.webhook_id, said.occurred_at, self.told_at(said))
            for _, said in self.readings()
        )

    @property
    def begins_at(self) -> datetime:
        """When what is behind the base begins; without one, before all time."""
        if self.base is None:
            return datetime.min.replace(tzinfo=UTC)
        return min(extent.begin for extent in self.extents())

    def readings(self) -> list[tuple[tuple[str, str], Saying]]:
        """Return the events as their bodies read, in order of arrival, each with whom it is about.

        Each body is read once.
        """
        said_before: object = None
        entity_id = ""
        for event in self.events[len(self._read) :]:
            kind, word, rank, read = self._words[event.topic]
            occurred_at, observation = read(event.delivery)
            # As a rule a stream is about one thing, which all of its bodies name alike.
            said = kind.name, kind.naming(observation.payload)
            if said != said_before:
                said_before, entity_id = said, kind.id_of(observation.payload) or ""
            saying = Saying(occurred_at, rank, word, observation, event)
            self._read.append(((kind.name, entity_id), saying))
        return self._read

    def followed_by(self, events: Iterable[Event]) -> Self:
        """Return the aggregate with further events, in order of arrival."""
        one = type(self)(self.id, [*self.events, *events], self.base)
        one._read = [*self.readings()]  # noqa: SLF001 -- of its own class
        return one

    def part(self, places: Iterable[int], base: Base | None) -> Self:
        """Return the aggregate of its events at some places, as they go on from a base."""
        readings, some = self.readings(), [*places]
        one = type(self)(self.id, [self.events[place] for place in some], base)
        one._read = [readings[place] for place in some]  # noqa: SLF001
        return one

    def at(self, *, as_of: datetime | None = None, known_position: int | None = None) -> Self:
        """Return the aggregate as it was: from what had occurred, and been recorded, by then.

        What stands in the log up to `known_position` decides first; the facts in it that had
        occurred by `as_of` stay, each with all its bodies. Nothing may be left: an aggregate of
        no events.
        """
        last = known_position
        known = [event for event in self.events if last is None or (event.position or last) <= last]
        was = type(self)(self.id, known)
        if as_of is None:
            return was
        then = type(self)(self.id, was.occurred_by(as_of))
        # What had to be read to tell when it occurred is not read again.
        readings = {id(read[1].event): read for read in was._read}  # noqa: SLF001 -- of its own class
        then._read = [readings[id(event)] for event in then.events] if readings else []  # noqa: SLF001
        return then

    def occurred_by(self, instant: datetime) -> list[Event]:
        """Return the events of the facts that occurred up to an instant, in order of arrival."""
        occurred = [
            saying.event
            for facts in self._sayings().values()
            for sayings in facts.values()
            if min(saying.occurred_at for saying in sayings) <= instant
            for saying in sayings
        ]
        return sorted(occurred, key=place_in_log)

    def timeline(self) -> list[Entry]:
        """Return every fact with its verdict, in timeline order, without what it changes."""
        things = list(self.folded().values())
        if len(things) == 1:
            return things[0].entries
        judged = [
            (PLACE(fact), entry)
            for folded in things
            for fact, entry in zip(folded.facts, folded.entries, strict=True)
        ]
        return [entry for _, entry in sorted(judged, key=lambda pair: (pair[0], pair[1].id))]

    def lines(self, since: AbstractSet[str] | None = None) -> list[Entry]:
        """Return the timeline with what each fact changes.

        It begins with the first fact under one of the webhook-ids `since`, if they are given.
        """
        entries, folded = self.timeline(), self.folded()
        if since is not None:
            first = next((n for n, one in enumerate(entries) if one.webhook_id in since), 0)
            entries = entries[first:]
        # A thing's own facts stand in the same order, so these are its last ones.
        if len(folded) == 1:
            ((named, of_it),) = folded.items()
            told = last_changes(self._kinds[named[0]], of_it, len(entries))
            return [_changing(one, of_this) for one, of_this in zip(entries, told, strict=True)]
        counts = Counter((entry.kind, entry.id) for entry in entries)
        changes = {
            named: last_changes(self._kinds[named[0]], folded[named], counts[named])
            for named in counts.keys() & folded.keys()
        }
        return [
            _changing(one, next(changes.get((one.kind, one.id), _NOTHING_ELSE))) for one in entries
        ]

    def entities(self) -> list[Known]:
        """Return what is known about each thing that the stream is about."""
        return list(self._known_by_id().values())

    def find(self, kind: str, entity_id: str) -> Known | None:
        """Return what is known about one thing, by its kind's name and Dodo's id."""
        return self._known_by_id().get((kind, entity_id))

    def once(self, work_out: Callable[[Self], T]) -> T:
        """Return what a pure function makes of the aggregate, worked out once for a set of events.

        Read models that follow from the same thing share it by this; nobody changes what it gives.
        """
        if work_out not in self._worked_out:
            self._worked_out[work_out] = work_out(self)
        return cast("T", self._worked_out[work_out])

    def parts(self) -> dict[str, str]:
        """Return the parts of things that are told one by one, each with who told it.

        That is the webhook-id of a fact or a look. Most things have no parts.
        """
        return {}

    def derive(self, described: Mapping[tuple[str, str], Entity]) -> None:
        """Work out the fields that no single body states, and set them.

        `described` are all entities of the stream, by kind and id.
        """

    def folded(self) -> dict[tuple[str, str], Folded]:
        """Return the folded facts of each (kind, id), worked out once for a set of events."""
        if self._folded is None:
            before: FoldedBefore[Any] | None = self.carried(FoldedBefore)
            self._folded = {
                (name, entity_id): fold(
                    self._kinds[name], entity_id, map(_fact, sayings.values()), before
                )
                for (name, entity_id), sayings in sorted(self._sayings().items())
            }
        return self._folded

    def _known_by_id(self) -> dict[tuple[str, str], Known]:
        if self._known is None:
            business_id, kinds = self.business_id, self._kinds
            described = {
                named: describe(kinds[named[0]], business_id, named[1], folded)
                for named, folded in self.folded().items()
            }
            self.derive(described)
            self._known = {
                named: Known(kinds[named[0]], described[named], folded.first_position)
                for named, folded in self.folded().items()
            }
        return self._known

    def _sayings(self) -> dict[tuple[str, str], dict[str, list[Saying]]]:
        sayings: dict[tuple[str, str], dict[str, list[Saying]]] = {}
        for named, saying in self.readings():
            webhook_id = saying.event.delivery.webhook_id
            sayings.setdefault(named, {}).setdefault(webhook_id, []).append(saying)
        return sayings


def extents(told: Iterable[tuple[str, datetime, datetime | None]]) -> list[Extent]:
    """Return the extent of each event's fact.

    Told is, of each event, its webhook-id, when its body says to have occurred, and when what it
    tells of did, if that is something else. A fact occurred when the first of its bodies says.
    """
    bodies = [*told]
    found: dict[str, Extent] = {}
    for webhook_id, at, _ in bodies:
        begin = min(at, found[webhook_id].begin) if webhook_id in found else at
        found[webhook_id] = Extent(begin, begin)
    for webhook_id, _, of_other in bodies:
        if of_other is not None:
            begin, end = found[webhook_id]
            found[webhook_id] = Extent(min(begin, of_other), max(end, of_other))
    return [found[webhook_id] for webhook_id, _, _ in bodies]


def place_in_log(event: Event) -> tuple[int, int]:
    """Return where an event stands among those of its aggregate.

    Not all of them need be of one stream, which alone would number them: see
    docs/decisions/0037-what-a-release-learns-reaches-the-past.md.
    """
    return event.position or 0, event.originator_version


def _changing(entry: Entry, changes: tuple[Change, ...]) -> Entry:
    return msgspec.structs.replace(entry, changes=changes) if changes else entry


def _fact(sayings: list[Saying]) -> Fact:
    first, event = sayings[0], sayings[0].event
    observations: tuple[Observation, ...] = (first.observation,)
    if len(sayings) > 1:
        # Several bodies under one webhook-id: which of them came first must not matter.
        first = min(sayings, key=_SAID)
        event = min((saying.event for saying in sayings), key=place_in_log)
        observations = tuple(saying.observation for saying in sayings)
    if event.position is None or event.recorded_at is None:
        raise ValueError("only recorded events can be folded")
    return Fact(
        first.occurred_at,
        first.rank,
        event.delivery.webhook_id,
        first.word,
        event.position,
        event.recorded_at,
        observations,
    )
