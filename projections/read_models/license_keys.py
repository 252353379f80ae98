"""The read model of licence keys, and the questions that it answers."""

from __future__ import annotations

from domain.aggregates.license_key import LicenseKeyEntity
from projections.listing import Listing
from projections.read_model import of_entities
from projections.read_models.filters import OWN_CUSTOMER, OWN_PRODUCT, common

LICENSE_KEYS = of_entities("license_key", table="license_keys", key=("id", "business_id"))
LISTING = Listing(
    "license_keys",
    LicenseKeyEntity,
    "id",
    filters=(*common(OWN_CUSTOMER), OWN_PRODUCT),
)
