"""The read model of refunds, and the questions that it answers."""

from __future__ import annotations

from domain.aggregates.refund import RefundEntity
from projections.listing import Listing
from projections.read_model import of_entities
from projections.read_models.filters import METADATA
from projections.read_models.payments import CUSTOMER, JOIN, filters_through_payment

# The payment is in the key since bodies could name two payments for one refund: each of the
# two streams then has its row.
REFUNDS = of_entities("refund", table="refunds", key=("refund_id", "business_id", "payment_id"))
LISTING = Listing(
    "refunds",
    RefundEntity,
    "refund_id",
    filters=(*filters_through_payment("refund"), METADATA),
    joins=JOIN,
    columns=CUSTOMER,
)
