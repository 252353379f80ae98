"""What is known about one thing of Dodo's, and how each kind of thing is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple

import msgspec

from domain.delivery import ID_CHARS_MAX, Delivery, UnreadableError, read_envelope
from domain.field_readers import identity, instant, own_fields, reader_of
from domain.look import told_by
from domain.payload import LINKS, Payload, PayloadReader, stands_as_read
from domain.personal_data import WORDS, is_emptied, is_word
from domain.state_machine import Machine, Standing
from domain.stream_id import stream_id

CREATED_AT: Final = "created_at"
"""The one field that names a thing, together with others, and is no id but an instant."""


class Drift(msgspec.Struct, frozen=True):
    """The last observation and the folded state differ: a webhook is in flight, or lost."""

    folded: str | None
    observed: str
    folded_stage: str | None
    observed_stage: str | None
    observed_at: datetime
    webhook_id: str


class Entity(msgspec.Struct, kw_only=True):
    """What is known about one thing of Dodo's; each kind adds the fields that matter for it.

    `status` follows `observed_status` ahead of `folded_status` where the state machine allows
    it. `history` is partial while a fact is missing, and settled where Dodo's API has said since
    what the missing ones led to. Of the `refused` facts so many are `settled`: the API has said
    since what is so. `missing_since` tells from when on Dodo has not had the thing any more.
    `occurred_at` is of the newest fact or look. `created_at` is Dodo's, else of the first of them.
    """

    business_id: str
    status: str | None
    folded_status: str | None
    observed_status: str | None
    drift: Drift | None
    history: Literal["complete", "partial", "settled"]
    refused: int
    occurred_at: datetime
    created_at: datetime
    customer_id: str | None
    settled: int
    missing_since: datetime | None


class Observation(msgspec.Struct, frozen=True, gc=False):
    """What one body's `data` says, true at or after the timestamp of its fact.

    `told` are the fields that a look says, whose payload has what was known before in all others;
    None for a webhook, which says all there is.

    A body that is outdated has been written before one that precedes it in the timeline: it says
    nothing, so payload and standing are that one's.
    """

    payload: Payload
    standing: Standing
    delivery: Delivery
    told: frozenset[str] | None = None
    outdated: bool = False

    def tells(self, *names: str) -> bool:
        """Tell whether its own data says one of these fields, be it that there is none."""
        return not self.outdated and (self.told is None or not self.told.isdisjoint(names))

    @property
    def data(self) -> dict[str, Any]:
        """The `data` as it stands in the body, decoded anew: to show what it says, not to fold."""
        return read_envelope(self.delivery.body).data


def _word_of(name: str) -> Callable[[object], object]:
    return lambda value: value if is_word(name, value) else None


def _as_it_comes(status: str) -> str:
    return status


class _Read(NamedTuple):
    """A field of an entity, how it is read, and as what where nothing stands there."""

    name: str
    read: Callable[[object], object]
    nothing: object


class _Reading(NamedTuple):
    """Which fields of an entity stand in a payload as they are, and how others are read."""

    taken: tuple[str, ...]
    take: Callable[[Payload], tuple[object, ...]]
    read: tuple[_Read, ...]
    find: Callable[[Payload], tuple[object, ...]]


@dataclass(frozen=True)
class Kind:
    """One kind of thing: its machine, its entity, and where its `data` keeps what it is.

    `named_by` are the fields of `data` that name a thing together where no single one does: then
    the entity's `id_field` is made of them, joined as in a stream's id. `stream_fields` name the
    aggregate whose stream takes the deliveries (a refund's is its payment). `status_field` is empty
    where `data` says no status. `dated_by` is the field of `data` that tells when it was written,
    where that decides which of two bodies is the newer one, and not the timeline alone. `as_word`
    turns an observed status into a word of the event types. `derived` are the fields that no single
    body states, each with its value where nothing tells another, and `told` declares the fields of
    `data` that they follow from.

    What a look leaves open is as it was known before; `beside` says what is known after one where
    it tells of a part of the thing alone. `looked` reads where a look puts the thing if no field of
    `data` is a status. `is_impersonal` tells that nothing of it is about a person, so that its
    timeline shows all that changes; of `compared_too`, fields of `data` with how each is read, too.
    """

    machine: Machine
    entity: type[Entity]
    id_field: str
    named_by: tuple[str, ...] = ()
    stream_fields: tuple[str, ...] = ()
    status_field: str = "status"
    stage_field: str = ""
    dated_by: str = ""
    as_word: Callable[[str], str] = _as_it_comes
    derived: Mapping[str, object] = field(default_factory=dict)
    told: type[msgspec.Struct] | None = None
    beside: Callable[[Payload, Payload], Payload] | None = None
    looked: Callable[[Payload], str | None] | None = None
    is_impersonal: bool = False
    compared_too: Mapping[str, Callable[[object], object]] = field(default_factory=dict)

    @cached_property
    def name(self) -> str:
        """The word that the event types begin with."""
        return self.machine.kind

    @cached_property
    def links(self) -> Mapping[str, Callable[[Payload], str | None]]:
        """The fields that keep their last known value, each with how it is read."""
        linked = set(self.entity.__struct_fields__) - {self.id_field}
        return {name: link for name, link in LINKS.items() if name in linked}

    @cached_property
    def readers(self) -> Mapping[str, Callable[[object], object]]:
        """The fields that the newest observation states, each with how it is read."""
        return {
            name: reader_of(name, declared)
            for name, declared in self._stated.items()
            if name not in self.links and name != self.id_field
        }

    @cached_property
    def _reading(self) -> _Reading:
        taken = tuple(name for name, one in self.readers.items() if stands_as_read(one))
        read = tuple(
            _Read(name, one, one(None)) for name, one in self.readers.items() if name not in taken
        )
        return _Reading(taken, _getter(taken), read, _getter([one.name for one in read]))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The fields of `data` that name a thing."""
        return self.named_by or (self.id_field,)

    @cached_property
    def comparable(self) -> tuple[tuple[str, Callable[[object], object]], ...]:
        """The fields of which a timeline tells how they change, each with how it is read.

        What people write, or what tells who somebody is, no timeline repeats.
        """
        unsaid = {self.status_field, self.stage_field}
        return tuple(
            (name, _word_of(name) if name in WORDS else read)
            for name, read in {**self.readers, **self.compared_too}.items()
            if name not in unsaid and (self.is_impersonal or name in WORDS or not is_emptied(name))
        )

    @cached_property
    def compared(self) -> Callable[[Payload], tuple[object, ...]]:
        """Gives these fields of a payload as they stand there."""
        return _getter([name for name, _ in self.comparable])

    @cached_property
    def payloads(self) -> PayloadReader:
        """How bodies are read: what the machine asks, and what the entity declares, not derived."""
        state = filter(None, (self.status_field, self.stage_field))
        alone = self.machine.unannounced.values()
        judged: dict[str, object] = dict.fromkeys(state, str) | dict.fromkeys(alone, bool)
        named = dict.fromkeys(self.names, str)
        told = own_fields(self.told) if self.told else {}
        dated = {self.dated_by: datetime} if self.dated_by else {}
        return PayloadReader(self.name, judged | named | dated | self._stated | told)

    @property
    def _stated(self) -> dict[str, object]:
        declared = own_fields(self.entity)
        made = {self.id_field} if self.named_by else set()
        return {name: declared[name] for name in declared if name not in {*self.derived, *made}}

    def written_at(self, observation: Observation) -> datetime | None:
        """Return when a body was written, where that counts and is told."""
        return instant(getattr(observation.payload, self.dated_by)) if self.dated_by else None

    def observe(self, delivery: Delivery) -> tuple[datetime, Observation]:
        """Read when a body says that something happened, in UTC, and what it says of the state.

        Raises:
            UnreadableError: the body does not say what a delivery must say.
        """
        occurred_at, payload = self.payloads.read(delivery.body)
        status = getattr(payload, self.status_field) if self.status_field else None
        stage = getattr(payload, self.stage_field) if self.stage_field else None
        standing = Standing(self.as_word(status) if status else None, stage)
        return occurred_at, Observation(payload, standing, delivery)

    def look(self, delivery: Delivery) -> tuple[datetime, Observation]:
        """Read when a look was made, in UTC, and what it says: see `overlaid` for what it means.

        Raises:
            UnreadableError: the body does not say what a delivery must say.
        """
        at, observation = self.observe(delivery)
        return at, msgspec.structs.replace(observation, told=told_by(delivery.body))

    def overlaid(self, look: Observation, known: Payload | None) -> Observation:
        """Lay what a look says over what was known: a field that it leaves open stays as it is."""
        told = look.told
        if told is None or known is None:
            return look
        own = told & self._read_of_data
        if self.beside is not None:
            payload = self.beside(look.payload, known)
            taken = (name for name in own if getattr(payload, name) is getattr(look.payload, name))
            return msgspec.structs.replace(look, payload=payload, told=frozenset(taken))
        said = {name: getattr(look.payload, name) for name in own}
        return msgspec.structs.replace(look, payload=msgspec.structs.replace(known, **said))

    @cached_property
    def _read_of_data(self) -> frozenset[str]:
        return frozenset(self.payloads.fields)

    @cached_property
    def naming(self) -> Callable[[Payload], object]:
        """Return what a payload says of which thing it is about, as it stands there."""
        return attrgetter(*self.names)

    def id_of(self, payload: Payload) -> str | None:
        """Return the entity's id, None where there is none."""
        if not self.named_by:
            return identity(getattr(payload, self.id_field))
        return self._joined([_name(field, getattr(payload, field)) for field in self.named_by])

    def place_of(self, data: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what names the stream that takes a delivery, beyond its kind and tenant.

        Raises:
            UnreadableError: `data` does not name the thing, or not the stream.
        """
        wanted = *self.names, *self.stream_fields
        read = {name: _name(name, data.get(name)) for name in wanted}
        for name, value in read.items():
            if value is None:
                sort = "a time" if name == CREATED_AT else "an id"
                raise UnreadableError(f"data.{name} is missing, or not {sort}")
        if self._joined([read[name] for name in self.names]) is None:
            raise UnreadableError("the ids in data are too long together")
        return tuple(str(read[name]) for name in self.stream_fields or self.names)

    def _joined(self, parts: list[str | None]) -> str | None:
        known = [part for part in parts if part is not None]
        joined = known[0] if len(self.names) == 1 else stream_id(*known)
        return joined if len(known) == len(parts) and len(joined) <= ID_CHARS_MAX else None

    def read(self, newest_first: list[Observation]) -> dict[str, object]:
        """Read the fields from the newest observation; links keep their last known value."""
        reading, newest = self._reading, newest_first[0].payload
        values = dict(zip(reading.taken, reading.take(newest), strict=True))
        for (name, read, nothing), value in zip(reading.read, reading.find(newest), strict=True):
            if type(value) is int:  # an integer, not written as text
                values[name] = value
            elif value is None and type(nothing) is not dict:
                values[name] = nothing
            else:
                values[name] = read(value)
        for name, link in self.links.items():
            known: str | None = None
            for observation in newest_first:
                known = link(observation.payload)
                if known:
                    break
            values[name] = known or None
        return values


def _getter(names: Sequence[str]) -> Callable[[Payload], tuple[object, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda payload: tuple(getattr(payload, name) for name in names)


def _name(field: str, value: object) -> str | None:
    if field != CREATED_AT:
        return identity(value)
    moment = instant(value)
    return None if moment is None else str(msgspec.to_builtins(moment))


def spoken(name: str) -> str:
    """Return the name of a kind, or of a resource, as it is written in sentences."""
    return name.replace("_", " ").replace("license", "licence")
