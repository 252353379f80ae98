"""Deliveries for benchmarks: of the size that Dodo's have, signed, as many as are wanted."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import msgspec
from standardwebhooks import Webhook

from domain.delivery import Delivery
from tests.support.samples import samples

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "whsec_" + "cmFwaHVzLWJlbmNobWFyay1zZWNyZXQh"
BODY_BYTES = 2_300
_TYPES = "payment.succeeded subscription.active subscription.renewed subscription.updated".split()
_WEBHOOK = Webhook(SECRET)
_numbers = itertools.count()


def deliveries(count: int) -> list[Delivery]:
    """Make new deliveries, four to a purchase: one payment's and three of one subscription."""
    return list(itertools.islice(_deliveries(), count))


def request(delivery: Delivery, path: str = "/webhooks/dodo") -> bytes:
    """Write a delivery as a raw HTTP request."""
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"webhook-id: {delivery.webhook_id}\r\nwebhook-timestamp: {delivery.webhook_timestamp}\r\n"
        f"webhook-signature: {delivery.webhook_signature}\r\n"
        f"content-length: {len(delivery.body)}\r\n\r\n"
    ).encode() + delivery.body


def signed(webhook_id: str, body: bytes) -> Delivery:
    """Make a delivery that is sent now."""
    now = datetime.now(UTC)
    signature = _WEBHOOK.sign(webhook_id, now, body.decode())
    return Delivery(webhook_id, str(int(now.timestamp())), signature, body)


def _deliveries() -> Iterator[Delivery]:
    bodies = [samples()[type_] for type_ in _TYPES]
    run = time.time_ns()
    while True:
        purchase = f"{run}_{next(_numbers)}"
        for number, body in enumerate(bodies):
            yield signed(f"msg_{purchase}_{number}", _of_purchase(body, purchase))


def _of_purchase(body: bytes, purchase: str) -> bytes:
    for value in _ids_in(body):
        body = body.replace(value, value + purchase.encode())
    return body.ljust(BODY_BYTES)


@cache
def _ids_in(body: bytes) -> list[bytes]:
    """Return what names the things of a purchase, wherever in a sample it stands."""
    data = msgspec.json.decode(body)["data"]
    named = (data["customer"]["customer_id"], data["subscription_id"], data["payment_id"])
    return [value.encode() for value in named if value is not None]
