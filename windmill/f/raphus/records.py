"""Shared: the rows that an event gives of a customer, and of a subscription."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from f.raphus.facts import customer

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLES: Mapping[str, Mapping[str, str]] = {
    "raphus_customers": {
        "customer_id": "key",
        "business_id": "text",
        "email": "text",
        "name": "text",
        "phone_number": "text",
        "position": "place",
    },
    "raphus_subscriptions": {
        "subscription_id": "key",
        "business_id": "text",
        "customer_id": "text",
        "product_id": "text",
        "status": "text",
        "quantity": "count",
        "currency": "text",
        "recurring_pre_tax_amount": "count",
        "next_billing_date": "time",
        "cancel_at_next_billing_date": "flag",
        "cancelled_at": "time",
        "expires_at": "time",
        "occurred_at": "time",
        "position": "place",
    },
}
"""The columns of each table, the key first, by the sort of what they hold."""
TOLD = ("email", "name", "phone_number")


def rows(
    event: dict[str, Any], kind: str, state: dict[str, Any] | None, data: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the rows to write, by table. Of a customer, what is not told is left out."""
    known, position = state or {}, {"position": int(event["position"])}
    given: dict[str, dict[str, Any]] = {}
    if known.get("customer_id"):
        row, told = {name: known[name] for name in ("customer_id", "business_id")}, customer(data)
        if told["customer_id"] == known["customer_id"]:
            row |= {name: told[name] for name in TOLD if told[name]}
        given["raphus_customers"] = row | position
    if kind == "subscription" and known:
        named = TABLES["raphus_subscriptions"]
        given["raphus_subscriptions"] = {name: known.get(name) for name in named} | position
    return given
