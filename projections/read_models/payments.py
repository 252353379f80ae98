"""The read model of payments, the questions that it answers, and how others ask through it."""

from __future__ import annotations

from typing import Final, Literal

from psycopg.sql import SQL
from psycopg.sql import Literal as SQLLiteral

from domain.aggregates.payment import PaymentEntity
from projections.listing import Filter, Listing
from projections.read_model import of_entities
from projections.read_models.filters import METADATA, OWN_CUSTOMER, common, product

PAYMENTS = of_entities("payment", table="payments", key=("payment_id", "business_id"))


_PRODUCT: Final = (
    "(%(product_id)s = ANY({payment}.product_ids)"
    " OR ({payment}.subscription_id, {payment}.business_id) IN"
    " (SELECT subscription_id, business_id FROM subscriptions"
    " WHERE product_id = %(product_id)s))"
)
_PRODUCT_THEN: Final = """(
    %(product_id)s = ANY ({payment}.product_ids)
    OR ({payment}.subscription_id, {payment}.business_id) IN (
        SELECT id, business_id FROM periods WHERE kind = 'subscription'
        AND valid @> %(as_of)s::timestamptz AND %(product_id)s = ANY (product_ids)
    )
)"""


def _product_of(payment: Literal["t", "p"]) -> Filter:
    """Return the filter by what a payment is for: in its cart, or its subscription's product."""
    return product(_PRODUCT.format(payment=payment), _PRODUCT_THEN.format(payment=payment))


LISTING = Listing(
    "payments",
    PaymentEntity,
    "payment_id",
    filters=(*common(OWN_CUSTOMER), _product_of("t"), METADATA),
)

JOIN: Final = (
    "LEFT JOIN payments AS p ON p.payment_id = t.payment_id AND p.business_id = t.business_id"
)
"""Joins the payment, as `p`, of what may lack a customer and a product of its own."""
CUSTOMER: Final = {"customer_id": "coalesce(t.customer_id, p.customer_id)"}
"""The customer of what is joined so."""


def filters_through_payment(kind: str) -> tuple[Filter, ...]:
    """Return the filters of what is joined with its payment, whose customer and product it has."""
    # By way of the view, which searches the indexes on the customers of both tables.
    customer = SQL(
        "t.first_position IN (SELECT o.first_position FROM customer_objects AS o"
        " WHERE o.kind = {kind} AND o.customer_id = %(customer_id)s)"
    )
    return (*common(customer.format(kind=SQLLiteral(kind)).as_string()), _product_of("p"))
