"""Objects and lists as they were at a time of the past, folded from the log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec

from api.http.errors import ApiError, never_seen
from domain.aggregates.catalogue import THROUGH_PAYMENT
from domain.entity import spoken
from domain.stream_id import stream_id
from projections import stream_history as history

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from api.http.questions import Past
    from api.queries.read_side import ReadSide
    from domain.aggregate import Aggregate
    from domain.entity import Entity
    from postgres.statement import Row
    from projections.listing import AnyEntity, Listing
    from projections.read_models.periods import Place

PAGE_BYTES_MAX: Final = 64 * 2**20
"""A page of the past is shorter where its objects' streams have more bytes than this in all."""
PART_BYTES_MAX: Final = 8 * 2**20
"""So much of it is in memory at once, or one stream."""


class Then(NamedTuple):
    """A place in the past: what had occurred by `as_of`, as the log was known up to a position."""

    as_of: datetime | None
    known_position: int | None


async def then_of(read_side: ReadSide, query: Past) -> Then:
    """Return the place in the past that is asked for.

    Raises:
        ApiError: 503; the database is away.
    """
    return Then(query.as_of, await read_side.snapshots.position(query.known_at))


async def aggregate_then(
    read_side: ReadSide, listing: Listing[Any], object_id: str, then: Then
) -> Aggregate:
    """Return the aggregate that an object belongs to, as it was then.

    Raises:
        ApiError: 404; no such object has been seen.
    """
    statement = history.of_object(listing, object_id, read_side.business_id)
    whole = history.read(await read_side.database.rows(statement))
    if whole is None:
        raise never_seen(listing.kind)
    return whole.at(**then._asdict())


async def entity_then(
    read_side: ReadSide, listing: Listing[AnyEntity], object_id: str, query: Past
) -> AnyEntity:
    """Return an object as it was at the times given.

    Raises:
        ApiError: 404; nothing of it had occurred, or been recorded, by then.
    """
    kind, then = listing.kind, await then_of(read_side, query)
    was = await aggregate_then(read_side, listing, object_id, then)
    known = was.find(kind, object_id)
    if known is None:
        raise ApiError(404, "not_yet", f"nothing of this {spoken(kind)} was there at that time")
    entity = await _with_customer(read_side, was, kind, known.entity, then)
    return cast("AnyEntity", entity)


async def in_parts(read_side: ReadSide, places: Sequence[Place]) -> list[list[Place]]:
    """Part the front of a list by the bytes of its streams: what is read, and folded, at once.

    One place is in it at the least, and then as many as have `PAGE_BYTES_MAX` together.
    """
    rows = await read_side.database.rows(history.sizes([place.stream_id for place in places]))
    sizes = {str(stream_id): int(str(size_bytes)) for stream_id, size_bytes in rows}
    parts: list[list[Place]] = []
    part_bytes = page_bytes = 0
    for place in places:
        size_bytes = sizes[place.stream_id]
        page_bytes += size_bytes
        if parts and page_bytes > PAGE_BYTES_MAX:
            break
        if not parts or part_bytes + size_bytes > PART_BYTES_MAX:
            parts.append([])
            part_bytes = 0
        parts[-1].append(place)
        part_bytes += size_bytes
    return parts


async def entities_then(
    read_side: ReadSide, listing: Listing[AnyEntity], parts: Sequence[Sequence[Place]], then: Then
) -> list[AnyEntity]:
    """Return the objects of a list as they were then."""
    entities: list[Entity] = []
    for places in parts:
        statement = history.of_streams([place.stream_id for place in places])
        rows = await read_side.database.rows(statement)
        # Folding takes its time, in which the server takes webhooks.
        entities += await asyncio.to_thread(_entities, listing.kind, places, rows, then)
    return cast("list[AnyEntity]", entities)


def _entities(kind: str, places: Sequence[Place], rows: list[Row], then: Then) -> list[Entity]:
    streams = {one.id: one.at(**then._asdict()) for one in history.read_all(rows)}
    entities = []
    for place in places:
        if known := streams[place.stream_id].find(kind, place.id):
            customer_id = known.entity.customer_id or place.customer_id
            entities.append(msgspec.structs.replace(known.entity, customer_id=customer_id))
    return entities


async def payment_then(
    read_side: ReadSide, of: Aggregate, payment_id: str, then: Then
) -> Aggregate | None:
    """Return a payment of an aggregate's business as it was then; None if none has been seen."""
    stream = stream_id("payment", of.business_id, payment_id)
    whole = history.read(await read_side.database.rows(history.of_stream(stream)))
    return whole.at(**then._asdict()) if whole else None


async def _with_customer(
    read_side: ReadSide, was: Aggregate, kind: str, entity: Entity, then: Then
) -> Entity:
    """Take the customer from the payment, where the object's own data lacks it."""
    payment_id = getattr(entity, "payment_id", None)
    if entity.customer_id is not None or payment_id is None or kind not in THROUGH_PAYMENT:
        return entity
    payment = await payment_then(read_side, was, payment_id, then)
    known = payment.find("payment", payment_id) if payment else None
    customer_id = known.entity.customer_id if known else None
    return msgspec.structs.replace(entity, customer_id=customer_id)
