"""Append one row for each event to a table of BigQuery.

The row has its webhook-id as `insertId`, by which BigQuery drops a row that is streamed again
within a minute or so, and says that it is not sure to
(cloud.google.com/bigquery/docs/streaming-data-into-bigquery). So ask for each webhook-id once:

    SELECT * FROM raphus.raphus_events
    QUALIFY ROW_NUMBER() OVER (PARTITION BY webhook_id ORDER BY appended_at) = 1

The table is created where it is not, and partitioned by day; its data set must be there. The client
is google-cloud-bigquery. Started by the route:

    [[route]]
    name = "events-to-bigquery"
    on = ["*"]
    script = "f/raphus/append_to_bigquery"
    transformation = "state"
    verdicts = ["applied", "unchanged", "none", "refused", "anomaly"]
"""

# Windmill guesses packages by what is imported, and would guess another one.
# requirements:
# google-cloud-bigquery>=3.47,<4

from __future__ import annotations

from contextlib import closing
from typing import Any

from google.api_core.exceptions import NotFound
from google.cloud import bigquery as client_library
from google.oauth2.service_account import Credentials

from f.raphus.given import Resource, resource
from f.raphus.warehouse_rows import COLUMNS, row

bigquery = Resource  # Windmill knows the type of a resource by this name

TYPES = {
    "key": "STRING",
    "text": "STRING",
    "time": "TIMESTAMP",
    "count": "INT64",
    "flag": "BOOL",
    "json": "JSON",
}


class NotAppendedError(Exception):
    """BigQuery does not take the row."""


def main(
    event: dict[str, Any],
    kind: str,
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    state: dict[str, Any] | None,
    data: dict[str, Any],
    verdict: str | None = None,
    reason: str | None = None,
    gap: bool | None = None,
    bigquery: bigquery = "$res:f/raphus/bigquery",
    dataset: str = "raphus",
    table_name: str = "raphus_events",
    endpoint: str = "",
) -> dict[str, Any]:
    """Append what the transformation `state` gives.

    Raises:
        NotAppendedError: the row does not fit the table; it tells the reasons, and no value.
    """
    told = row(event, kind, id, state, data, verdict=verdict, reason=reason, gap=gap)
    value = resource(bigquery)
    credentials = Credentials.from_service_account_info(value)  # type: ignore[no-untyped-call]
    options = {"api_endpoint": endpoint} if endpoint else None
    client = client_library.Client(value["project_id"], credentials, client_options=options)
    project, _, name = dataset.rpartition(".")
    table = client_library.Table(
        f"{project or value['project_id']}.{name}.{table_name}",
        [client_library.SchemaField(column, TYPES[sort]) for column, sort in COLUMNS.items()],
    )
    table.time_partitioning = client_library.TimePartitioning(field="occurred_at")
    with closing(client):
        try:
            problems = client.insert_rows_json(table, [told], row_ids=[told["webhook_id"]])
        except NotFound:
            client.create_table(table, exists_ok=True)
            problems = client.insert_rows_json(table, [told], row_ids=[told["webhook_id"]])
    if problems:
        reasons = {one.get("reason") for problem in problems for one in problem["errors"]}
        raise NotAppendedError(f"BigQuery says: {', '.join(sorted(map(str, reasons)))}")
    return {"appended": True, "webhook_id": told["webhook_id"]}
