"""Objects as they are answered: where one names a product by its id, the name stands beside it.

A name is for people: it is the one that the product has now, also in answers about the past, and
null where Dodo's API has not told it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, TypeVar, cast

import msgspec
from msgspec.structs import asdict

from domain.access.access import Access
from domain.aggregates.license_key import LicenseKeyEntity
from domain.aggregates.payment import CartItem, PaymentEntity
from domain.aggregates.subscription import ScheduledChange, SubscriptionEntity
from domain.entity import Entity
from domain.timeline import Change, Entry

Product: TypeAlias = tuple[str, str]
"""A product: its business, and its id."""
Names: TypeAlias = Mapping[Product, str | None]
"""The names of products."""
AnyAccess = TypeVar("AnyAccess", bound=Access)
AnyEntity = TypeVar("AnyEntity", bound=Entity)


class NamedScheduledChange(ScheduledChange, frozen=True, kw_only=True):
    """A change of the plan that is to come, with the name of its product."""

    product_name: str | None = None


class NamedSubscription(SubscriptionEntity, kw_only=True):
    """A subscription, with the name of its product."""

    product_name: str | None
    scheduled_change: NamedScheduledChange | None


class NamedCartItem(CartItem, frozen=True, kw_only=True):
    """A product that was bought once, with its name, and how often."""

    product_name: str | None = None


class NamedPayment(PaymentEntity, kw_only=True):
    """A payment; `product_names` has the names of `product_ids`, in their order."""

    product_names: tuple[str | None, ...]
    cart: tuple[NamedCartItem, ...]


class NamedLicenseKey(LicenseKeyEntity, kw_only=True):
    """A licence key, with the name of its product."""

    product_name: str | None


class NamedChange(Change, frozen=True, gc=False):
    """What a webhook says of a field, with the names of the products that `from` and `to` name."""

    from_product_name: str | None = None
    to_product_name: str | None = None


class NamedEntry(Entry, frozen=True, gc=False):
    """A line of a timeline, with the names of the products in what changes."""

    changes: tuple[NamedChange, ...]


ANSWERED: Final[Mapping[type[Entity], type[Entity]]] = {
    SubscriptionEntity: NamedSubscription,
    PaymentEntity: NamedPayment,
    LicenseKeyEntity: NamedLicenseKey,
}
"""The kinds of objects that name products, each with how it is answered."""
_IN_STRUCTURE: Final = re.compile(r'\{.*?"product_id":"([^"\\]+)"')
"""Finds the product that a structure names: its JSON may have been cut behind it."""


def name_of(names: Names, business_id: str, product_id: str | None) -> str | None:
    """Return the name of a product, if it is known."""
    return names.get((business_id, product_id)) if product_id is not None else None


def names_of(names: Names, business_id: str, product_ids: Iterable[str]) -> tuple[str | None, ...]:
    """Return the names of products, in their order."""
    return tuple(name_of(names, business_id, product_id) for product_id in product_ids)


def called(names: Names, product_id: str | None) -> str | None:
    """Return the name of a product of whichever business; of several, the first that is known."""
    known = (name for (_, one), name in sorted(names.items()) if one == product_id and name)
    return next(known, None)


def products_of(entity: Entity) -> set[Product]:
    """Return the products that an object names."""
    found: set[str | None] = {getattr(entity, "product_id", None)}
    found |= {*getattr(entity, "product_ids", ())}
    found |= {getattr(getattr(entity, "scheduled_change", None), "product_id", None)}
    return {(entity.business_id, product_id) for product_id in found if product_id is not None}


def products_in(entry: Entry, business_id: str) -> set[Product]:
    """Return the products that are named in what an entry of a business changes."""
    found = {
        _product_in(one.field, value) for one in entry.changes for value in (one.from_, one.to)
    }
    return {(business_id, product_id) for product_id in found if product_id is not None}


def named_entry(entry: Entry, business_id: str, names: Names) -> NamedEntry:
    """Return an entry of a business as it is answered."""

    def name_in(field: str, value: object) -> str | None:
        return name_of(names, business_id, _product_in(field, value))

    changes = tuple(
        NamedChange(
            one.field,
            one.from_,
            one.to,
            from_product_name=name_in(one.field, one.from_),
            to_product_name=name_in(one.field, one.to),
        )
        for one in entry.changes
    )
    return NamedEntry(**asdict(entry) | {"changes": changes})


def with_names(access: AnyAccess, names: Names) -> AnyAccess:
    """Return an answer with the names of the products that its evidence is about."""
    rests_on = [
        msgspec.structs.replace(
            one, product_names=names_of(names, one.business_id, one.product_ids)
        )
        for one in access.rests_on
    ]
    return msgspec.structs.replace(access, rests_on=rests_on)


def named(entity: AnyEntity, names: Names) -> AnyEntity:
    """Return an object as it is answered."""
    make = _NAMED.get(type(entity))
    return entity if make is None else cast("AnyEntity", make(entity, names))


def _subscription(entity: SubscriptionEntity, names: Names) -> NamedSubscription:
    change, fields = entity.scheduled_change, asdict(entity)
    if change is not None:
        to_come = name_of(names, entity.business_id, change.product_id)
        fields["scheduled_change"] = NamedScheduledChange(**asdict(change), product_name=to_come)
    name = name_of(names, entity.business_id, entity.product_id)
    return NamedSubscription(**fields, product_name=name)


def _payment(entity: PaymentEntity, names: Names) -> NamedPayment:
    of, fields = entity.business_id, asdict(entity)
    fields["cart"] = tuple(
        NamedCartItem(**asdict(line), product_name=name_of(names, of, line.product_id))
        for line in entity.cart
    )
    return NamedPayment(**fields, product_names=names_of(names, of, entity.product_ids))


def _license_key(entity: LicenseKeyEntity, names: Names) -> NamedLicenseKey:
    name = name_of(names, entity.business_id, entity.product_id)
    return NamedLicenseKey(**asdict(entity), product_name=name)


_NAMED: Final[Mapping[type[Entity], Callable[[Any, Names], Entity]]] = {
    SubscriptionEntity: _subscription,
    PaymentEntity: _payment,
    LicenseKeyEntity: _license_key,
}


def _product_in(field: str, value: object) -> str | None:
    """Return the product that one side of a change names."""
    if not isinstance(value, str):
        return None
    if field == "product_id":
        return value
    found = _IN_STRUCTURE.match(value)
    return found[1] if found else None
