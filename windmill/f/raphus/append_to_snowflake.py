"""Append one row for each event to a table of Snowflake.

A `MERGE` appends an event once, by its webhook-id, however often the job runs. The table is created
where it is not. The client is Snowflake's connector for Python, which signs in by the key pair of
Windmill's resource (docs.snowflake.com/en/user-guide/key-pair-auth). Started by the route:

    [[route]]
    name = "events-to-snowflake"
    on = ["*"]
    script = "f/raphus/append_to_snowflake"
    transformation = "state"
    verdicts = ["applied", "unchanged", "none", "refused", "anomaly"]
"""

# Windmill guesses packages by what is imported, and would guess another one.
# requirements:
# snowflake-connector-python>=5.2,<6

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlsplit

from snowflake.connector import SnowflakeConnection, connect
from snowflake.connector.errors import ProgrammingError

from f.raphus.given import Resource, resource
from f.raphus.warehouse_rows import COLUMNS, row

snowflake = Resource  # Windmill knows the type of a resource by this name

NO_SUCH_TABLE = 2003
# Each sort with the expression that makes it of what is bound: a text, a number, a truth or null.
TYPES = {
    "key": ("VARCHAR PRIMARY KEY", "?"),
    "text": ("VARCHAR", "?"),
    "time": ("TIMESTAMP_TZ", "TO_TIMESTAMP_TZ(?)"),
    "count": ("NUMBER(38, 0)", "?"),
    "flag": ("BOOLEAN", "?"),
    "json": ("VARIANT", "PARSE_JSON(?)"),
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
    snowflake: snowflake = "$res:f/raphus/snowflake",
    table_name: str = "raphus_events",
    endpoint: str = "",
) -> dict[str, Any]:
    """Append what the transformation `state` gives; tell whether it was not there yet."""
    told = row(event, kind, id, state, data, verdict=verdict, reason=reason, gap=gap)
    table = ".".join(_named(part) for part in table_name.split("."))
    with _connected(resource(snowflake), endpoint) as conn, conn.cursor() as cursor:
        merge = _merge(table)
        try:
            cursor.execute(merge, tuple(told.values()))
        except ProgrammingError as error:
            if error.errno != NO_SUCH_TABLE:
                raise
            columns = [f"{_named(name)} {TYPES[sort][0]}" for name, sort in COLUMNS.items()]
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns)})")
            cursor.execute(merge, tuple(told.values()))
        appended = cursor.rowcount == 1
    return {"appended": appended, "webhook_id": told["webhook_id"]}


def _connected(value: dict[str, Any], endpoint: str) -> SnowflakeConnection:
    """Connect by a key pair, whose private half is in PEM, without a passphrase."""
    address = urlsplit(endpoint)
    elsewhere = {"host": address.hostname, "port": address.port, "protocol": address.scheme}
    lines = value["private_key"].strip().splitlines()
    names = ("warehouse", "database", "schema", "role")
    return connect(
        account=value["account_identifier"],
        user=value["username"],
        private_key=base64.b64decode("".join(lines[1:-1])),
        **{name: value[name] for name in names if value.get(name)},
        **(elsewhere if endpoint else {}),
        paramstyle="qmark",
        server_session_keep_alive=False,
        enable_server_session_keep_alive_auto_detection=False,
    )


def _merge(table: str) -> str:
    told = ", ".join(f"{TYPES[sort][1]} AS {_named(name)}" for name, sort in COLUMNS.items())
    names = ", ".join(map(_named, COLUMNS))
    values = ", ".join(f"told.{_named(name)}" for name in COLUMNS)
    key = _named("webhook_id")
    return (
        f"MERGE INTO {table} AS known USING (SELECT {told}) AS told ON known.{key} = told.{key}"  # noqa: S608 -- names of our own and of the route's
        f" WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})"
    )


def _named(name: str) -> str:
    """Quote a name that is asked for without quotes: Snowflake makes those capitals."""
    return '"' + name.upper().replace('"', '""') + '"'
