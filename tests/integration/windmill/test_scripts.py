"""A row for each event in a warehouse; and what all scripts share."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.connected import connected
from tests.support.outside import web
from tests.support.scripts import (
    began,
    held,
    rows,
    run,
    script,
    sent,
)

# A row for each event.


def test_an_event_is_appended_once(database: str, resource: dict[str, Any]) -> None:
    arguments = sent("state", began(), held())
    told = [run("append_to_warehouse", arguments, warehouse=resource)["appended"] for _ in range(2)]
    assert told == [True, False]
    (row,) = rows(database, "raphus_events")
    assert (row["webhook_id"], row["type"]) == (
        arguments["event"]["webhook_id"],
        "subscription.on_hold",
    )
    assert row["occurred_at"].isoformat() == "2026-05-01T00:00:00+00:00"
    assert (row["verdict"], row["state"]["status"], row["entity_id"]) == (
        "applied",
        "on_hold",
        "sub_1",
    )
    assert row["data"] == arguments["data"]


def test_dodos_own_body_is_appended_once_to_a_table_of_a_schema(
    database: str, resource: dict[str, Any]
) -> None:
    with connected(database) as conn:
        conn.execute("CREATE SCHEMA warehouse")
    more = {"warehouse": resource, "table_name": "warehouse.dodo"}
    for body in (began(), held(), began()):
        run("append_to_warehouse", sent("envelope", body), **more)
    kept = rows(database, "warehouse.dodo")
    assert [row["type"] for row in kept] == ["subscription.active", "subscription.on_hold"]
    assert [row["data"] for row in kept] == [began()["data"], held()["data"]]
    assert {row["business_id"] for row in kept} == {began()["business_id"]}


# What all scripts share.


def test_a_default_is_looked_up_in_the_workspace_as_the_job(
    database: str, resource: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with web() as windmill:
        path = "/api/w/shop/resources/get_value_interpolated/f/raphus/database"
        windmill.answers[path] = [(200, resource)]
        for name, value in {
            "BASE_INTERNAL_URL": windmill.url,
            "WM_WORKSPACE": "shop",
            "WM_TOKEN": "the job's own",
        }.items():
            monkeypatch.setenv(name, value)
        run("upsert_customer", sent("state", began()))
        windmill.answers["/api/w/shop/variables/get_value/f/raphus/mail_from"] = [(200, "a@b")]
        assert script("given").variable("$var:f/raphus/mail_from") == "a@b"
    assert {authorization for _, authorization, _ in windmill.asked} == {"Bearer the job's own"}
    assert len(rows(database, "raphus_subscriptions")) == 1


def test_raphus_is_asked_again_when_it_says_not_yet() -> None:
    api = script("raphus_api")
    with web() as raphus:
        raphus.answers["/v1/refusals"] = [(503, "not yet"), (200, {"items": [1], "next": None})]
        assert str(api.count(raphus.url, "", "/v1/refusals")) == "1"
        raphus.answers["/v1/refusals"] = [(503, "not yet")]
        with pytest.raises(Exception, match="503"):
            api.count(raphus.url, "", "/v1/refusals")
    assert len(raphus.asked) == 2 + script("web").TRIES


def test_a_token_goes_nowhere_else() -> None:
    with web() as here, web() as elsewhere:
        here.answers["/v1/refusals"] = [(302, f"{elsewhere.url}/v1/refusals")]
        with pytest.raises(Exception, match="302"):
            script("web").fetched(f"{here.url}/v1/refusals", "a token")
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/secret", "file:///etc/secret", "http://127.0.0.1:9/secret\x01"]
)
def test_an_address_that_cannot_be_reached_is_not_told(url: str) -> None:
    with pytest.raises(ConnectionError) as caught:
        script("web").fetched(url)
    assert "secret" not in f"{caught.value} {vars(caught.value)}"
