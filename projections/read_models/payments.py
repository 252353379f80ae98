"""The read model of payments, the questions that it answers, and how others ask through it."""

from __future__ import annotations

from typing import Final

from psycopg.sql import SQL, Identifier, Literal

from domain.aggregates.payment import PaymentEntity
from projections.listing import Listing
from projections.read_model import of_entities

PAYMENTS = of_entities("payment", table="payments", key=("payment_id", "business_id"))


def _product_of(payment: str) -> str:
    """Write the condition that a payment is for a product: in its cart, or its subscription's."""
    condition = SQL(
        "(%(product_id)s = ANY({payment}.product_ids)"
        " OR ({payment}.subscription_id, {payment}.business_id) IN"
        " (SELECT subscription_id, business_id FROM subscriptions"
        " WHERE product_id = %(product_id)s))"
    )
    return condition.format(payment=Identifier(payment)).as_string()


LISTING = Listing("payments", PaymentEntity, "payment_id", filters={"product_id": _product_of("t")})

JOIN: Final = (
    "LEFT JOIN payments AS p ON p.payment_id = t.payment_id AND p.business_id = t.business_id"
)
"""Joins the payment, as `p`, of what may lack a customer and a product of its own."""
CUSTOMER: Final = {"customer_id": "coalesce(t.customer_id, p.customer_id)"}
"""The customer of what is joined so."""


def filters_through_payment(kind: str) -> dict[str, str]:
    """Give the filters by customer and product for what is joined with its payment."""
    # By way of the view, which searches the indexes on the customers of both tables.
    customer = SQL(
        "t.first_position IN (SELECT o.first_position FROM customer_objects AS o"
        " WHERE o.kind = {kind} AND o.customer_id = %(customer_id)s)"
    )
    return {
        "customer_id": customer.format(kind=Literal(kind)).as_string(),
        "product_id": _product_of("p"),
    }
