"""The read model of the rules over one aggregate: from when until when each condition held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from domain.aggregates.catalogue import STREAMS
from domain.aggregates.routing import NOTICE
from domain.anomalies.rules import numbered_spans
from domain.anomalies.span import Span
from projections.read_model import Column, ReadModel, columns_of

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from domain.aggregate import Aggregate
    from projections.read_model import Row


def _rows(aggregate: Aggregate) -> list[Row]:
    return [
        (aggregate.id, one.ordinal, *msgspec.structs.astuple(one.span))
        for one in numbered_spans(aggregate)
    ]


def _may_lose(_aggregate: Aggregate, _webhook_ids: AbstractSet[str]) -> bool:
    # What was to open in the future does not, once the next fact is there.
    return True


SPAN_COLUMNS: Final = columns_of(Span)
ANOMALY_SPANS: Final = ReadModel(
    table="anomaly_spans",
    key=("stream_id", "ordinal"),
    columns=(Column("stream_id", "text"), Column("ordinal", "bigint"), *SPAN_COLUMNS),
    rows=_rows,
    streams=frozenset({*STREAMS, NOTICE}),
    loses=_may_lose,
    began="opened_at",
)
