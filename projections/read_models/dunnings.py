"""The read model of dunning attempts, and the questions that it answers."""

from __future__ import annotations

from typing import Final

from domain.aggregates.dunning import DunningEntity
from projections.listing import Listing
from projections.read_model import of_entities
from projections.read_models.filters import OF_PAYMENT, OF_SUBSCRIPTION, OWN_CUSTOMER, common

DUNNINGS: Final = of_entities("dunning", table="dunnings", key=("id", "business_id"))
LISTING: Final = Listing(
    "dunnings",
    DunningEntity,
    "id",
    filters=(*common(OWN_CUSTOMER), OF_SUBSCRIPTION, OF_PAYMENT),
)
