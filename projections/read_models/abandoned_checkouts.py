"""The read model of abandoned checkouts, and the questions that it answers."""

from __future__ import annotations

from typing import Final

from domain.aggregates.abandoned_checkout import AbandonedCheckoutEntity
from projections.listing import Listing
from projections.read_model import of_entities
from projections.read_models.filters import OWN_CUSTOMER, common

ABANDONED_CHECKOUTS: Final = of_entities(
    "abandoned_checkout", table="abandoned_checkouts", key=("payment_id", "business_id")
)
LISTING: Final = Listing(
    "abandoned_checkouts", AbandonedCheckoutEntity, "payment_id", filters=common(OWN_CUSTOMER)
)
