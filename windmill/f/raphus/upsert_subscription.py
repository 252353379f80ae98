"""Keep a row for each customer and each subscription in your PostgreSQL.

An event that is older than what a row shows changes nothing, so the rows are right in whatever
order the jobs run, and however often. The tables `raphus_customers` and `raphus_subscriptions`
are created where they are not. Started by the route:

    [[route]]
    name = "subscriptions-to-postgres"
    on = ["subscription.*"]
    script = "f/raphus/upsert_subscription"
    transformation = "state"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL, Identifier, Placeholder

from f.raphus.given import Resource
from f.raphus.postgres import connect, table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    from psycopg import Connection

postgresql = Resource  # Windmill knows the type of a resource by this name

CUSTOMER: Mapping[str, LiteralString] = {
    "customer_id": "text PRIMARY KEY",
    "business_id": "text",
    "email": "text",
    "name": "text",
    "position": "bigint NOT NULL",
}
SUBSCRIPTION: Mapping[str, LiteralString] = {
    "subscription_id": "text PRIMARY KEY",
    "business_id": "text",
    "customer_id": "text",
    "product_id": "text",
    "status": "text",
    "quantity": "bigint",
    "currency": "text",
    "recurring_pre_tax_amount": "bigint",
    "next_billing_date": "timestamptz",
    "cancel_at_next_billing_date": "boolean",
    "cancelled_at": "timestamptz",
    "expires_at": "timestamptz",
    "occurred_at": "timestamptz",
    "position": "bigint NOT NULL",
}


def main(
    event: dict[str, Any],
    kind: str,
    state: dict[str, Any] | None,
    data: dict[str, Any],
    database: postgresql = "$res:f/raphus/database",
    raphus_replay: int = 0,
) -> dict[str, Any]:
    """Upsert what a subscription's event says; amounts are in minor units of the currency."""
    if kind != "subscription" or state is None:
        return {"upserted": False, "because": "it is not about a subscription's state"}
    position = int(event["position"])
    subscription = {name: state.get(name) for name in SUBSCRIPTION} | {"position": position}
    with connect(database) as conn:
        if state["customer_id"]:
            customer = _customer(state, data.get("customer") or {}) | {"position": position}
            _upsert(conn, table(conn, "raphus_customers", CUSTOMER), customer)
        subscriptions = table(conn, "raphus_subscriptions", SUBSCRIPTION)
        upserted = _upsert(conn, subscriptions, subscription)
    return {
        "upserted": upserted,
        "subscription_id": state["subscription_id"],
        "raphus_replay": raphus_replay,
    }


def _customer(state: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of the customer; what is not told stays as it was."""
    known = {name: state[name] for name in ("customer_id", "business_id")}
    if told.get("customer_id") == state["customer_id"]:
        known |= {name: told[name] for name in ("email", "name") if told.get(name)}
    return known


def _upsert(conn: Connection[Any], into: Identifier, values: dict[str, Any]) -> bool:
    """Write a row unless it shows a later position; its first column is its key."""
    key, *others = values
    statement = SQL(
        "INSERT INTO {into} AS known ({columns}) VALUES ({places})"
        " ON CONFLICT ({key}) DO UPDATE SET {changes}"
        " WHERE known.position <= excluded.position"
    ).format(
        into=into,
        columns=SQL(", ").join(map(Identifier, values)),
        places=SQL(", ").join(map(Placeholder, values)),
        key=Identifier(key),
        changes=SQL(", ").join(
            SQL("{0} = excluded.{0}").format(Identifier(name)) for name in others
        ),
    )
    return conn.execute(statement, values).rowcount == 1
