"""The read model of products, and the questions that it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from domain.aggregates.product import ProductEntity
from postgres.statement import Statement
from projections.listing import Listing
from projections.read_model import of_entities
from projections.read_models.filters import METADATA, WITHOUT_CUSTOMER

if TYPE_CHECKING:
    from collections.abc import Sequence

PRODUCTS: Final = of_entities("product", table="products", key=("product_id", "business_id"))
LISTING: Final = Listing(
    "products", ProductEntity, "product_id", filters=(*WITHOUT_CUSTOMER, METADATA)
)


def names(products: Sequence[tuple[str, str]]) -> Statement:
    """Select the names of products, of which each is its business and its id, beside these."""
    business_ids, ids = zip(*products, strict=True)
    return Statement(
        "SELECT p.business_id, p.product_id, p.name FROM raphus.products AS p"
        " JOIN unnest(%(business_ids)s::text[], %(ids)s::text[]) AS asked (business_id, product_id)"
        " USING (business_id, product_id)",
        {"business_ids": list(business_ids), "ids": list(ids)},
    )
