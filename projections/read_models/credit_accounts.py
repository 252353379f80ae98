"""The read model of credits, one row a customer and sort of credit, and of their ledgers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from domain.aggregates.credit import TYPES_IN_ORDER, Credit, CreditEntity, place_of
from domain.credits.entry import CreditEntry
from postgres.statement import Statement
from projections.bound import of_business
from projections.listing import BigInt, Listing, Moment, StorableText
from projections.read_model import Column, ReadModel, columns_of, of_entities
from projections.read_models.filters import METADATA, OWN_CUSTOMER, common
from projections.read_models.periods import may_lose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.aggregate import Aggregate
    from projections.read_model import Row

CREDITS: Final = of_entities("credit", table="credits", key=("id", "business_id"))
LISTING: Final = Listing("credits", CreditEntity, "id", filters=(*common(OWN_CUSTOMER), METADATA))

_FIELDS: Final = CreditEntry.__struct_fields__
_POSITION: Final = _FIELDS.index("position")


def _column_of(field: Column) -> Column:
    return Column("position", "bigint") if field.name == "position" else field


def _rows(aggregate: Aggregate) -> list[Row]:
    rows: list[Row] = []
    for entry in aggregate.ledger() if isinstance(aggregate, Credit) else []:
        values = list(msgspec.structs.astuple(entry))
        values[_POSITION] = int(entry.position)
        rows.append((aggregate.id, *values))
    return rows


CREDIT_ENTRIES: Final = ReadModel(
    table="credit_entries",
    key=("stream_id", "created_at", "id"),
    columns=(Column("stream_id", "text"), *map(_column_of, columns_of(CreditEntry))),
    rows=_rows,
    streams=frozenset({"credit"}),
    loses=may_lose,
    began="created_at",
)
"""The entries of the ledgers, for people who join them with tables of their own, too."""


class LedgerKey(NamedTuple):
    """A place in a ledger from which its next page goes on; see `place_of`."""

    created_at: Moment
    rank: BigInt
    id: StorableText


_PLACE: Final = "t.created_at, array_position(%(types)s::text[], t.type), t.id"
_OWN: Final = (
    "WITH own AS (SELECT e.stream_id FROM credits AS e WHERE e.id = %(account)s{bound}"
    " ORDER BY e.first_position LIMIT 1)"
)
_SELECT: Final = (
    f" SELECT {', '.join(f't.{name}' for name in _FIELDS)}"  # noqa: S608 -- names
    " FROM credit_entries AS t JOIN own USING (stream_id)"
)
# The index has the first of these alone: of one instant there are few entries.
_AFTER: Final = (
    f" WHERE t.created_at >= %(created_at)s AND ({_PLACE}) > (%(created_at)s, %(rank)s, %(id)s)"
)


def entries(
    account: str, *, after: LedgerKey | None, limit: int, business_id: str | None = None
) -> Statement:
    """Select the entries of one account, in the order in which they were made."""
    own = _OWN.format(bound=of_business("e", business_id))
    asked = {"account": account, "bound_to": business_id, "limit": limit}
    return Statement(
        f"{own}{_SELECT}{_AFTER if after else ''} ORDER BY {_PLACE} LIMIT %(limit)s",
        {**asked, "types": list(TYPES_IN_ORDER), **(after._asdict() if after else {})},
    )


def read_entry(row: Sequence[object]) -> tuple[LedgerKey, CreditEntry]:
    """Read a row of `entries`, with its place."""
    fields = dict(zip(_FIELDS, row, strict=True))
    fields["position"] = str(fields["position"])
    return _placed(msgspec.convert(fields, CreditEntry))


def entries_then(
    aggregate: Aggregate, after: LedgerKey | None
) -> list[tuple[LedgerKey, CreditEntry]]:
    """Give what `entries` would select, were this aggregate all there is."""
    ledger = aggregate.ledger() if isinstance(aggregate, Credit) else []
    return [one for one in map(_placed, ledger) if after is None or one[0] > after]


def _placed(entry: CreditEntry) -> tuple[LedgerKey, CreditEntry]:
    return LedgerKey(*place_of(entry)), entry
