"""Streams made in memory: deliveries and looks taken in any order, as the ledger takes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from domain.aggregates.factory import aggregate
from domain.aggregates.routing import route_again
from domain.delivery import Delivery, read_envelope
from domain.look import Look, delivery_of
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


def seen(kind: str, minute: int = 0, look_id: str | None = None, **data: object) -> Delivery:
    """Make a look that found `data` at a thing, `minute` minutes after noon."""
    return _look(kind, minute, look_id, msgspec.json.encode(data))


def missed(kind: str, minute: int = 0, look_id: str | None = None, **asked: str) -> Delivery:
    """Make a look that did not find a thing."""
    return _look(kind, minute, look_id, None, asked)


def _look(
    kind: str, minute: int, look_id: str | None, data: bytes | None, asked: Mapping[str, str] = {}
) -> Delivery:
    look = Look(
        kind=kind,
        business_id="bus_1",
        at=NOON + timedelta(minutes=minute),
        endpoint=f"GET /{kind}s",
        data=data,
        asked=asked,
    )
    return delivery_of(look, look_id or f"raphus_look_{kind}_{minute}")


def look_of(body: bytes) -> Look:
    """Read a look back from its body."""
    told = read_envelope(body)
    _, _, named = told.type.partition(".")
    kind, _, word = named.rpartition("_")
    data = msgspec.json.encode(told.data) if word == "observed" else None
    asked = {} if data else told.data
    at, business_id = told.timestamp, told.business_id
    return Look(kind=kind, business_id=business_id, at=at, endpoint="GET /", data=data, asked=asked)


def aggregates(deliveries: Iterable[Delivery]) -> dict[str, Aggregate]:
    """Append deliveries to their streams in this order, and give back what they add up to."""
    arrived = [(one, route_again(one)) for one in deliveries]
    batch = Batch(Stream(stream_id, 0) for stream_id in {to.stream_id for _, to in arrived})
    for one, to in arrived:
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
