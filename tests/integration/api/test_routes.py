"""Windmill over HTTP: the routes, their jobs and attempts, and what is parked waiting again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from api.queries.read_side import Rules
from tests.support.histories import said
from tests.support.http_server import Served, copied, served
from tests.support.outages import away
from tests.support.projected import record
from tests.support.waiting import GUARD_S, until
from tests.support.windmill import outbox, sending, task, write_routes
from tests.support.windmill_stand_in import StandIn
from workflows.outbox.follower import Outbox, begin
from workflows.routes.routes_file import RoutesFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from domain.delivery import Delivery

KEY: Final = "a-key-of-thirty-two-characters-0"
RETRY: Final = "/v1/routes/retry"
# Of the webhooks msg_0 to msg_5.
STATES: Final = ("succeeded", "parked", "cancelled", "failed", "waiting", "waiting")
OWN: Final = """
def own(event):
    number = event["event"]["webhook_id"].removeprefix("msg_")
    if number == "1":
        raise ValueError("no such plan")
    return None if number == "2" else {"number": number}
"""


class Shop:
    """A server, the file of its routes, and its database."""

    def __init__(self, server: Served, routes: Path, database: str) -> None:
        self.server = server
        self.routes = routes
        self.database = database


@pytest.fixture
def shop(database: str, tmp_path: Path) -> Iterator[Shop]:
    """A server that has read its routes, and starts nothing."""
    routes = write_routes(tmp_path)
    begin(database)
    with served(database, rules=Rules(RoutesFile(routes, required=True))) as server:
        yield Shop(server, routes, database)


@pytest.fixture(scope="module")
def busy(cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server with jobs in all states; for tests that only read."""
    folder = tmp_path_factory.mktemp("busy")
    (folder / "own.py").write_text(OWN, "utf-8")
    routes = write_routes(folder, more='transformation = "python:own.py:own"')
    with copied(cluster, template) as database:
        begin(database)
        record(database, payments(0, 3))
        with StandIn() as windmill, sending(task(database, routes, windmill)):
            until(lambda: tuple(states(database)) == STATES[:3])
            windmill.behave(errors={"f/raphus/all": {"name": "Error", "message": "no such table"}})
            record(database, payments(3, 4))
            until(lambda: tuple(states(database)) == STATES[:4])
        record(database, payments(4, 6))
        read(database, routes)
        with served(database, rules=Rules(RoutesFile(routes, required=True))) as server:
            yield Shop(server, routes, database)


def payments(begin: int, end: int) -> list[Delivery]:
    numbers = range(begin, end)
    return [said("payment.succeeded", n, f"msg_{n}", payment_id=f"pay_{n}") for n in numbers]


def read(database: str, routes: Path) -> None:
    """Let the outbox take what has been recorded, and nobody start it."""
    with psycopg.connect(database, autocommit=True) as conn:
        assert Outbox(database, RoutesFile(routes)).take(conn, RoutesFile(routes).current()).events


def states(database: str) -> list[str]:
    return [state for (state,) in outbox(database, "state")]


def park(database: str, problem: str = "wrong") -> None:
    """Let all jobs that wait count as given up."""
    with psycopg.connect(database) as conn:
        parked = "UPDATE raphus.windmill_outbox SET state = 'parked', problem = %s, attempts = 1"
        conn.execute(parked.encode(), [problem])


def whole(server: Served, path: str, **query: str | int) -> list[dict[str, Any]]:
    """Read a list to its end."""
    page = server.get(path, **query)
    items: list[dict[str, Any]] = page["items"]
    while page["next"] is not None:
        page = server.get(path, **query, cursor=page["next"])
        items += page["items"]
    return items


def test_the_routes_are_shown_with_how_their_jobs_fare(busy: Shop) -> None:
    assert busy.server.get("/v1/routes") == {
        "items": [
            {
                "name": "all",
                "on": ["*"],
                "kind": "windmill",
                "target": "run/p/f/raphus/all",
                "transformation": "python:own.py:own",
                "enabled": True,
                "verdicts": ["applied", "unchanged", "anomaly", "none"],
                "where": {},
                "arguments": [],
                "waiting": 2,
                "parked": 1,
                "started": 0,
                "failed_last_day": 1,
            }
        ],
        "problem": None,
    }


def test_no_token_is_shown(shop: Shop) -> None:
    target = "https://windmill.example/api/w/shop/jobs/run/p/f/raphus/all"
    text = shop.routes.read_text("utf-8").replace(
        'script = "f/raphus/all"', f'url = "{target}?token=hidden"'
    )
    shop.routes.write_text(text, "utf-8")
    until(lambda: shop.server.get("/v1/routes")["items"][0]["target"].startswith(target))
    assert "hidden" not in shop.server.client.get("/v1/routes").text


def test_a_wrong_file_leaves_the_last_good_routes_and_is_told_by_line(shop: Shop) -> None:
    shop.server.get("/v1/routes")
    shop.routes.write_text(shop.routes.read_text("utf-8") + "colour = 'red'\n", "utf-8")
    found = shop.server.get("/v1/routes")
    assert [one["name"] for one in found["items"]] == ["all"]
    assert found["problem"].startswith("windmill.toml:6: unknown key 'colour'")
    assert "raphus_windmill_routes_read 0.0\n" in shop.server.client.get("/metrics").text
    write_routes(shop.routes.parent, name="other")
    until(lambda: shop.server.get("/v1/routes")["problem"] is None)
    assert "raphus_windmill_routes_read 1.0\n" in shop.server.client.get("/metrics").text


def test_every_job_is_listed_the_last_to_fall_due_first(busy: Shop) -> None:
    jobs = busy.server.get("/v1/routes/outbox")["items"]
    assert [(job["webhook_id"], job["state"]) for job in jobs] == [
        (f"msg_{number}", state) for number, state in reversed(list(enumerate(STATES)))
    ]
    for size in (1, 2, 6):
        assert whole(busy.server, "/v1/routes/outbox", limit=size) == jobs


def test_a_job_tells_what_became_of_it(busy: Shop) -> None:
    _, _, failed, cancelled, parked, succeeded = busy.server.get("/v1/routes/outbox")["items"]
    about = {"route": "all", "type": "payment.succeeded", "replay": 0}
    assert succeeded.items() >= (about | {"position": "1", "attempts": 1, "problem": None}).items()
    assert succeeded["aggregate_id"] == "payment/bus_1/pay_0"
    assert succeeded["created_at"] <= succeeded["started_at"] <= succeeded["ended_at"]
    assert parked["problem"] == "own.py:5: ValueError: no such plan"
    assert (parked["attempts"], parked["started_at"]) == (0, None)
    assert (cancelled["attempts"], cancelled["problem"]) == (0, None)
    assert failed["problem"] == "Error: no such table"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state": "waiting"}, {"msg_4", "msg_5"}),
        ({"webhook_id": "msg_3"}, {"msg_3"}),
        ({"route": "all", "state": "parked"}, {"msg_1"}),
        ({"route": "all", "state": "unknown"}, set()),
        ({"route": "none"}, set()),
        ({"job_id": "00000000-0000-0000-0000-000000000000"}, set()),
    ],
)
def test_jobs_are_found_by_what_they_are(
    busy: Shop, query: dict[str, str], found: set[str]
) -> None:
    jobs = busy.server.get("/v1/routes/outbox", **query)["items"]
    assert {job["webhook_id"] for job in jobs} == found


def test_a_job_and_its_attempts_are_found_by_its_id(busy: Shop) -> None:
    (job,) = busy.server.get("/v1/routes/outbox", webhook_id="msg_3")["items"]
    assert busy.server.get("/v1/routes/outbox", job_id=job["job_id"].upper())["items"] == [job]
    (attempt,) = busy.server.get("/v1/routes/attempts", job_id=job["job_id"])["items"]
    assert attempt["answer"] == attempt["job_id"] == job["job_id"]
    assert (attempt["route"], attempt["number"], attempt["status"]) == ("all", 1, 201)
    assert attempt["took_ms"] >= 0


def test_attempts_are_listed_the_last_first(busy: Shop) -> None:
    attempts = busy.server.get("/v1/routes/attempts")["items"]
    times = [one["attempted_at"] for one in attempts]
    assert len(times) == 2
    assert times == sorted(times, reverse=True)
    assert whole(busy.server, "/v1/routes/attempts", limit=1) == attempts
    assert busy.server.get("/v1/routes/attempts", state="failed")["items"] == attempts[:1]
    assert busy.server.get("/v1/routes/attempts", state="parked")["items"] == []


def test_many_attempts_of_one_moment_are_each_listed_once(shop: Shop) -> None:
    record(shop.database, payments(0, 3))
    read(shop.database, shop.routes)
    with psycopg.connect(shop.database) as conn:
        conn.execute(
            "INSERT INTO raphus.windmill_attempts SELECT job_id, number, '2026-05-01Z', 7, NULL,"
            " 'no answer' FROM raphus.windmill_outbox, generate_series(1, 3) AS number"
        )
    found = whole(shop.server, "/v1/routes/attempts", limit=2)
    assert len({(one["job_id"], one["number"]) for one in found}) == len(found) == 9
    assert {one["status"] for one in found} == {None}


@pytest.mark.parametrize(
    "query",
    [
        {"state": "lost"},
        {"job_id": "1"},
        {"job_id": "{00000000-0000-0000-0000-000000000000}"},
        {"type": "payment.succeeded"},
        {"cursor": "AAAA"},
        {"limit": "101"},
    ],
)
def test_what_is_no_filter_is_refused(busy: Shop, query: dict[str, str]) -> None:
    for path in ("/v1/routes/outbox", "/v1/routes/attempts"):
        assert busy.server.refused(path, **query)[0] == 400


def test_the_cursor_of_one_list_is_none_of_the_other(busy: Shop) -> None:
    cursor = busy.server.get("/v1/routes/outbox", limit=1)["next"]
    refused = busy.server.refused("/v1/routes/attempts", cursor=cursor)
    assert refused == (400, "invalid_parameter")


def test_what_is_parked_waits_again_in_its_order_and_the_sender_is_told(shop: Shop) -> None:
    about = {"subscription_id": "sub_1"}
    record(shop.database, [said("subscription.updated", n, f"msg_{n}", **about) for n in range(9)])
    read(shop.database, shop.routes)
    before = outbox(shop.database, "webhook_id")
    park(shop.database)
    with psycopg.connect(shop.database, autocommit=True) as conn:
        # So that the order in the table is not the order of falling due.
        conn.execute("UPDATE raphus.windmill_outbox SET attempts = 2 WHERE position % 2 = 1")
        conn.execute("LISTEN windmill")
        answer = shop.server.client.post(RETRY, params={"route": "all"})
        assert (answer.status_code, answer.json()) == (200, {"retried": 9})
        heard = [notice.channel for notice in conn.notifies(timeout=GUARD_S, stop_after=1)]
        assert heard == ["windmill"]
    assert outbox(shop.database, "webhook_id") == before
    assert set(outbox(shop.database, "state, problem")) == {("waiting", None)}
    again = shop.server.client.post(RETRY, params={"route": "all"})
    assert again.json() == {"retried": 0}


def test_only_what_is_named_and_parked_waits_again(shop: Shop) -> None:
    record(shop.database, payments(0, 3))
    read(shop.database, shop.routes)
    park(shop.database)
    (job,) = shop.server.get("/v1/routes/outbox", webhook_id="msg_1")["items"]
    with psycopg.connect(shop.database) as conn:
        conn.execute("UPDATE raphus.windmill_outbox SET state = 'failed' WHERE position = 3")
    for query, retried in (
        ({"job_id": job["job_id"], "route": "other"}, 0),
        ({"job_id": job["job_id"]}, 1),
        ({"webhook_id": "msg_2"}, 0),
        ({"webhook_id": "msg_0", "route": "all"}, 1),
    ):
        assert shop.server.client.post(RETRY, params=query).json() == {"retried": retried}
    assert sorted(outbox(shop.database)) == [
        ("msg_0", "waiting"),
        ("msg_1", "waiting"),
        ("msg_2", "failed"),
    ]


def test_it_must_be_said_what_is_to_wait_again(shop: Shop) -> None:
    for query in ({}, {"state": "parked"}, {"route": ""}):
        assert shop.server.client.post(RETRY, params=query).status_code == 400
    assert shop.server.client.get(RETRY).status_code == 405
    for path in ("", "/outbox", "/attempts"):
        assert shop.server.client.post(f"/v1/routes{path}").status_code == 405


def test_a_page_of_another_origin_cannot_ask_for_a_change(shop: Shop) -> None:
    record(shop.database, payments(0, 1))
    read(shop.database, shop.routes)
    park(shop.database)
    for origin in ("https://evil.example", "null", "http://127.0.0.1.evil.example"):
        answer = shop.server.client.post(RETRY, params={"route": "all"}, headers={"origin": origin})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "cross_site")
    assert states(shop.database) == ["parked"]


def test_a_change_needs_the_key(database: str) -> None:
    with served(database, api_key=KEY) as server:
        for headers, status in (({}, 401), ({"authorization": f"Bearer {KEY}"}, 200)):
            answer = server.client.post(RETRY, params={"route": "all"}, headers=headers)
            assert answer.status_code == status


def test_what_cannot_be_changed_now_is_to_be_asked_for_again(shop: Shop) -> None:
    record(shop.database, payments(0, 1))
    read(shop.database, shop.routes)
    park(shop.database)
    with away(shop.database):
        answer = shop.server.client.post(RETRY, params={"route": "all"})
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert states(shop.database) == ["parked"]
    until(lambda: shop.server.client.post(RETRY, params={"route": "all"}).status_code == 200)
    assert states(shop.database) == ["waiting"]


def test_jobs_that_wait_are_counted_by_the_routes_of_the_file(busy: Shop) -> None:
    counted = busy.server.client.get("/metrics").text
    assert 'raphus_windmill_jobs{route="all",state="waiting"} 2.0\n' in counted
    assert 'raphus_windmill_jobs{route="all",state="parked"} 1.0\n' in counted


def test_jobs_of_a_route_that_is_gone_are_not_counted_but_listed(shop: Shop) -> None:
    record(shop.database, payments(0, 1))
    read(shop.database, shop.routes)
    write_routes(shop.routes.parent, name="other")
    until(lambda: 'route="other"' in shop.server.client.get("/metrics").text)
    assert 'route="all"' not in shop.server.client.get("/metrics").text
    assert len(shop.server.get("/v1/routes/outbox", state="waiting")["items"]) == 1


def test_what_is_not_known_is_not_counted(shop: Shop) -> None:
    assert "raphus_windmill_jobs{" in shop.server.client.get("/metrics").text
    with away(shop.database):
        counted = shop.server.client.get("/metrics").text
    assert "raphus_windmill_jobs{" not in counted
    assert "raphus_log_position NaN" in counted


def test_a_server_without_routes_says_so(database: str) -> None:
    with served(database) as server:
        assert server.get("/v1/routes") == {"items": [], "problem": None}
        assert server.get("/v1/routes/outbox") == {"items": [], "next": None}
        assert "raphus_windmill_jobs{" not in server.client.get("/metrics").text
