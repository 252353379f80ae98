"""Shared: an event as platforms for analytics take it: whose it is, and its properties."""

from __future__ import annotations

from typing import Any, NamedTuple

from f.raphus.facts import amount, customer

PLAIN = ("business_id", "status", "product_id", "product_ids", "subscription_id", "payment_id")


class Person(NamedTuple):
    """A customer, and what was told of it."""

    id: str
    traits: dict[str, str]


def person(state: dict[str, Any] | None, data: dict[str, Any]) -> Person | None:
    """Return whose event it is, if it is anybody's."""
    told = customer(data)
    id_ = (state or {}).get("customer_id") or told["customer_id"] or data.get("customer_id")
    traits = {name: told[name] for name in ("email", "name") if told[name]}
    return Person(str(id_), traits) if id_ else None


def properties(
    event: dict[str, Any],
    kind: str,
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    state: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return what is told of an event: nothing that buyers wrote, nor who they are."""
    much, currency = amount(kind, state)
    known = {name: (state or {}).get(name) for name in PLAIN}
    return {
        "kind": kind,
        "id": id,
        **{name: value for name, value in known.items() if value},
        "amount": float(much) if much else None,
        "currency": currency or None,
        "webhook_id": event["webhook_id"],
    }
