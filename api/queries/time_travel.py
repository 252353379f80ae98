"""Objects and lists as they were at a time of the past, folded from the log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec

from api.http.errors import ApiError, never_seen
from domain.aggregates.catalogue import THROUGH_PAYMENT
from domain.aggregates.license_key import LicenseKeyEntity, followed
from domain.entity import spoken
from domain.stream_id import stream_id
from projections import stream_history as history
from projections.read_models.license_keys import grants_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from api.http.questions import Past
    from api.queries.read_side import ReadSide
    from domain.aggregate import Aggregate
    from domain.entity import Entity
    from postgres.statement import Row, Statement
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


async def rows_then(read_side: ReadSide, query: Past, statement: Statement) -> list[Row]:
    """Return what a statement selects of the read models, as known at the time that is asked for.

    Raises:
        ApiError: 503; they are still being built, or the database is away.
    """
    known_position = await read_side.snapshots.position(query.known_at)
    return await read_side.snapshots.rows(statement, known_position)


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


async def aggregates_then(
    read_side: ReadSide, things: Sequence[Row], then: Then
) -> list[Aggregate]:
    """Return the aggregates of things, each a stream, a kind and an id, as they were then.

    Raises:
        ApiError: 400; they have more events than can be folded for one answer.
    """
    streams = sorted({str(stream) for stream, *_ in things})
    sizes = await read_side.database.rows(history.sizes(streams))
    if sum(int(str(size_bytes)) for _, size_bytes in sizes) > PAGE_BYTES_MAX:
        told = "too much has happened to it and to what names it: ask for the timeline of now"
        raise ApiError(400, "too_much", told)
    rows = await read_side.database.rows(history.of_streams(streams))
    # Folding takes its time, in which the server takes webhooks.
    whole = await asyncio.to_thread(history.read_all, rows)
    return [one.at(**then._asdict()) for one in whole]


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
    (followed,) = await _with_grants(read_side, [entity], then)
    return cast("AnyEntity", followed)


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
    return cast("list[AnyEntity]", await _with_grants(read_side, entities, then))


async def grant_then(read_side: ReadSide, key: Entity, then: Then) -> tuple[Aggregate, str] | None:
    """Return the last grant that a licence key came by, as it was then, with its id; or None."""
    assert isinstance(key, LicenseKeyEntity)
    return (await _grants(read_side, [key], then)).get((key.id, key.business_id))


async def _with_grants(read_side: ReadSide, entities: Sequence[Entity], then: Then) -> list[Entity]:
    """Let licence keys follow the grants that they came by, as they were then."""
    keys = [entity for entity in entities if isinstance(entity, LicenseKeyEntity)]
    grants = await _grants(read_side, keys, then) if keys else {}
    for key in keys:
        found = grants.get((key.id, key.business_id))
        known = found[0].find("entitlement_grant", found[1]) if found else None
        key.status = followed(key.status, known.entity.status if known else None)
    return list(entities)


async def _grants(
    read_side: ReadSide, keys: Sequence[LicenseKeyEntity], then: Then
) -> dict[tuple[str, str], tuple[Aggregate, str]]:
    statement = grants_of([key.id for key in keys], read_side.business_id)
    rows = await read_side.database.rows(statement)
    streams = [str(stream) for _, _, stream, _ in rows]
    events = await read_side.database.rows(history.of_streams(streams)) if streams else []
    read = await asyncio.to_thread(history.read_all, events)
    were = {one.id: one.at(**then._asdict()) for one in read}
    found: dict[tuple[str, str], tuple[Aggregate, str]] = {}
    for key_id, business_id, stream, grant_id in rows:
        was = were[str(stream)]
        if was.find("entitlement_grant", str(grant_id)) is not None:
            found.setdefault((str(key_id), str(business_id)), (was, str(grant_id)))
    return found


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
