"""The page about the server: what it tells of upkeep, keys and snapshots, and to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.support.console import signed_in, token_in
from tests.support.http_server import served
from tests.support.keys import bearer, made
from tests.support.projected import few_payouts, project, record, simulated
from tests.support.tampered import changed, tamper
from tests.support.upkeep import begun, ended, forked, under_way
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.support.http_server import Served

KEY: Final = "a-key-of-thirty-two-characters-0"
HOSTILE: Final = "<script>alert(1)</script>"


@pytest.fixture(scope="module", autouse=True)
def loaded() -> Iterator[None]:
    """Load the program once for all upkeep."""
    with forked():
        yield


@pytest.fixture
def shop(database: str) -> Iterator[tuple[Served, str]]:
    """Serve a merchant whose log is in order, to who has a key."""
    record(database, few_payouts(simulated(1)))
    project(database)
    with served(database, api_key=KEY) as server:
        yield server, database


def health(client: httpx.Client) -> str:
    response = client.get("/health")
    assert response.status_code == 200, response.text
    return response.text


def test_upkeep_is_begun_by_a_form_and_its_result_is_shown(shop: tuple[Served, str]) -> None:
    server, _ = shop
    with signed_in(server, KEY) as client:
        page = health(client)
        assert page.count("not done yet") == 3
        form = {"kind": "verify", "csrf_token": token_in(page)}
        assert client.post("/health/upkeep", data={"kind": "verify"}).status_code == 403
        assert "not done yet" in health(client)
        answer = client.post("/health/upkeep", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/health")
        until(lambda: health(client).count("not done yet") == 2)
        assert "events" in health(client)
        assert "by the owner" in health(client)


def test_one_that_runs_is_shown_with_its_progress_and_cancelled_by_a_form(
    shop: tuple[Served, str],
) -> None:
    server, database = shop
    with signed_in(server, KEY) as client, under_way(database, done=41, total=100) as id_:
        page = health(client)
        assert '<progress max="100" value="41"' in page
        assert "every 1s" in page
        form = {"csrf_token": token_in(page)}
        answer = client.post("/health/upkeep", data={**form, "kind": "rebuild"})
        assert answer.headers["location"] == "/health?refused=true"
        assert "That was not begun" in client.get("/health?refused=true").text
        assert client.post(f"/health/upkeep/{id_}/cancel", data=form).status_code == 303
        assert "ends at its next step" in health(client)


def test_a_broken_log_and_read_models_that_differ_are_told(shop: tuple[Served, str]) -> None:
    server, database = shop
    with psycopg.connect(database) as conn:
        conn.execute("DELETE FROM raphus.payments")
    tamper(database, changed("webhook_id = 'msg_forged'", position=5))
    server.client.headers.update(bearer(KEY))
    ended(server.client, begun(server.client, "verify"))
    ended(server.client, begun(server.client, "rebuild_check"))
    page = health(server.client)
    assert "at position 5:" in page
    assert "its webhook_id was changed" in page
    assert "the log was found to be wrong" in page
    assert "read models were found to differ" in page
    assert "<code>payments</code>" in page


def test_keys_are_told_to_who_administers_and_never_in_full(shop: tuple[Served, str]) -> None:
    server, database = shop
    made(database, "till", "access", business_id=HOSTILE)
    reader, admin = made(database, "rob", "read"), made(database, "ada", "read", "admin")
    with signed_in(server, admin) as client:
        page = health(client)
        assert ">till<" in page
        assert HOSTILE not in page
        assert admin not in page
        assert 'name="kind"' in page
    with signed_in(server, reader) as client:
        page = health(client)
        assert ">till<" not in page
        assert 'name="kind"' not in page
        assert "the scope <code>admin</code>" in page
        form = {"kind": "verify", "csrf_token": token_in(client.get("/search").text)}
        assert client.post("/health/upkeep", data=form).status_code == 403
    bound = made(database, "one", "read", "admin", business_id="bus_1")
    with signed_in(server, bound) as client:
        assert client.get("/health").status_code == 403


def test_a_server_that_is_not_ready_says_why(shop: tuple[Served, str]) -> None:
    server, database = shop
    server.client.headers.update(bearer(KEY))
    with psycopg.connect(database) as conn:
        conn.execute("DELETE FROM raphus.ledger_events WHERE notification_id > 3")
    page = health(server.client)
    assert "Not ready" in page
    assert "checkpoint:" in page


def test_snapshots_are_told_with_what_they_are_of(shop: tuple[Served, str]) -> None:
    server, _ = shop
    server.client.headers.update(bearer(KEY))
    assert server.get("/v1/snapshots") == {"items": []}
    event = server.get("/v1/events", limit=3)["items"][2]
    server.get("/v1/payments", known_at=event["recorded_at"])
    (one,) = server.get("/v1/snapshots")["items"]
    assert one["recorded_at"] == event["recorded_at"]
    assert int(one["position"]) >= int(event["position"])
    assert one["bytes"] > 0
    assert "Table of the snapshots" in health(server.client)
