"""What is known about one thing of Dodo's, and how each kind of thing is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import msgspec

from domain.delivery import Delivery, read_envelope
from domain.field_readers import identity, own_fields, reader_of, text
from domain.payload import LINKS, Payload, PayloadReader
from domain.state_machine import Machine, Standing


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

    payload: Payload
    standing: Standing
    delivery: Delivery

    @property
    def data(self) -> dict[str, Any]:
        """The `data` as it stands in the body, decoded anew: to show what it says, not to fold."""
        return read_envelope(self.delivery.body).data


def _as_it_comes(status: str) -> str:
    return status


@dataclass(frozen=True)
class Kind:
    """One kind of thing: its machine, its entity, and where its `data` keeps what it is.

    `stream_field` names the aggregate whose stream takes the deliveries (a refund's is its
    payment). `as_word` turns an observed status into a word of the event types. `derived` are
    the fields that no single body states, each with its value where nothing tells another.
    """

    machine: Machine
    entity: type[Entity]
    id_field: str
    stream_field: str = ""
    status_field: str = "status"
    stage_field: str = ""
    as_word: Callable[[str], str] = _as_it_comes
    derived: Mapping[str, object] = field(default_factory=dict)

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
    def payloads(self) -> PayloadReader:
        """How bodies are read: what the machine asks, and what the entity declares, not derived."""
        state = filter(None, (self.status_field, self.stage_field))
        alone = self.machine.unannounced.values()
        judged: dict[str, object] = dict.fromkeys(state, str) | dict.fromkeys(alone, bool)
        return PayloadReader(self.name, judged | self._stated)

    @property
    def _stated(self) -> dict[str, object]:
        declared = own_fields(self.entity)
        return {name: declared[name] for name in declared if name not in self.derived}

    def observe(self, delivery: Delivery) -> tuple[datetime, Observation]:
        """Read when a body says that something happened, in UTC, and what it says of the state.

        Raises:
            UnreadableError: the body does not say what a delivery must say.
        """
        occurred_at, payload = self.payloads.read(delivery.body)
        status = text(getattr(payload, self.status_field))
        stage = text(getattr(payload, self.stage_field)) if self.stage_field else None
        standing = Standing(self.as_word(status) if status else None, stage)
        return occurred_at, Observation(payload, standing, delivery)

    def id_of(self, payload: Payload) -> str | None:
        """Return the entity's id, None where there is none."""
        return identity(getattr(payload, self.id_field))

    def read(self, newest_first: list[Observation]) -> dict[str, object]:
        """Read the fields from the newest observation; links keep their last known value."""
        newest = newest_first[0].payload
        values = {name: read(getattr(newest, name)) for name, read in self.readers.items()}
        for name, link in self.links.items():
            known = (link(observation.payload) for observation in newest_first)
            values[name] = next(filter(None, known), None)
        return values


def spoken(name: str) -> str:
    """Return the name of a kind, or of a resource, as it is written in sentences."""
    return name.replace("_", " ").replace("license", "licence")
