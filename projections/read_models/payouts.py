"""The read model of payouts, and the questions that it answers."""

from __future__ import annotations

from typing import Final

from domain.aggregates.payout import PayoutEntity
from projections.listing import Listing
from projections.read_model import of_entities
from projections.read_models.filters import WITHOUT_CUSTOMER

PAYOUTS: Final = of_entities("payout", table="payouts", key=("payout_id", "business_id"))
LISTING: Final = Listing("payouts", PayoutEntity, "payout_id", filters=WITHOUT_CUSTOMER)
