"""Entities: what is known about one thing of Dodo's, and how each kind of thing is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from domain.delivery import as_utc
from domain.fields import identity, links, own_fields, reader_of, text
from domain.machine import At, Machine


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


class Observation(msgspec.Struct, frozen=True):
    """What one body's `data` says, true at or after the timestamp of its fact."""

    data: dict[str, Any]
    at: At
    body: bytes


class _Seen(msgspec.Struct):
    timestamp: datetime
    data: dict[str, Any]


_decode = msgspec.json.Decoder(_Seen).decode


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
    _decode_ids: Callable[[msgspec.Raw], Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        wanted = own_fields(self.entity)
        object.__setattr__(self, "derived", self.derived | {self.id_field})
        names = dict.fromkeys((self.id_field, self.stream_id_field))
        ids = msgspec.defstruct("Ids", [(name, Any, None) for name in names])
        object.__setattr__(self, "_decode_ids", msgspec.json.Decoder(ids).decode)
        readers = {n: reader_of(n, declared) for n, declared in wanted.items() if self._reads(n)}
        object.__setattr__(self, "_readers", readers)

    @property
    def stream_id_field(self) -> str:
        """The field of `data` that names the aggregate."""
        return self.stream_field or self.id_field

    def observe(self, body: bytes) -> tuple[datetime, Observation]:
        """Read when it occurred, and the data, of a body that `read_envelope` has accepted."""
        seen = _decode(body)
        status, stage = (
            text(seen.data.get(self.status_field)),
            text(seen.data.get(self.stage_field)),
        )
        at = At(self.as_word(status) if status else None, stage)
        return as_utc(seen.timestamp), Observation(seen.data, at, body)

    def ids(self, data: msgspec.Raw) -> tuple[str | None, str | None]:
        """Read the ids of the entity and of its aggregate, without reading the rest."""
        found = self._decode_ids(data)
        own, aggregate = getattr(found, self.id_field), getattr(found, self.stream_id_field)
        return identity(own), identity(aggregate)

    def id_of(self, data: dict[str, Any]) -> str | None:
        """Return the entity's id, None where there is none."""
        return identity(data.get(self.id_field))

    def read(self, newest_first: list[Observation]) -> dict[str, Any]:
        """Read the fields from the newest observation; links keep their last known value."""
        newest = newest_first[0].data
        values = {name: read(newest.get(name)) for name, read in self._readers.items()}
        known: dict[str, Any] = {}
        for observation in newest_first:
            for name, value in links(observation.data).items():
                known[name] = known.get(name) or value
            if all(known.values()):
                break
        fields = self.entity.__struct_fields__
        return values | {n: link for n, link in known.items() if n in fields and self._reads(n)}

    def _reads(self, name: str) -> bool:
        return name not in self.derived
