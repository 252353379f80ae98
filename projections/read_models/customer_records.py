"""The read model of what Dodo's API tells of customers; who they are, all that names them tells."""

from __future__ import annotations

from typing import Final

from projections.read_model import of_entities

CUSTOMER_RECORDS: Final = of_entities(
    "customer", table="customer_records", key=("customer_id", "business_id")
)
