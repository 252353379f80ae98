"""The read model of disputes, and the questions that it answers."""

from __future__ import annotations

from typing import Final

from domain.aggregates.dispute import OPEN, DisputeEntity
from projections.listing import Listing
from projections.read_model import of_entities
from projections.read_models.filters import flag
from projections.read_models.payments import CUSTOMER, JOIN, filters_through_payment

DISPUTES = of_entities("dispute", table="disputes", key=("dispute_id", "business_id"))
_OPEN: Final = ", ".join(f"'{status}'" for status in OPEN)
IS_OPEN: Final = f"t.status IN ({_OPEN})"
"""Spelt as in the index that finds them."""
LISTING = Listing(
    "disputes",
    DisputeEntity,
    "dispute_id",
    filters=(
        *filters_through_payment("dispute"),
        flag(
            "open",
            "Only those that are open (true), or are not (false).",
            f"({IS_OPEN})",
        ),
    ),
    joins=JOIN,
    columns=CUSTOMER,
)
