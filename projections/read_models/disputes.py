"""The read model of disputes, and the questions that it answers."""

from __future__ import annotations

from domain.aggregates.dispute import DisputeEntity
from projections.listing import Listing
from projections.read_model import of_entities
from projections.read_models.filters import flag
from projections.read_models.payments import CUSTOMER, JOIN, filters_through_payment

DISPUTES = of_entities("dispute", table="disputes", key=("dispute_id", "business_id"))
LISTING = Listing(
    "disputes",
    DisputeEntity,
    "dispute_id",
    filters=(
        *filters_through_payment("dispute"),
        flag(
            "open",
            "Only those that are open (true), or are not (false).",
            # OPEN in domain/aggregates/dispute.py, spelt as in the index that finds them.
            "(t.status IN ('opened', 'challenged'))",
        ),
    ),
    joins=JOIN,
    columns=CUSTOMER,
)
