"""Transformations: the arguments of a job, made of an occasion; those that are built in.

`basic`, `subscription` and `dispute` give, to the byte, what the JavaScript in Dodo's
documentation of its integration with Windmill gives: the same keys in the same order, and no key
where JavaScript has `undefined`. They differ on purpose where that JavaScript has "NaN", throws,
or knows two decimals only; `docs/windmill.md` lists it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import UNSET, to_builtins

from domain.field_readers import integer
from domain.money import decimal_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workflows.trigger import Occasion

Arguments: TypeAlias = dict[str, object]
Data: TypeAlias = "Mapping[str, Any]"


def envelope(occasion: Occasion) -> Arguments:
    """Give Dodo's own body."""
    return occasion.payload


def state(occasion: Occasion) -> Arguments:
    """Give the fact, its verdict, and the thing's state after it."""
    return {
        "event": {
            "webhook_id": occasion.webhook_id,
            "type": occasion.type,
            "occurred_at": occasion.occurred_at,
            "recorded_at": occasion.recorded_at,
            "position": str(occasion.position),
        },
        "verdict": occasion.verdict,
        "reason": occasion.reason,
        "gap": occasion.gap,
        "kind": occasion.kind,
        "id": occasion.id,
        "state": to_builtins(occasion.entity),
        "data": occasion.payload.get("data"),
    }


def basic(occasion: Occasion) -> Arguments:
    """Summarise a payment that succeeded; every other event passes as it is."""
    return _documented(occasion, {"payment.succeeded": _payment_succeeded})


def subscription(occasion: Occasion) -> Arguments:
    """Summarise a subscription's beginning and its end; every other event passes as it is."""
    cases = {
        "subscription.active": _subscription_started,
        "subscription.cancelled": _subscription_cancelled,
    }
    return _documented(occasion, cases)


def dispute(occasion: Occasion) -> Arguments:
    """Summarise what became of a dispute; every other event passes as it is."""
    is_about_one = occasion.type.startswith("dispute.")
    return _documented(occasion, {occasion.type: _dispute} if is_about_one else {})


TRANSFORMATIONS: Final[Mapping[str, Callable[[Occasion], Arguments]]] = {
    "basic": basic,
    "subscription": subscription,
    "dispute": dispute,
    "envelope": envelope,
    "state": state,
}
"""The built-in transformations, by the names that a route calls them."""


def _documented(
    occasion: Occasion, cases: Mapping[str, Callable[[Occasion, Data], Arguments]]
) -> Arguments:
    case = cases.get(occasion.type)
    if case is None:
        return occasion.payload
    data = occasion.payload.get("data")
    return _defined(case(occasion, data if isinstance(data, dict) else {}))


def _payment_succeeded(occasion: Occasion, data: Data) -> Arguments:
    return {
        "event_type": occasion.type,
        "payment_id": data.get("payment_id", UNSET),
        "amount": _amount(data, "total_amount"),
        "currency": data.get("currency") or "USD",
        "customer_email": _of_customer(data, "email"),
        "customer_name": _of_customer(data, "name"),
        "payment_method": data.get("payment_method") or "unknown",
        "timestamp": _timestamp(occasion),
        "metadata": _defined(
            {
                "business_id": data.get("business_id", UNSET),
                "product_id": _joined(data.get("product_cart")),
            }
        ),
    }


def _subscription_started(occasion: Occasion, data: Data) -> Arguments:
    return {
        "event_type": "subscription_started",
        "subscription_id": data.get("subscription_id", UNSET),
        "customer_email": _of_customer(data, "email"),
        "customer_name": _of_customer(data, "name"),
        "product_id": data.get("product_id", UNSET),
        "amount": _amount(data, "recurring_pre_tax_amount"),
        "frequency": data.get("payment_frequency_interval", UNSET),
        "next_billing": data.get("next_billing_date", UNSET),
        "customer_id": _of_customer(data, "customer_id"),
        "timestamp": _timestamp(occasion),
    }


def _subscription_cancelled(occasion: Occasion, data: Data) -> Arguments:
    return {
        "event_type": "subscription_cancelled",
        "subscription_id": data.get("subscription_id", UNSET),
        "customer_email": _of_customer(data, "email"),
        "cancelled_at": data.get("cancelled_at", UNSET),
        "cancel_at_next_billing": data.get("cancel_at_next_billing_date", UNSET),
        "customer_id": _of_customer(data, "customer_id"),
        "timestamp": _timestamp(occasion),
    }


def _dispute(occasion: Occasion, data: Data) -> Arguments:
    return {
        "event_type": occasion.type,
        "dispute_id": data.get("dispute_id", UNSET),
        "payment_id": data.get("payment_id", UNSET),
        "amount": _amount(data, "amount"),
        "status": data.get("dispute_status", UNSET),
        "stage": data.get("dispute_stage", UNSET),
        "remarks": data.get("remarks") or "",
        "urgent": occasion.type == "dispute.opened",
        "business_id": data.get("business_id", UNSET),
        "timestamp": _timestamp(occasion),
    }


def _joined(cart: object) -> object:
    """Join the products of a cart, each as often as it stands there; without a cart, nothing."""
    if not isinstance(cart, list):
        return UNSET
    products = [line.get("product_id") for line in cart if isinstance(line, dict)]
    return ", ".join(one if isinstance(one, str) else "" for one in products)


def _amount(data: Data, name: str) -> str | None:
    """Write an amount. One that is null is zero, as in JavaScript; one that is none is null."""
    written, currency = data.get(name, UNSET), data.get("currency")
    amount_minor = 0 if written is None else integer(written)
    if amount_minor is None:
        return None
    return decimal_text(amount_minor, currency if isinstance(currency, str) else "")


def _of_customer(data: Data, name: str) -> object:
    customer = data.get("customer")
    if customer is None:
        return None
    return customer.get(name, UNSET) if isinstance(customer, dict) else UNSET


def _timestamp(occasion: Occasion) -> object:
    return occasion.payload.get("timestamp", UNSET)


def _defined(values: Arguments) -> Arguments:
    """Leave out what JavaScript calls undefined, as its JSON does."""
    return {name: value for name, value in values.items() if value is not UNSET}
