"""Keep a row for each customer and each subscription in your PostgreSQL.

Who has bought once has a row, too. An event that is older than what a row shows changes nothing,
so the rows are right in whatever order the jobs run, and however often. The tables
`raphus_customers` and `raphus_subscriptions` are created where they are not. Started by the route:

    [[route]]
    name = "customers-to-postgres"
    on = ["subscription.*", "payment.*"]
    script = "f/raphus/upsert_customer"
    transformation = "state"
"""

from __future__ import annotations

from typing import Any

from f.raphus.given import Resource
from f.raphus.postgres import connect, upsert
from f.raphus.records import TABLES, rows

postgresql = Resource  # Windmill knows the type of a resource by this name


def main(
    event: dict[str, Any],
    kind: str,
    state: dict[str, Any] | None,
    data: dict[str, Any],
    database: postgresql = "$res:f/raphus/database",
) -> dict[str, Any]:
    """Upsert what an event says; amounts are in minor units of the currency."""
    with connect(database) as conn:
        told = rows(event, kind, state, data)
        return {table: upsert(conn, table, TABLES[table], row) for table, row in told.items()}
