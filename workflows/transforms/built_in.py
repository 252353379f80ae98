"""The arguments of a job, made of a trigger by what is built in.

`basic`, `subscription` and `dispute` give, to the byte, what the JavaScript in Dodo's
documentation of its integration with Windmill gives: the same keys in the same order, and no key
where JavaScript has `undefined`. They differ on purpose where that JavaScript has "NaN", throws,
or knows two decimals only; `docs/windmill.md` lists it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import UNSET, Raw, to_builtins

from domain.field_readers import integer
from domain.money import decimal_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workflows.trigger import Trigger

Arguments: TypeAlias = dict[str, object]
Made: TypeAlias = "Arguments | Raw"
Data: TypeAlias = "Mapping[str, Any]"


def envelope(trigger: Trigger) -> Raw:
    """Give Dodo's own body, to the byte."""
    return Raw(trigger.body)


def state(trigger: Trigger) -> Arguments:
    """Give the fact, its verdict, the thing's state after it, and its customer's access."""
    return {
        "event": {
            "webhook_id": trigger.webhook_id,
            "type": trigger.type,
            "occurred_at": trigger.occurred_at,
            "recorded_at": trigger.recorded_at,
            "position": str(trigger.position),
        },
        "verdict": trigger.verdict,
        "reason": trigger.reason,
        "gap": trigger.gap,
        "kind": trigger.kind,
        "id": trigger.id,
        "state": to_builtins(trigger.entity),
        "data": trigger.payload.get("data"),
        "access": to_builtins(trigger.access),
    }


def basic(trigger: Trigger) -> Made:
    """Summarise a payment that succeeded; every other event passes as it is."""
    return _documented(trigger, {"payment.succeeded": _payment_succeeded})


def subscription(trigger: Trigger) -> Made:
    """Summarise a subscription's beginning and its end; every other event passes as it is."""
    cases = {
        "subscription.active": _subscription_started,
        "subscription.cancelled": _subscription_cancelled,
    }
    return _documented(trigger, cases)


def dispute(trigger: Trigger) -> Made:
    """Summarise what became of a dispute; every other event passes as it is."""
    is_about_one = trigger.type.startswith("dispute.")
    return _documented(trigger, {trigger.type: _dispute} if is_about_one else {})


TRANSFORMATIONS: Final[Mapping[str, Callable[[Trigger], Made]]] = {
    "basic": basic,
    "subscription": subscription,
    "dispute": dispute,
    "envelope": envelope,
    "state": state,
}
"""The built-in transformations, by the names that a route calls them."""


def _documented(
    trigger: Trigger, cases: Mapping[str, Callable[[Trigger, Data], Arguments]]
) -> Made:
    case = cases.get(trigger.type)
    if case is None:
        return envelope(trigger)
    data = trigger.payload.get("data")
    return _defined(case(trigger, data if isinstance(data, dict) else {}))


def _payment_succeeded(trigger: Trigger, data: Data) -> Arguments:
    return {
        "event_type": trigger.type,
        "payment_id": data.get("payment_id", UNSET),
        "amount": _amount(data, "total_amount"),
        "currency": data.get("currency") or "USD",
        "customer_email": _of_customer(data, "email"),
        "customer_name": _of_customer(data, "name"),
        "payment_method": data.get("payment_method") or "unknown",
        "timestamp": _timestamp(trigger),
        "metadata": _defined(
            {
                "business_id": data.get("business_id", UNSET),
                "product_id": _joined(data.get("product_cart")),
            }
        ),
    }


def _subscription_started(trigger: Trigger, data: Data) -> Arguments:
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
        "timestamp": _timestamp(trigger),
    }


def _subscription_cancelled(trigger: Trigger, data: Data) -> Arguments:
    return {
        "event_type": "subscription_cancelled",
        "subscription_id": data.get("subscription_id", UNSET),
        "customer_email": _of_customer(data, "email"),
        "cancelled_at": data.get("cancelled_at", UNSET),
        "cancel_at_next_billing": data.get("cancel_at_next_billing_date", UNSET),
        "customer_id": _of_customer(data, "customer_id"),
        "timestamp": _timestamp(trigger),
    }


def _dispute(trigger: Trigger, data: Data) -> Arguments:
    return {
        "event_type": trigger.type,
        "dispute_id": data.get("dispute_id", UNSET),
        "payment_id": data.get("payment_id", UNSET),
        "amount": _amount(data, "amount"),
        "status": data.get("dispute_status", UNSET),
        "stage": data.get("dispute_stage", UNSET),
        "remarks": data.get("remarks") or "",
        "urgent": trigger.type == "dispute.opened",
        "business_id": data.get("business_id", UNSET),
        "timestamp": _timestamp(trigger),
    }


def _joined(cart: object) -> object:
    """Join the products of a cart, each as often as it stands there; without a cart, nothing."""
    if not isinstance(cart, list):
        return UNSET
    products = [line.get("product_id") for line in cart if isinstance(line, dict)]
    return ", ".join(product if isinstance(product, str) else "" for product in products)


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


def _timestamp(trigger: Trigger) -> object:
    return trigger.payload.get("timestamp", UNSET)


def _defined(values: Arguments) -> Arguments:
    """Leave out what JavaScript calls undefined, as its JSON does."""
    return {name: value for name, value in values.items() if value is not UNSET}
