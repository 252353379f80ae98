"""Append one row for each event to a table of ClickHouse.

The table is a `ReplacingMergeTree` by the webhook-id: a row that is appended twice is there once as
soon as ClickHouse has merged its parts, and at once for whoever asks with `FINAL`
(clickhouse.com/docs/engines/table-engines/mergetree-family/replacingmergetree). It is created where
it is not. The client is clickhouse-connect. Started by the route:

    [[route]]
    name = "events-to-clickhouse"
    on = ["*"]
    script = "f/raphus/append_to_clickhouse"
    transformation = "state"
    verdicts = ["applied", "unchanged", "none", "refused", "anomaly"]
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError

from f.raphus.given import Resource, resource
from f.raphus.warehouse_rows import COLUMNS, row

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

clickhouse = Resource  # Windmill knows the type of a resource by this name

UNKNOWN_TABLE = 60
PORTS = {"https": 8443, "http": 8123}
TYPES = {
    "key": "String",
    "text": "Nullable(String)",
    "time": "Nullable(DateTime64(6, 'UTC'))",
    "count": "Nullable(Int64)",
    "flag": "Nullable(Bool)",
    "json": "Nullable(String)",
}


def main(
    event: dict[str, Any],
    kind: str,
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    state: dict[str, Any] | None,
    data: dict[str, Any],
    verdict: str | None = None,
    reason: str | None = None,
    gap: bool | None = None,
    clickhouse: clickhouse = "$res:f/raphus/clickhouse",
    database_name: str = "default",
    table_name: str = "raphus_events",
) -> dict[str, Any]:
    """Append what the transformation `state` gives."""
    told = row(event, kind, id, state, data, verdict=verdict, reason=reason, gap=gap)
    client, table = _client(resource(clickhouse), database_name), _named(table_name)
    try:
        try:
            _insert(client, table, told)
        except DatabaseError as error:
            if error.code != UNKNOWN_TABLE:
                raise
            columns = ", ".join(f"{_named(name)} {TYPES[sort]}" for name, sort in COLUMNS.items())
            engine = f"ENGINE = ReplacingMergeTree ORDER BY {_named('webhook_id')}"
            client.command(f"CREATE TABLE IF NOT EXISTS {table} ({columns}) {engine}")
            _insert(client, table, told)
    finally:
        client.close()
    return {"appended": True, "webhook_id": told["webhook_id"]}


def _client(value: dict[str, Any], database: str) -> Client:
    """Connect to a server that is named by its host (then by TLS), or by a whole address."""
    host = value["host"]
    address = urlsplit(host if "://" in host else f"https://{host}")
    return clickhouse_connect.get_client(
        interface=address.scheme,
        host=address.hostname or "",
        port=address.port or PORTS[address.scheme],
        username=value.get("username") or "default",
        password=value.get("password") or "",
        database=database,
    )


def _insert(client: Client, table: str, told: dict[str, Any]) -> None:
    client.raw_insert(
        table,
        column_names=list(told),
        insert_block=json.dumps(told).encode(),
        settings={"date_time_input_format": "best_effort"},
        fmt="JSONEachRow",
    )


def _named(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
