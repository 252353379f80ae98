"""Append one row for each event to a table of your warehouse.

An event is appended once, by its webhook-id, however often the job runs. Dodo's own body (the
transformation `envelope`) does not tell the webhook-id: there a digest of the body stands for
it. The table is created where it is not. Started by the route:

    [[route]]
    name = "events-to-warehouse"
    on = ["*"]
    script = "f/raphus/append_to_warehouse"
    transformation = "state"     # or "envelope"
    verdicts = ["applied", "unchanged", "none", "refused", "anomaly"]
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL, Identifier, Placeholder
from psycopg.types.json import Jsonb

from f.raphus.given import Resource
from f.raphus.postgres import connect, table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

postgresql = Resource  # Windmill knows the type of a resource by this name

COLUMNS: Mapping[str, LiteralString] = {
    "webhook_id": "text PRIMARY KEY",
    "type": "text NOT NULL",
    "business_id": "text",
    "occurred_at": "timestamptz NOT NULL",
    "recorded_at": "timestamptz",
    "position": "bigint",
    "kind": "text",
    "entity_id": "text",
    "verdict": "text",
    "reason": "text",
    "gap": "boolean",
    "state": "jsonb",
    "data": "jsonb NOT NULL",
    "appended_at": "timestamptz NOT NULL DEFAULT now()",
}


def main(
    data: dict[str, Any],
    event: dict[str, Any] | None = None,
    verdict: str | None = None,
    reason: str | None = None,
    gap: bool | None = None,
    kind: str | None = None,
    id: str | None = None,  # noqa: A002 -- so it is called in what Raphus sends
    state: dict[str, Any] | None = None,
    business_id: str | None = None,
    type: str | None = None,  # noqa: A002 -- so Dodo calls it
    timestamp: str | None = None,
    warehouse: postgresql = "$res:f/raphus/database",
    table_name: str = "raphus_events",
) -> dict[str, Any]:
    """Append what the transformation `state` or `envelope` gives."""
    if event is None:
        body = {"business_id": business_id, "type": type, "timestamp": timestamp, "data": data}
        told = json.dumps(body, sort_keys=True).encode()
        event = {"webhook_id": f"sha256:{hashlib.sha256(told).hexdigest()}"}
        event |= {"type": type, "occurred_at": timestamp}
    row = {
        "webhook_id": event["webhook_id"],
        "type": event["type"],
        "business_id": business_id or (state or {}).get("business_id"),
        "occurred_at": event["occurred_at"],
        "recorded_at": event.get("recorded_at"),
        "position": event.get("position"),
        "kind": kind,
        "entity_id": id,
        "verdict": verdict,
        "reason": reason,
        "gap": gap,
        "state": None if state is None else Jsonb(state),
        "data": Jsonb(data),
    }
    with connect(warehouse) as conn:
        insert = SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
            table(conn, table_name, COLUMNS),
            SQL(", ").join(map(Identifier, row)),
            SQL(", ").join(map(Placeholder, row)),
        )
        appended = conn.execute(insert, row).rowcount == 1
    return {"appended": appended, "webhook_id": row["webhook_id"]}
