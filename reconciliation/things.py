"""What Dodo's API has that is taken into the log: which lists, in which order, in which parts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from dodo.endpoints import (
    BALANCES,
    CREDIT_ENTITLEMENTS,
    CREDIT_ENTITLEMENTS_DELETED,
    CUSTOMERS,
    DISPUTES,
    ENTITLEMENTS,
    GRANTS,
    LICENSE_KEYS,
    PAYMENTS,
    PAYOUTS,
    PRODUCTS,
    PRODUCTS_ARCHIVED,
    REFUNDS,
    SUBSCRIPTIONS,
)
from dodo.walk import Place, Walk
from domain.field_readers import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dodo.client import Dodo
    from dodo.endpoints import ListEndpoint


class Leg(NamedTuple):
    """One list of those that a thing is in, by a name of its own; `ids` name what it belongs to.

    `asked` is what its items do not say themselves.
    """

    name: str
    endpoint: ListEndpoint
    ids: tuple[str, ...] = ()
    asked: Mapping[str, str | bool] = {}


class Thing(NamedTuple):
    """A sort of thing that is imported, by the name of its resource."""

    name: str
    legs: Callable[[Dodo], Iterator[Leg]]


def _plain(*endpoints: ListEndpoint) -> Callable[[Dodo], Iterator[Leg]]:
    def legs(_dodo: Dodo) -> Iterator[Leg]:
        for number, endpoint in enumerate(endpoints):
            yield Leg(str(number), endpoint, asked=dict(endpoint.only))

    return legs


def _grants(dodo: Dodo) -> Iterator[Leg]:
    for id_ in _parents(dodo, ENTITLEMENTS):
        yield Leg(id_, GRANTS, (id_,))


def _balances(dodo: Dodo) -> Iterator[Leg]:
    for id_, data in _parents(dodo, CREDIT_ENTITLEMENTS, CREDIT_ENTITLEMENTS_DELETED).items():
        asked: dict[str, str | bool] = {"credit_entitlement_id": id_}
        name = text(msgspec.json.decode(data, type=_Named).name)
        if name is not None:
            asked["credit_entitlement_name"] = name
        yield Leg(id_, BALANCES, (id_,), asked)


class _Named(msgspec.Struct):
    name: object = None


def _parents(dodo: Dodo, *endpoints: ListEndpoint) -> dict[str, bytes]:
    """Return all items of lists by their ids, in the order of these: an import goes on behind one.

    What an item says is its JSON.
    """
    found: dict[str, bytes] = {}
    for endpoint in endpoints:
        for step in Walk(dodo, endpoint, place=Place(datetime.now(UTC))):
            found.update(step.items)
    return dict(sorted(found.items()))


THINGS: Final = (
    Thing("products", _plain(PRODUCTS, PRODUCTS_ARCHIVED)),
    Thing("customers", _plain(CUSTOMERS)),
    Thing("subscriptions", _plain(SUBSCRIPTIONS)),
    Thing("payments", _plain(PAYMENTS)),
    Thing("refunds", _plain(REFUNDS)),
    Thing("disputes", _plain(DISPUTES)),
    Thing("license_keys", _plain(LICENSE_KEYS)),
    Thing("entitlement_grants", _grants),
    Thing("credits", _balances),
    Thing("payouts", _plain(PAYOUTS)),
)
"""In the order in which they are imported: state first, and names before what has them."""
