"""Entities: what is known about one thing of Dodo's, and how each kind of thing is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from domain.field_readers import LINKS, identity, own_fields, reader_of, text
from domain.state_machine import At, Machine


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
    it. `occurred_at` is of the newest fact. `created_at` is Dodo's, else of the first fact.
    """

    business_id: str
    status: str | None
    folded_status: str | None
    observed_status: str | None
    drift: Drift | None
    history: Literal["complete", "partial"]
    refused: int
    occurred_at: datetime
    created_at: datetime
    customer_id: str | None


class Observation(msgspec.Struct, frozen=True, gc=False):
    """What one body's `data` says, true at or after the timestamp of its fact."""

    data: dict[str, Any]
    at: At
    body: bytes


def _as_it_comes(status: str) -> str:
    return status


@dataclass(frozen=True)
class Kind:
    """One kind of thing: its machine, its entity, and where its `data` keeps what it is.

    `stream_field` names the aggregate whose stream takes the deliveries (a refund's is its
    payment). `as_word` turns an observed status into a word of the event types.
    """

    name: str
    machine: Machine
    entity: type[Entity]
    id_field: str
    stream_field: str = ""
    status_field: str = "status"
    stage_field: str = ""
    as_word: Callable[[str], str] = _as_it_comes
    derived: frozenset[str] = frozenset()
    _readers: dict[str, Callable[[object], object]] = field(init=False, repr=False)
    _links: Mapping[str, Callable[[Mapping[str, Any]], str | None]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        wanted = own_fields(self.entity)
        object.__setattr__(self, "derived", self.derived | {self.id_field})
        linked = self.entity.__struct_fields__
        links = {n: read for n, read in LINKS.items() if n in linked and self._reads(n)}
        object.__setattr__(self, "_links", links)
        readers = {
            n: reader_of(n, declared)
            for n, declared in wanted.items()
            if self._reads(n) and n not in links
        }
        object.__setattr__(self, "_readers", readers)

    @property
    def stream_id_field(self) -> str:
        """The field of `data` that names the aggregate."""
        return self.stream_field or self.id_field

    def observe(self, data: dict[str, Any], body: bytes) -> Observation:
        """Read what the `data` of a body says of the state."""
        status, stage = text(data.get(self.status_field)), text(data.get(self.stage_field))
        return Observation(data, At(self.as_word(status) if status else None, stage), body)

    def id_of(self, data: dict[str, Any]) -> str | None:
        """Return the entity's id, None where there is none."""
        return identity(data.get(self.id_field))

    def read(self, newest_first: list[Observation]) -> dict[str, Any]:
        """Read the fields from the newest observation; links keep their last known value."""
        newest = newest_first[0].data
        values = {name: read(newest.get(name)) for name, read in self._readers.items()}
        for name, read in self._links.items():
            known = (read(observation.data) for observation in newest_first)
            values[name] = next(filter(None, known), None)
        return values

    def _reads(self, name: str) -> bool:
        return name not in self.derived


def spoken(name: str) -> str:
    """Return the name of a kind, or of a resource, as it is written in sentences."""
    return name.replace("_", " ").replace("license", "licence")
