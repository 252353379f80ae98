"""From when until when a thing was as it was, for questions about any past instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from domain.aggregates.catalogue import KINDS
from domain.aggregates.payment import products
from domain.aggregates.product import PRICE_FIELDS, PRODUCT, price_before, price_in
from domain.field_readers import instant
from domain.payload import LINKED_BY
from domain.timeline import ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from domain.aggregate import Aggregate
    from domain.entity import Kind
    from domain.payload import Payload
    from domain.state_machine import Standing
    from domain.timeline import Folded


class Period(msgspec.Struct, frozen=True, gc=False):
    """A half-open span of occurrence time in which all of this held of one thing.

    It begins with a fact at `valid_from` and holds up to, but not at, `valid_to`; None is
    until now. A thing's periods follow upon one another from its first fact on, without holes,
    and neighbours differ. At every instant they say what the facts up to it add up to.

    The shape is one for all kinds; what a kind does not have is None. `first_position` is of
    the first event about the thing, whenever it occurred. `payment_id` and `subscription_id`
    are what a thing belongs to, through which it may have a product too. `amount` is in minor
    units of `currency`: a subscription's recurring amount before tax, for all of `quantity`,
    once every `payment_frequency_count` of `payment_frequency_interval`; a payment's total
    with tax; what a refund gives back; what a dispute is about. While a subscription is
    past_due, it counts as active until `past_due_ends_at`, within the period or behind it.
    `tax_inclusive` tells whether tax is in the amount, and `obstacle` what keeps it from being what
    is charged (domain/prices.py), if anything does.
    """

    kind: str
    id: str
    business_id: str
    first_position: int
    valid_from: datetime
    valid_to: datetime | None
    status: str | None
    created_at: datetime
    customer_id: str | None
    payment_id: str | None
    subscription_id: str | None
    product_ids: tuple[str, ...] = ()
    amount: int | None = None
    currency: str | None = None
    quantity: int | None = None
    payment_frequency_count: int | None = None
    payment_frequency_interval: str | None = None
    trial_period_days: int | None = None
    on_demand: bool | None = None
    past_due_ends_at: datetime | None = None
    tax_inclusive: bool | None = None
    obstacle: str | None = None

    def amount_of(self, quantity: int) -> int:
        """Return what so many cost, each for the amount; nothing where there is none."""
        return (self.amount or 0) * quantity


class PeriodsBefore(msgspec.Struct, frozen=True):
    """Of the periods so far the open one."""

    open: Period


def periods(aggregate: Aggregate) -> list[Period]:
    """Return the periods of each thing that the stream is about, in order.

    Where the aggregate goes on from a base, the first is the one that was open there.
    """
    return aggregate.once(_periods)


def _periods(aggregate: Aggregate) -> list[Period]:
    return [
        period
        for (name, entity_id), folded in aggregate.folded().items()
        for period in _of_entity(_PATHS[name], entity_id, folded, aggregate)
    ]


def periods_up_to(aggregate: Aggregate) -> PeriodsBefore:
    """Return what is carried of the periods of a stream that is about one thing."""
    return PeriodsBefore(periods(aggregate)[-1])


Values: TypeAlias = "tuple[object, ...]"
"""The fields of a period that change: from `status` to the last one that its kind has."""
_CUSTOMER_ID: Final = "customer_id"
Reader: TypeAlias = "Callable[[Payload], object]"

FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "subscription": {
        "product_ids": "product_id",
        "amount": "recurring_pre_tax_amount",
        "currency": "currency",
        "quantity": "quantity",
        "payment_frequency_count": "payment_frequency_count",
        "payment_frequency_interval": "payment_frequency_interval",
        "trial_period_days": "trial_period_days",
        "on_demand": "on_demand",
        "past_due_ends_at": "past_due_ends_at",
        "tax_inclusive": "tax_inclusive",
    },
    "payment": {"product_ids": "product_cart", "amount": "total_amount", "currency": "currency"},
    "refund": {"amount": "amount", "currency": "currency"},
    "dispute": {"amount": "amount", "currency": "currency"},
    "license_key": {"product_ids": "product_id"},
    "entitlement_grant": {},
    "credit": {},
    "dunning": {},
    "abandoned_checkout": {},
    "payout": {"amount": "amount", "currency": "currency"},
    "customer": {},
    "product": {},
}
"""What each kind's periods say beyond the links, each with the field of `data` that says it."""
_OBSTACLES: Final[Mapping[str, Mapping[str, str]]] = {
    "subscription": {
        "on_demand": "on_demand",
        "meters": "usage",
        "addons": "addons",
        "discounts": "discount",
        "discount_id": "discount",
    },
}
"""The fields of `data` that are an obstacle where they say anything, each with which."""


_STATUS: Final = Period.__struct_fields__.index("status")
_OWN: Final = Period.__struct_fields__.index("product_ids")


@dataclass(frozen=True)
class _Path:
    """How the changing fields of one kind's periods follow along its facts.

    `watched` gives all that matters of a payload: while it stays, nothing is read anew.
    """

    kind: Kind
    watched: Reader
    links: Mapping[str, Callable[[Payload], str | None]]
    readers: tuple[Reader, ...]

    @property
    def width(self) -> int:
        """How many fields of a period change, from its status on."""
        return _OWN - _STATUS + len(self.readers)

    def changes(self, folded: Folded, aggregate: Aggregate) -> Iterator[tuple[datetime, Values]]:
        """Give the instants at which something may have changed, and what held from then on."""
        before = aggregate.carried(PeriodsBefore)
        facts, left = folded.facts, len(folded.facts)
        payload = folded.observations[0].payload
        said: object = None
        linked: dict[str, str | None] = dict.fromkeys(LINKED_BY)
        observed: Standing | None = None
        stood: tuple[Standing, Standing | None, Standing | None] | None = None
        changed = False
        if folded.before and before:
            payload = folded.before.payload
            observed = folded.before.observed[0] if folded.before.observed else None
            said = self.watched(payload)
            linked = {name: getattr(before.open, name) for name in LINKED_BY}
            stood = folded.before.standing, folded.before.led, observed
        for fact, standing, led, observations in folded.steps():
            left -= 1
            for observation in observations:
                observed = observed if observation.standing.status is None else observation.standing
                payload, known = observation.payload, said
                said = self.watched(payload)
                if said != known:
                    changed = True
                    for name, link in self.links.items():
                        linked[name] = link(payload) or linked[name]
            if left and facts[-left].occurred_at == fact.occurred_at:
                continue
            if changed or stood != (standing, led, observed):
                changed, stood = False, (standing, led, observed)
                status = ahead(self.kind, standing, led, observed).status
                created_at = instant(payload.created_at) or folded.first_at
                own = [read(payload) for read in self.readers]
                yield fact.occurred_at, (status, created_at, *linked.values(), *own)


class _PricePath(_Path):
    """How the price of a product follows along what is told of it, which not every look tells."""

    @property
    def width(self) -> int:
        """All fields of a period from its status on."""
        return len(Period.__struct_fields__) - _STATUS

    def changes(self, folded: Folded, aggregate: Aggregate) -> Iterator[tuple[datetime, Values]]:
        """Give the instants at which something may have changed, and what held from then on."""
        before, priced = aggregate.carried(PeriodsBefore), price_before(aggregate)
        facts, left = folded.facts, len(folded.facts)
        observed: Standing | None = None
        payload = folded.observations[0].payload
        linked: dict[str, str | None] = dict.fromkeys(LINKED_BY)
        if folded.before and before:
            observed = folded.before.observed[0] if folded.before.observed else None
            linked = {name: getattr(before.open, name) for name in LINKED_BY}
        for fact, standing, led, observations in folded.steps():
            left -= 1
            for observation in observations:
                observed = observed if observation.standing.status is None else observation.standing
                payload = observation.payload
                for name, link in self.links.items():
                    linked[name] = link(payload) or linked[name]
                if observation.tells(*PRICE_FIELDS):
                    priced = price_in(observation)
            if left and facts[-left].occurred_at == fact.occurred_at:
                continue
            status = ahead(self.kind, standing, led, observed).status
            created_at = instant(payload.created_at) or folded.first_at
            pricing_mode = self.kind.readers["pricing_mode"](getattr(payload, "pricing_mode", None))
            said = {**priced, "pricing_mode": pricing_mode}
            begun = status, created_at, *linked.values(), ()
            own = (said.get(source) for source in _PRICE)
            yield fact.occurred_at, (*begun, *own, _price_obstacle(said))


_PRICE: Final = (
    "price",
    "currency",
    "quantity",
    "payment_frequency_count",
    "payment_frequency_interval",
    "trial_period_days",
    "on_demand",
    "past_due_ends_at",
    "tax_inclusive",
)
"""What a product's periods say, by its own names; it has no quantity, and is never due."""


def _price_obstacle(said: Mapping[str, object]) -> str | None:
    """Return what keeps the price of a product from being what is charged."""
    obstacles = {
        "untold": said.get("price_type") is None,
        "usage": said.get("price_type") == "usage_based",
        "purchasing_power": said.get("purchasing_power_parity"),
        "localized": said.get("pricing_mode"),
        "discount": said.get("discount_bps"),
        "pay_what_you_want": said.get("pay_what_you_want"),
    }
    return next((name for name, holds in obstacles.items() if holds), None)


def _path(kind: Kind) -> _Path:
    sources, names = FIELDS[kind.name], Period.__struct_fields__
    links = {name: kind.links[name] for name in LINKED_BY if name in kind.links}
    if kind.id_field == _CUSTOMER_ID:
        links[_CUSTOMER_ID] = kind.id_of
    linked_by = (source for name in links for source in LINKED_BY[name])
    # What comes after a kind's last field stays as it is by default.
    own: tuple[str, ...] = names[_OWN : names.index([*sources][-1]) + 1] if sources else ()
    readers = [_reader(kind, sources.get(name)) for name in own]
    obstacles = _OBSTACLES.get(kind.name, {})
    if obstacles:
        readers.append(_obstacle(kind, obstacles))
    watched = attrgetter(*linked_by, "created_at", *sources.values(), *obstacles)
    make = _PricePath if kind is PRODUCT else _Path
    return make(kind, watched, links, tuple(readers))


def _obstacle(kind: Kind, fields: Mapping[str, str]) -> Reader:
    read = {name: kind.readers[name] for name in fields}

    def first(payload: Payload) -> str | None:
        said = (code for name, code in fields.items() if read[name](getattr(payload, name)))
        return next(said, None)

    return first


def _reader(kind: Kind, source: str | None) -> Reader:
    if source is None:
        return lambda _: ()
    if source == "product_cart":
        return products
    read = kind.readers[source]
    if source == "product_id":
        return lambda payload: tuple(filter(None, [read(getattr(payload, source))]))
    return lambda payload: read(getattr(payload, source))


def _of_entity(path: _Path, entity_id: str, folded: Folded, aggregate: Aggregate) -> list[Period]:
    begun: list[tuple[datetime, Values]] = []
    if (before := aggregate.carried(PeriodsBefore)) is not None:
        # What comes after a kind's last field stays as it is by default.
        values = msgspec.structs.astuple(before.open)[_STATUS:]
        begun.append((before.open.valid_from, values[: path.width]))
    for occurred_at, values in path.changes(folded, aggregate):
        if not begun or begun[-1][1] != values:
            begun.append((occurred_at, values))
    ends = [*(occurred_at for occurred_at, _ in begun[1:]), None]
    what = path.kind.name, entity_id, aggregate.business_id, folded.first_position
    make: Callable[..., Period] = Period
    return [
        make(*what, occurred_at, end, *values)
        for (occurred_at, values), end in zip(begun, ends, strict=True)
    ]


_PATHS: Final = {name: _path(kind) for name, kind in KINDS.items()}


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the first of two ends, of which None is none."""
    if one is None or other is None:
        return one or other
    return min(one, other)
