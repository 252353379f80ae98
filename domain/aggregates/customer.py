"""Who buys, as Dodo's API tells: no event is about a customer alone."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from domain.aggregate import Aggregate
from domain.entity import Entity, Kind
from domain.state_machine import Machine

STATES = {"known": "Dodo has it."}
# Source: docs/dodo-api.md, "Endpoints". What is bought says of its customer less, and later.
MACHINE = Machine(
    kind="customer",
    states=STATES,
    events={},
    ranks={},
    unheralded=frozenset(STATES),
    observed_freely=True,
)


class CustomerEntity(Entity, kw_only=True):
    """A customer as the API tells of it. A list leaves `blocked_at` open."""

    email: str | None
    name: str | None
    phone_number: str | None
    blocked_at: datetime | None
    metadata: dict[str, str]


CUSTOMER = Kind(
    MACHINE,
    CustomerEntity,
    "customer_id",
    status_field="",
    looked=lambda _: "known",
)


class Customer(Aggregate):
    """A customer's stream."""

    kinds: ClassVar[tuple[Kind, ...]] = (CUSTOMER,)
