"""The read model of products, and the questions that it answers."""

from __future__ import annotations

from typing import Final

from domain.aggregates.product import ProductEntity
from projections.listing import Listing
from projections.read_model import of_entities
from projections.read_models.filters import METADATA, WITHOUT_CUSTOMER

PRODUCTS: Final = of_entities("product", table="products", key=("product_id", "business_id"))
LISTING: Final = Listing(
    "products", ProductEntity, "product_id", filters=(*WITHOUT_CUSTOMER, METADATA)
)
