"""The read model of credits, one row a customer and sort of credit, and of their ledgers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from domain.aggregates.credit import Credit, CreditEntity, CreditEntry
from projections.listing import Listing
from projections.read_model import Column, ReadModel, columns_of, of_entities
from projections.read_models.filters import METADATA, OWN_CUSTOMER, common
from projections.read_models.periods import may_lose

if TYPE_CHECKING:
    from domain.aggregate import Aggregate
    from projections.read_model import Row

CREDITS: Final = of_entities("credit", table="credits", key=("id", "business_id"))
LISTING: Final = Listing("credits", CreditEntity, "id", filters=(*common(OWN_CUSTOMER), METADATA))


def _rows(aggregate: Aggregate) -> list[Row]:
    ledger = aggregate.ledger() if isinstance(aggregate, Credit) else []
    return [(aggregate.id, *msgspec.structs.astuple(entry)) for entry in ledger]


CREDIT_ENTRIES: Final = ReadModel(
    table="credit_entries",
    key=("stream_id", "id"),
    columns=(Column("stream_id", "text"), *columns_of(CreditEntry)),
    rows=_rows,
    streams=frozenset({"credit"}),
    loses=may_lose,
)
"""The entries of the ledgers, for people who join them with tables of their own."""
