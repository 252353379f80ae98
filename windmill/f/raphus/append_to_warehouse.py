"""Append one row for each event to a table of PostgreSQL, or of what speaks its protocol.

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
from typing import Any

from psycopg.sql import SQL, Identifier, Placeholder

from f.raphus.given import Resource
from f.raphus.postgres import TYPES, connect, table
from f.raphus.warehouse_rows import COLUMNS, row

postgresql = Resource  # Windmill knows the type of a resource by this name


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
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        event = {"webhook_id": f"sha256:{digest}", "type": type, "occurred_at": timestamp}
    told = row(
        event,
        kind,
        id,
        state,
        data,
        verdict=verdict,
        reason=reason,
        gap=gap,
        business_id=business_id,
    )
    with connect(warehouse) as conn:
        insert = SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
            table(conn, table_name, {name: TYPES[sort] for name, sort in COLUMNS.items()}),
            SQL(", ").join(map(Identifier, told)),
            SQL(", ").join(map(Placeholder, told)),
        )
        appended = conn.execute(insert, told).rowcount == 1
    return {"appended": appended, "webhook_id": told["webhook_id"]}
