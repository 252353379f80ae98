"""Streams made in memory: deliveries taken in any order, as the ledger would take them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from domain.aggregates.factory import aggregate
from domain.aggregates.routing import route
from domain.delivery import Delivery
from ledger.stream import Batch, Stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from domain.aggregate import Aggregate

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def delivery(body: bytes | Mapping[str, object], webhook_id: str = "msg_1") -> Delivery:
    """Make a delivery of a body; its signature is not looked at here."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Delivery(webhook_id, "1777636800", "v1,c2lnbmF0dXJl", raw)


def said(type_: str, minute: int = 0, webhook_id: str | None = None, **data: object) -> Delivery:
    """Make a delivery that says `type_` happened `minute` minutes after noon."""
    at = (NOON + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")
    body = {"business_id": "bus_1", "type": type_, "timestamp": at, "data": data}
    return delivery(body, webhook_id or f"msg_{type_}_{minute}")


def aggregates(deliveries: Iterable[Delivery]) -> dict[str, Aggregate]:
    """Append deliveries to their streams in this order, and give back what they add up to."""
    routed = [(one, route(one)) for one in deliveries]
    batch = Batch(Stream(stream_id, 0) for stream_id in {to.stream_id for _, to in routed})
    for one, to in routed:
        batch.take(one, to)
    built: dict[str, Aggregate] = {}
    for position, event in enumerate(batch.collect_events(), start=1):
        recorded = msgspec.structs.replace(event, position=position, recorded_at=NOON)
        stream = built.setdefault(event.originator_id, aggregate(event.originator_id, ()))
        stream.append(recorded)
    return built


def of_one(*deliveries: Delivery) -> Aggregate:
    """Build the one aggregate that all these deliveries belong to."""
    (built,) = aggregates(deliveries).values()
    return built


def rendered(built: Mapping[str, Aggregate]) -> bytes:
    """Write everything that is known as bytes, but for positions (the only trace of arrival)."""
    return msgspec.json.encode(
        {
            stream_id: {
                "entities": [known.entity for known in one.entities()],
                "timeline": [msgspec.structs.replace(e, position="") for e in one.timeline()],
            }
            for stream_id, one in sorted(built.items())
        }
    )
