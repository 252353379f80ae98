"""The events of the stream that an object belongs to, from which its past is folded."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from domain.aggregates.factory import aggregate
from ledger.mapper import COLUMNS, LedgerMapper
from postgres.statement import Statement
from projections.bound import of_business

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.aggregate import Aggregate
    from projections.listing import Listing

_SELECT: Final = f"SELECT {COLUMNS} FROM raphus.housed_events"  # noqa: S608 -- constants
_EVENTS: Final = f"{_SELECT} WHERE originator_id = "
_IN_ORDER: Final = " ORDER BY notification_id"
_mapper: Final = LedgerMapper()


def of_object(listing: Listing[Any], object_id: str, business_id: str | None = None) -> Statement:
    """Select the events of an object's stream: of the one first seen, should two share the id."""
    stream = (
        f"(SELECT stream_id FROM raphus.{listing.resource} AS t WHERE {listing.id_field} = %(id)s"  # noqa: S608 -- names
        f"{of_business('t', business_id)} ORDER BY first_position LIMIT 1)"
    )
    asked: dict[str, object] = {"id": object_id, "bound_to": business_id}
    return Statement(_EVENTS + stream + _IN_ORDER, asked)


def of_stream(stream_id: str) -> Statement:
    """Select the events of a stream."""
    return Statement(f"{_EVENTS}%(stream_id)s{_IN_ORDER}", {"stream_id": stream_id})


def of_streams(stream_ids: Sequence[str]) -> Statement:
    """Select the events of several streams."""
    where = "originator_id = ANY (%(stream_ids)s)"
    statement = f"{_SELECT} WHERE {where} ORDER BY originator_id, notification_id"
    return Statement(statement, {"stream_ids": list(stream_ids)})


def sizes(stream_ids: Sequence[str]) -> Statement:
    """Select the bytes of each of several streams, with its id."""
    statement = (
        "SELECT originator_id, sum(octet_length(state))::bigint FROM raphus.housed_events"
        " WHERE originator_id = ANY (%(stream_ids)s) GROUP BY originator_id"
    )
    return Statement(statement, {"stream_ids": list(stream_ids)})


def read_all(rows: Sequence[Sequence[Any]]) -> list[Aggregate]:
    """Build the aggregates of `of_streams`."""
    by_stream = groupby(rows, key=itemgetter(0))
    return [
        aggregate(stream_id, [_mapper.decode(*row) for row in own]) for stream_id, own in by_stream
    ]


def read(rows: Sequence[Sequence[Any]]) -> Aggregate | None:
    """Build the aggregate of `of_object` or `of_stream`; None where there are no events."""
    events = [_mapper.decode(*row) for row in rows]
    return aggregate(events[0].originator_id, events) if events else None
