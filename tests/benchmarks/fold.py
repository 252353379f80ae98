"""Benchmark: folding whole streams, against decoding their bodies and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final

import msgspec

from domain.aggregates.factory import aggregate
from domain.aggregates.routing import route
from domain.delivery import Delivery
from domain.event import Event
from domain.periods import periods
from tests.benchmarks.measure import Result, medians, processor_s_of
from tests.support.samples import sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.samples import Json

_BEGAN: Final = datetime(2024, 5, 1, 12, tzinfo=UTC)
_STREAMS: Final = 40
_DAYS: Final = 730
_EVERY_MONTH: Final = ("renewed", "active", "updated")


def against_decoding(_conninfo: str) -> list[Result]:
    """Measure the processor time an event of entities, timeline and periods, a kind of stream."""
    lives = {
        "a subscription of two years": _subscription,
        "a payment with refunds": _payment,
        "a dispute": _dispute,
    }
    return [_measured(what, life) for what, life in lives.items()]


def _measured(what: str, life: Callable[[int], Iterator[Delivery]]) -> Result:
    events = [
        Event(to.stream_id, version, to.topic, delivery, position, _BEGAN)
        for number in range(_STREAMS)
        for version, delivery in enumerate(life(number), start=1)
        for position, to in [(number * 1_000 + version, route(delivery))]
    ]
    streams = [(name, [*found]) for name, found in groupby(events, lambda e: e.originator_id)]
    decode = msgspec.json.Decoder().decode
    repeats = range(4_000 // len(events) + 1)
    folding_s, decoding_s = (
        taken_s / len(events) / len(repeats)
        for taken_s in medians(
            lambda: processor_s_of(lambda: [_fold(*stream) for _ in repeats for stream in streams]),
            lambda: processor_s_of(
                lambda: [decode(event.delivery.body) for _ in repeats for event in events]
            ),
        )
    )
    detail = (
        f"{folding_s * 1e6:.1f} against {decoding_s * 1e6:.1f} µs an event,"
        f" {len(events) / len(streams):.0f} events a stream"
    )
    name = f"fold {what} ÷ decode its bodies into dicts"
    return Result(name, folding_s / decoding_s, None, True, detail)


def _fold(stream_id: str, events: list[Event]) -> tuple[object, ...]:
    folded = aggregate(stream_id, events)
    return folded.entities(), folded.timeline(), periods(folded)


def _subscription(number: int) -> Iterator[Delivery]:
    told = ("subscription_id", f"sub_{number}")
    for day in range(0, _DAYS, 30):
        for word in _EVERY_MONTH:
            dates = {
                "next_billing_date": _text(_BEGAN + timedelta(days=day + 30)),
                "previous_billing_date": _text(_BEGAN + timedelta(days=day)),
            }
            at = _BEGAN + timedelta(days=day, microseconds=number)
            yield _said(f"subscription.{word}", at, dict([told]) | dates)


def _payment(number: int) -> Iterator[Delivery]:
    own = {"payment_id": f"pay_{number}"}
    for minute, type_ in enumerate(("payment.processing", "payment.succeeded")):
        yield _said(type_, _BEGAN + timedelta(minutes=minute), own)
    for refund in range(2):
        for hour, word in enumerate(("failed", "succeeded"), start=1):
            of_refund = own | {"refund_id": f"ref_{number}_{refund}", "status": word}
            at = _BEGAN + timedelta(days=refund, hours=hour)
            yield _said(f"refund.{word}", at, of_refund)


def _dispute(number: int) -> Iterator[Delivery]:
    for day, word in enumerate(("opened", "challenged", "won")):
        own = {"dispute_id": f"dp_{number}", "dispute_status": f"dispute_{word}"}
        yield _said(f"dispute.{word}", _BEGAN + timedelta(days=day), own)


def _said(type_: str, at: datetime, own: dict[str, str]) -> Delivery:
    body = sample(type_)
    data: dict[str, Json] = {**body["data"], **own}
    body["data"], body["timestamp"] = data, _text(at)
    webhook_id = f"msg_{type_}_{'_'.join(own.values())}"
    return Delivery(webhook_id, "1777636800", "v1,none", msgspec.json.encode(body))


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
