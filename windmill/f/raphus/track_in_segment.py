"""Tell Segment of every event, as one of the customer's.

A payment and a refund are told as Segment's own events for shops, which its destinations know
(segment.com/docs/connections/spec/ecommerce/v2); all others have Dodo's type as their name.
Segment takes a message once by its `messageId`, which is the webhook-id, within 24 hours
(segment.com/docs/connections/spec/common). Names and addresses are left out, unless `with_person`
is set: then the customer is identified first. Started by the route:

    [[route]]
    name = "events-to-segment"
    on = ["*"]
    script = "f/raphus/track_in_segment"
    transformation = "state"
"""

from __future__ import annotations

from typing import Any

from f.raphus.analytics import person, properties
from f.raphus.given import variable
from f.raphus.web import basic, fetched

NAMES = {"payment.succeeded": "Order Completed", "refund.succeeded": "Order Refunded"}


def main(
    event: dict[str, Any],
    kind: str,
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    state: dict[str, Any] | None,
    data: dict[str, Any],
    write_key: str = "$var:f/raphus/segment_write_key",
    host: str = "https://api.segment.io",
    with_person: bool = False,
) -> dict[str, Any]:
    """Track one event; an amount is in major units of the currency beside it."""
    whom, name = person(state, data), NAMES.get(event["type"], event["type"])
    told = properties(event, kind, id, state)
    if event["type"] in NAMES:
        told |= {"order_id": (state or {}).get("payment_id"), "revenue": told["amount"]}
        told["products"] = (state or {}).get("cart", [])
    url, headers = f"{host.rstrip('/')}/v1", basic(variable(write_key), "")
    common: dict[str, Any] = {"userId": whom.id} if whom else {"anonymousId": id}
    common["timestamp"] = event["occurred_at"]
    if whom and with_person:
        message = {"messageId": f"{event['webhook_id']} person", "traits": whom.traits}
        fetched(f"{url}/identify", body=common | message, headers=headers)
    message = {"messageId": event["webhook_id"], "event": name, "properties": told}
    fetched(f"{url}/track", body=common | message, headers=headers)
    return {"tracked": name, "message_id": event["webhook_id"]}
