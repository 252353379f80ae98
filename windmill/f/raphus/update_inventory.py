"""Take what was bought out of your stock, and put it back when all of it is refunded.

The stock is a list of moves in the table `raphus_stock_moves` of your PostgreSQL, each written
once: what is in stock is the sum of a product's. What you receive you add yourself, under a name
of your own (`INSERT INTO raphus_stock_moves VALUES ('delivery 7', 'pdt_1', 100)`).

A part of the money given back puts nothing back: Dodo does not tell for which items it is. How
much was given back in all, it asks Raphus, so the refund's job may run before the payment's.
Started by the route:

    [[route]]
    name = "inventory"
    on = ["payment.succeeded", "refund.succeeded"]
    script = "f/raphus/update_inventory"
    transformation = "state"
    verdicts = ["applied"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row
from psycopg.sql import SQL

from f.raphus.given import Resource
from f.raphus.postgres import connect, table
from f.raphus.raphus_api import now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import LiteralString

postgresql = Resource  # Windmill knows the type of a resource by this name

MOVES: Mapping[str, LiteralString] = {
    "move": "text PRIMARY KEY",
    "product_id": "text NOT NULL",
    "quantity": "bigint NOT NULL",
    "payment_id": "text",
    "moved_at": "timestamptz NOT NULL DEFAULT now()",
}


def main(
    event: dict[str, Any],
    state: dict[str, Any],
    raphus_url: str = "$var:f/raphus/raphus_url",
    raphus_api_key: str = "$var:f/raphus/raphus_api_key",
    database: postgresql = "$res:f/raphus/database",
    table_name: str = "raphus_stock_moves",
) -> dict[str, Any]:
    """Write the moves of a payment; tell what is in stock of its products then."""
    payment = now(raphus_url, raphus_api_key, "payment", state["payment_id"], event["position"])
    moves = list(_moves(payment))
    with connect(database) as conn, conn.cursor(row_factory=dict_row) as cursor:
        into = table(conn, table_name, MOVES)
        insert = SQL(
            "INSERT INTO {} (move, product_id, quantity, payment_id)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
        ).format(into)
        moved = sum(cursor.execute(insert, move).rowcount for move in moves)
        stock = SQL(
            "SELECT product_id, sum(quantity)::bigint AS quantity FROM {}"
            " WHERE product_id = ANY(%s) GROUP BY product_id ORDER BY product_id"
        ).format(into)
        levels = cursor.execute(stock, ([product_id for _, product_id, _, _ in moves],)).fetchall()
    return {
        "payment_id": payment["payment_id"],
        "moved": moved,
        "in_stock": {level["product_id"]: level["quantity"] for level in levels},
    }


def _moves(payment: dict[str, Any]) -> Iterator[tuple[str, str, int, str]]:
    """Give what a payment moves, by names of their own: out, and back if all is given back."""
    if payment["status"] != "succeeded":
        return
    payment_id, total = payment["payment_id"], payment["total_amount"] or 0
    given_back = 0 < total <= payment["refunded_amount"]
    for number, item in enumerate(payment["cart"]):
        product_id, quantity = item["product_id"], item["quantity"]
        if product_id and quantity:
            yield f"{payment_id} {number}", product_id, -quantity, payment_id
            if given_back:
                yield f"{payment_id} {number} back", product_id, quantity, payment_id
