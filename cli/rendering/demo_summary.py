"""What a database holds, as short tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg.sql import SQL, Identifier
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from cli.rendering.words import counted
from domain.money import decimal_text
from projections.read_models.catalogue import LISTINGS

if TYPE_CHECKING:
    from psycopg import Connection
    from rich.console import Console

CUSTOMERS_MAX: Final = 3

_OBJECTS: Final = SQL(
    "SELECT coalesce(status, 'not known'), count(*), count(drift),"
    " count(*) FILTER (WHERE history = 'partial'), sum(refused)::bigint"
    " FROM {table} GROUP BY 1 ORDER BY 2 DESC, 1"
)
_DOUBTFUL: Final = SQL(
    "SELECT count(drift), count(*) FILTER (WHERE history = 'partial') FROM {table}"
)
_CUSTOMERS: Final = (
    "SELECT customer_id, active_subscriptions, subscriptions, payments, refunds, disputes,"
    " refused, totals FROM raphus.customers"
    " ORDER BY open_disputes DESC, refused DESC, payments DESC, customer_id LIMIT %s"
)


def show_doubtful(conn: Connection, console: Console) -> None:
    """Show how many objects are in doubt: webhooks about them are missing, or were lost."""
    sums = [0, 0]
    for resource in LISTINGS:
        row = conn.execute(_DOUBTFUL.format(table=Identifier("raphus", resource))).fetchone()
        sums = [one + other for one, other in zip(sums, row or (0, 0), strict=True)]
    drifting, partial = (counted(count, "object") for count in sums)
    console.print(f"Of {drifting} Dodo last said something else; of {partial} the past has gaps")


def show_objects(conn: Connection, console: Console) -> None:
    """Show how many objects of each kind there are, by status, and what is odd about them."""
    table = _table("", "objects", "by status", "drift", "partial", "refused")
    for resource in LISTINGS:
        rows = conn.execute(_OBJECTS.format(table=Identifier("raphus", resource))).fetchall()
        statuses = ", ".join(f"{count} {status}" for status, count, *_ in rows)
        sums = [sum(column) for column in list(zip(*rows, strict=True))[1:]] or [0, 0, 0, 0]
        objects, *odd = map(str, sums)
        table.add_row(resource.replace("_", " "), objects, statuses, *odd)
    console.print(table)


def show_customers(conn: Connection, console: Console) -> str | None:
    """Show some customers of whom there is much to tell; return the first one's id."""
    table = _table(
        "customer", "subscriptions", "payments", "refunds", "disputes", "refused", "paid"
    )
    rows = conn.execute(_CUSTOMERS, [CUSTOMERS_MAX]).fetchall()
    for customer_id, active, subscriptions, payments, refunds, disputes, refused, totals in rows:
        counts = map(str, (payments, refunds, disputes, refused))
        table.add_row(customer_id, f"{active} of {subscriptions} active", *counts, _paid(totals))
    console.print(table)
    return rows[0][0] if rows else None


def show_commands(url: str, customer_id: str | None, console: Console) -> None:
    """Show how to ask."""
    customer = [f"/v1/customers/{customer_id}/lifecycle"] if customer_id else []
    paths = [
        "/v1/subscriptions?active=true&limit=3",
        "/v1/disputes?open=true",
        *customer,
        "/v1/anomalies",
        "/v1/findings?limit=3",
        "/v1/events?limit=3",
        "/readyz",
        "/metrics",
        "/openapi.json",
    ]
    console.print("\nAsk it:")
    for path in paths:
        console.print(f"  curl '{url}{path}'", soft_wrap=True)


def _table(first: str, *others: str) -> Table:
    return Table(Column(first, no_wrap=True), *others, box=SIMPLE_HEAD, pad_edge=False)


def _paid(totals: dict[str, dict[str, Any]]) -> str:
    sums = ((total["paid"], currency) for currency, total in sorted(totals.items()))
    return ", ".join(f"{decimal_text(paid, currency)} {currency}" for paid, currency in sums)
