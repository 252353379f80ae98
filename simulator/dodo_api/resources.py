"""The paths of the API, and what each of them has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from simulator.dodo_api.asking import (
    Query,
    Refusal,
    chosen,
    must_know,
    page,
    there,
    time_in,
)
from simulator.dodo_api.business import Listed, Row, Standing
from simulator.dodo_api.shapes import Object, item, whole
from simulator.dodo_api.shop import Shop, listed_product

PAYMENT_PAGES_MAX = 200
"""Dodo says that late pages of payments are refused, and not how late."""


class Served(msgspec.Struct, frozen=True):
    """What there is to be asked for. Deleted entitlements are not listed, and have no list."""

    shop: Shop
    standing: Standing
    webhooks: list[Object]
    deleted_entitlements: frozenset[str]


class Kind(msgspec.Struct, frozen=True):
    """A kind of object: what its list may be asked by, and whether one can be asked for."""

    name: str
    filters: tuple[str, ...] = ()
    alone: bool = True


KINDS: Mapping[str, Kind] = {
    "customers": Kind("customer"),
    "subscriptions": Kind("subscription", ("status", "customer_id", "product_id", "brand_id")),
    "payments": Kind(
        "payment", ("status", "customer_id", "subscription_id", "currency", "brand_id")
    ),
    "refunds": Kind("refund", ("status", "customer_id")),
    "disputes": Kind("dispute", ("dispute_status", "dispute_stage", "customer_id")),
    "license_keys": Kind("license_key", ("status", "source", "product_id", "customer_id")),
    "payouts": Kind("payout", alone=False),
}


def _list(served: Served, query: Query, path: str) -> Object:
    kind = KINDS[path]
    must_know(query, ("created_at_gte", "created_at_lte", *kind.filters))
    bounds = time_in(query, "created_at_gte"), time_in(query, "created_at_lte")
    rows = chosen(served.standing.all(kind.name).between(*bounds), query, kind.filters)
    rows = page(rows, query, PAYMENT_PAGES_MAX if kind.name == "payment" else None)
    return _items(_item(served, kind.name, row) for row in rows)


def _one(served: Served, query: Query, path: str, named: str) -> Object:
    must_know(query, ())
    kind = KINDS[path]
    if not kind.alone:
        raise Refusal(404, "")
    return _whole(served, kind.name, there(served.standing.all(kind.name).one(named)))


def _item(served: Served, kind: str, row: Row) -> Object:
    data = item(kind, _whole(served, kind, row))
    if kind == "subscription":
        data["product_name"] = served.shop.names.get(str(data["product_id"]))
    elif kind == "payment":
        disputes = served.standing.where("dispute", payment_id=row.id).between(None, None)
        data["dispute_status"] = disputes[0].about.dispute_status if disputes else None
        keys = served.standing.where("license_key", payment_id=row.id).between(None, None)
        data["has_license_key"] = bool(keys)
    return data


def _whole(served: Served, kind: str, row: Row) -> Object:
    data = whole(kind, row.data, served.shop.brand_id)
    if kind == "dispute" and "customer" not in data:
        paid = served.standing.all("payment").one(str(data["payment_id"]))
        data["customer"] = paid and _whole(served, "payment", paid)["customer"]
    elif kind == "license_key":
        data["status"] = served.standing.status_of_key(row.id) or data["status"]
    return data


def _products(served: Served, query: Query) -> Object:
    must_know(query, ("archived", "recurring", "brand_id"))
    products = served.shop.products(archived=query.get("archived") == "true")
    return _items(listed_product(one) for one in page(products, query))


def _product(served: Served, query: Query, product_id: str) -> Object:
    must_know(query, ())
    return there(served.shop.product(product_id))


def _entitlements(served: Served, query: Query) -> Object:
    must_know(query, ("integration_type",))
    return _items(page(_live_entitlements(served), query))


def _live_entitlements(served: Served) -> list[Object]:
    gone = served.deleted_entitlements
    return [one for one in served.shop.entitlements() if one["id"] not in gone]


def _grants(served: Served, query: Query, entitlement_id: str) -> Object:
    if all(one["id"] != entitlement_id for one in _live_entitlements(served)):
        raise Refusal(404, "NOT_FOUND")
    grants = served.standing.where("entitlement_grant", entitlement_id=entitlement_id)
    return _grants_in(served, query, grants, ("status", "customer_id"))


def _grants_of_customer(served: Served, query: Query, customer_id: str) -> Object:
    there(served.standing.all("customer").one(customer_id))
    grants = served.standing.where("entitlement_grant", customer_id=customer_id)
    return _grants_in(served, query, grants, ("status", "integration_type"))


def _grants_in(served: Served, query: Query, grants: Listed, filters: Sequence[str]) -> Object:
    must_know(query, filters)
    rows = page(chosen(grants.between(None, None), query, filters), query)
    return _items(_whole(served, "entitlement_grant", row) for row in rows)


def _credit_entitlements(served: Served, query: Query) -> Object:
    must_know(query, ("deleted",))
    sorts = [] if query.get("deleted") == "true" else served.shop.credit_entitlements()
    return _items(page(sorts, query))


def _balances(served: Served, query: Query, sort_id: str) -> Object:
    must_know(query, ("customer_id",))
    rows = served.standing.where("balance", credit_entitlement_id=sort_id).between(None, None)
    return _items(map(_balance_in, page(chosen(rows, query, ("customer_id",)), query)))


def _balance(served: Served, query: Query, sort_id: str, customer_id: str) -> Object:
    must_know(query, ())
    return _balance_in(there(served.standing.all("balance").one(f"{sort_id}/{customer_id}")))


def _balance_in(row: Row) -> Object:
    """A balance with its amounts as they are written, which no float could keep."""
    return dict(msgspec.json.decode(row.json, type=dict[str, msgspec.Raw]))


def _ledger(served: Served, query: Query, sort_id: str, customer_id: str) -> Object:
    must_know(query, ("transaction_type", "start_date", "end_date"))
    account = {"credit_entitlement_id": sort_id, "customer_id": customer_id}
    bounds = time_in(query, "start_date"), time_in(query, "end_date")
    rows = served.standing.where("credit", **account).between(*bounds)
    rows = page(chosen(rows, query, ("transaction_type",)), query)
    return _items(_whole(served, "credit", row) for row in rows)


def _brands(served: Served, query: Query) -> Object:
    must_know(query, ())
    return _items(served.shop.brands())


def _webhooks(served: Served, query: Query) -> Object:
    must_know(query, ("limit", "iterator"))
    return {"data": served.webhooks, "iterator": None, "done": True}


def _items(items: Iterable[Object]) -> Object:
    return {"items": list(items)}


Take = Callable[..., Object]

_BALANCES = "/credit-entitlements/([^/]+)/balances"
_ROUTES: Sequence[tuple[str, Take]] = [
    ("/brands", _brands),
    ("/webhooks", _webhooks),
    ("/products", _products),
    ("/products/([^/]+)", _product),
    ("/entitlements", _entitlements),
    ("/entitlements/([^/]+)/grants", _grants),
    ("/customers/([^/]+)/entitlement-grants", _grants_of_customer),
    ("/credit-entitlements", _credit_entitlements),
    (_BALANCES, _balances),
    (f"{_BALANCES}/([^/]+)", _balance),
    (f"{_BALANCES}/([^/]+)/ledger", _ledger),
    (f"/({'|'.join(KINDS)})", _list),
    (f"/({'|'.join(KINDS)})/([^/]+)", _one),
]


def answer(served: Served, path: str, query: Query) -> Object:
    """What there is at a path.

    Raises:
        Refusal: nothing is, or it cannot be asked so.
    """
    for pattern, take in _ROUTES:
        if match := re.fullmatch(pattern, path):
            return take(served, query, *match.groups())
    raise Refusal(404, "")
