"""The read model of entitlement grants, and the questions that it answers."""

from __future__ import annotations

from typing import Final

from domain.aggregates.entitlement_grant import EntitlementGrantEntity
from projections.listing import Listing
from projections.read_model import of_entities
from projections.read_models.filters import (
    METADATA,
    OF_PAYMENT,
    OF_SUBSCRIPTION,
    OWN_CUSTOMER,
    common,
)

ENTITLEMENT_GRANTS: Final = of_entities(
    "entitlement_grant", table="entitlement_grants", key=("id", "business_id")
)
LISTING: Final = Listing(
    "entitlement_grants",
    EntitlementGrantEntity,
    "id",
    filters=(*common(OWN_CUSTOMER), OF_SUBSCRIPTION, OF_PAYMENT, METADATA),
)
