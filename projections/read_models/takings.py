"""The read model of what payments, refunds and disputes bring and take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from domain.revenue.takings import Taking, takings
from projections.read_model import Column, ReadModel, columns_of
from projections.read_models.periods import may_lose

if TYPE_CHECKING:
    from domain.aggregate import Aggregate
    from projections.read_model import Row


def _rows(aggregate: Aggregate) -> list[Row]:
    return [(aggregate.id, *msgspec.structs.astuple(one)) for one in takings(aggregate)]


TAKINGS: Final = ReadModel(
    table="takings",
    key=("stream_id", "kind", "id", "ordinal"),
    columns=(
        Column("stream_id", "text"),
        *(
            column._replace(type="smallint") if column.name == "net_sign" else column
            for column in columns_of(Taking)
        ),
    ),
    rows=_rows,
    streams=frozenset({"payment", "dispute"}),
    loses=may_lose,
)
