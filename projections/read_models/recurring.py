"""The read model of what subscriptions earn a month: each change of it, in its customer's book."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from domain.revenue.recurring import RecurringChange, recurring_changes
from projections.read_model import Column, ReadModel, columns_of
from projections.read_models.periods import may_lose as facts_may_lose

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from domain.aggregate import Aggregate
    from projections.read_model import Row

_TYPES: Final = {"book": "uuid", **dict.fromkeys(("active_change", "paying_change"), "smallint")}
_TYPES["trial_change"] = "smallint"


_BOOK: Final = RecurringChange.__struct_fields__.index("book")


def _rows(aggregate: Aggregate) -> list[Row]:
    return [_row(aggregate.id, one) for one in recurring_changes(aggregate)]


def _row(stream_id: str, change: RecurringChange) -> Row:
    values = msgspec.structs.astuple(change)
    return stream_id, *values[:_BOOK], UUID(change.book), *values[_BOOK + 1 :]


def _may_lose(aggregate: Aggregate, webhook_ids: AbstractSet[str]) -> bool:
    # The end of a grace is told ahead, and a fact before it takes it away.
    if aggregate.base is not None:
        return True
    graces = any(
        getattr(observation.payload, "past_due_ends_at", None) is not None
        for folded in aggregate.folded().values()
        for observation in folded.observations
    )
    return graces or facts_may_lose(aggregate, webhook_ids)


RECURRING: Final = ReadModel(
    table="recurring",
    key=("stream_id", "at", "leaves"),
    columns=(
        Column("stream_id", "text"),
        *(
            column._replace(type=_TYPES.get(column.name, column.type))
            for column in columns_of(RecurringChange)
        ),
    ),
    rows=_rows,
    streams=frozenset({"subscription"}),
    loses=_may_lose,
    began="at",
)
