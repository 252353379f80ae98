"""A row for each event in ClickHouse, BigQuery and Snowflake, by their usual clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.scripts import began, held, run, sent
from tests.support.services import serving
from tests.support.services.warehouses import BigQuery, ClickHouse, Snowflake


@dataclass
class Warehouse:
    """A warehouse of a merchant's, and the script that appends to it."""

    script: str
    service: ClickHouse | BigQuery | Snowflake

    def append(self, arguments: dict[str, Any], **more: object) -> dict[str, Any]:
        """Run the script."""
        where: dict[str, Any] = {self.script.rpartition("_")[2]: self.service.resource}
        if not isinstance(self.service, ClickHouse):
            where["endpoint"] = self.service.url
        return run(self.script, arguments, **where, **more)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All rows, by names in small letters."""
        ((_, rows),) = self.service.tables.items()
        return [{name.lower(): value for name, value in row.items()} for row in rows]


@pytest.fixture(params=[ClickHouse, BigQuery, Snowflake])
def warehouse(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    with serving(request.param()) as service:
        yield Warehouse(f"append_to_{type(service).__name__.lower()}", service)


def test_an_event_is_appended_once_to_a_table_that_is_created(warehouse: Warehouse) -> None:
    arguments = sent("state", began(), held())
    for _ in range(2):
        assert warehouse.append(arguments)["webhook_id"] == "msg_1"
    (row,) = warehouse.rows
    assert (row["webhook_id"], row["type"]) == ("msg_1", "subscription.on_hold")
    assert (row["kind"], row["entity_id"], row["verdict"]) == ("subscription", "sub_1", "applied")
    assert row["occurred_at"].startswith("2026-05-01T00:00:00")
    assert int(row["position"]) == 2
    assert row["gap"] in {False, "false"}
    assert row["reason"] is None
    assert json.loads(row["state"]) == arguments["state"]
    assert json.loads(row["data"]) == arguments["data"]


def test_what_buyers_write_is_a_value(warehouse: Warehouse) -> None:
    hostile = "'); DROP TABLE raphus_events;-- \" ` \\ ? {x} 😀"
    body = began()
    body["data"]["customer"] = {"customer_id": "cus_1", "name": hostile}
    warehouse.append(sent("state", body))
    (row,) = warehouse.rows
    assert json.loads(row["data"])["customer"]["name"] == hostile


def test_a_table_that_is_there_is_not_created_again(warehouse: Warehouse) -> None:
    warehouse.append(sent("state", began()))
    asked = len(warehouse.service.asked)
    warehouse.append(sent("state", began(), held()))
    again = [str(one.path) + str(one.body) for one in warehouse.service.asked[asked:]]
    assert not any("CREATE TABLE" in one or "tableReference" in one for one in again)
    assert [row["webhook_id"] for row in warehouse.rows] == ["msg_0", "msg_1"]


def test_a_row_that_bigquery_does_not_take_fails_the_job_and_is_not_told() -> None:
    with serving(BigQuery()) as service:
        place = Warehouse("append_to_bigquery", service)
        place.append(sent("state", began()))
        service.schemas["raphus_events"]["schema"]["fields"] = []
        with pytest.raises(Exception, match="BigQuery says: invalid") as caught:
            place.append(sent("state", began(), held()))
    assert "msg_1" not in str(caught.value)
