"""Webhooks out: in order, once, whatever the endpoint answers, and parked with what it said."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import pytest
from standardwebhooks import Webhook

from tests.support.connected import connected
from tests.support.projected import record
from tests.support.waiting import until
from tests.support.windmill import (
    QUICK,
    all_in,
    attempts,
    event,
    outbox,
    sending,
    task,
    webhook_ids,
    write_hook,
)
from tests.support.windmill_stand_in import SECRET, EndpointStandIn, Fault, StandIn
from workflows.outbox.queries import retry
from workflows.outbox.replay import Asked, replay
from workflows.routes.routes_file import read_routes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.at_work import AtWork

WINDMILL: Final = """
[[route]]
name = "workflow"
on = ["*"]
script = "f/raphus/all"
"""


def test_a_handler_made_for_dodo_gets_the_body_that_dodo_sent(
    database: str, tmp_path: Path
) -> None:
    sent = event(1)
    with EndpointStandIn() as endpoint:
        routes = write_hook(tmp_path, endpoint.url, more='transformation = "envelope"\n')
        with sending(task(database, routes, endpoint)):
            record(database, [sent])
            until(lambda: all_in(database, "succeeded"))
        (request,) = endpoint.requests()
    assert request.body == sent.body
    assert request.headers["webhook-id"] == sent.webhook_id
    Webhook(SECRET).verify(request.body, request.headers)
    ((state, started_at, ended_at, ask_at, problem),) = outbox(
        database, "state, started_at, ended_at, ask_at, problem"
    )
    assert (state, ask_at, problem) == ("succeeded", None, None)
    assert started_at == ended_at is not None


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("error", 500),
        ("invalid", 400),
        ("unavailable", 503),
        ("unauthorized", 401),
        ("redirect", 308),
        ("cut_before", None),
        ("cut_after", None),
        ("gateway_timeout", 504),
    ],
)
def test_what_may_pass_is_tried_again_and_keeps_its_webhook_id(
    endpoint_at_work: AtWork, fault: Fault, status: int | None
) -> None:
    at_work = endpoint_at_work
    before = len(at_work.target.requests())
    at_work.target.fail(fault)
    told = at_work.tell()
    until(lambda: at_work.job(told) == ("succeeded",))
    first, second = at_work.target.requests()[before:]
    assert webhook_ids(at_work.target.jobs()).count(told) == 1
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == told
    assert at_work.attempts(told) == [(told, 1, status), (told, 2, 204)]
    assert second.is_repeated == (fault in {"cut_after", "gateway_timeout"})


def test_a_webhook_that_failed_does_not_come_again_before_the_endpoint_said(
    endpoint_at_work: AtWork,
) -> None:
    at_work = endpoint_at_work
    before = len(at_work.target.requests())
    at_work.target.fail("error")
    told = at_work.tell()
    until(lambda: at_work.job(told) == ("succeeded",))
    first, second = at_work.target.requests()[before:]
    assert (first.status, second.status) == (500, 204)
    assert second.received_at_s - first.received_at_s >= 0.95


def test_what_an_endpoint_does_not_take_is_parked_and_lets_the_next_one_pass(
    database: str, tmp_path: Path
) -> None:
    with EndpointStandIn(failing={"msg_1": "invalid"}) as endpoint:
        routes = write_hook(tmp_path, endpoint.url)
        with sending(task(database, routes, endpoint)):
            record(database, [event(1), event(2)])
            until(lambda: all_in(database, "parked", "succeeded", count=2))
            assert webhook_ids(endpoint.jobs()) == ["msg_2"]
            parked, _ = outbox(database, "state, attempts, problem")
            assert parked == ("parked", 4, "the endpoint answered 400: bad request")
            endpoint.behave(failing={})
            wait_again(database)
            until(lambda: all_in(database, "succeeded", count=2))
            assert webhook_ids(endpoint.jobs()) == ["msg_2", "msg_1"]


def test_an_endpoint_that_is_gone_is_asked_once_and_all_for_it_is_parked(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    events = [event(number, f"sub_{number}") for number in range(1, 31)]
    with EndpointStandIn(failing={"msg_": "gone"}) as endpoint:
        routes = write_hook(tmp_path, endpoint.url)
        with sending(task(database, routes, endpoint), QUICK._replace(concurrency=1)):
            record(database, events)
            until(lambda: all_in(database, "parked", count=30))
            assert len(endpoint.requests()) == 1
    told = "the endpoint answered 410: it wants no webhooks any more: unsubscribed"
    problems = [problem for (problem,) in outbox(database, "problem")]
    assert problems.count(told) == 1
    assert len({*problems}) == 2
    assert "route all: the endpoint is gone: it answers 410" in caplog.text


def test_one_endpoint_that_hangs_holds_up_no_other_target(database: str, tmp_path: Path) -> None:
    events = [event(number, f"sub_{number}") for number in range(1, 41)]
    with (
        EndpointStandIn(slow_s=60.0, failing={"msg_": "slow"}) as hangs,
        EndpointStandIn() as endpoint,
        StandIn() as windmill,
    ):
        write_hook(tmp_path, endpoint.url, name="quick")
        quick = (tmp_path / "windmill.toml").read_text()
        routes = write_hook(tmp_path, hangs.url, name="hangs", more=quick + WINDMILL)
        with sending(task(database, routes, windmill), QUICK._replace(timeout_s=60.0)):
            record(database, events)
            until(lambda: len(endpoint.jobs()) == len(windmill.jobs()) == 40)
            assert len(hangs.requests()) == QUICK.concurrency
            assert {state for route, state in outbox(database, "route, state") if route == "hangs"}


def test_an_endpoint_that_is_down_parks_nothing_and_is_asked_by_one_at_a_time(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limits = QUICK._replace(probe_max_s=0.2, pause_min_s=0.1)
    events = [event(number, f"sub_{number}") for number in range(1, 31)]
    with EndpointStandIn(delay_s=0.05) as endpoint:
        routes = write_hook(tmp_path, endpoint.url)
        with sending(task(database, routes, endpoint), limits):
            endpoint.behave(down="unavailable")
            record(database, events)
            until(lambda: len(attempts(database)) > 20)
            assert {state for _, state in outbox(database)} == {"waiting"}
            at = "extract(epoch FROM attempted_at)::float8"
            late = sorted(row[0] for row in attempts(database, at))
            late = late[limits.concurrency + limits.opens_after :]
            assert all(after - before > 0.04 for before, after in pairwise(late))
            endpoint.behave(down="no")
            until(lambda: all_in(database, "succeeded", count=30))
    assert "route all: the endpoint is away (it answers 503), and is asked again" in caplog.text


def test_a_replay_has_the_same_webhook_ids(database: str, tmp_path: Path) -> None:
    with EndpointStandIn() as endpoint:
        routes = write_hook(tmp_path, endpoint.url)
        with sending(task(database, routes, endpoint)):
            record(database, [event(1), event(2)])
            until(lambda: all_in(database, "succeeded", count=2))
            asked = Asked(read_routes(routes)[0], again=True)
            replay(database, asked, dry_run=False, progress=lambda *_: None)
            until(lambda: all_in(database, "succeeded", count=4))
        told = [
            (request.headers["webhook-id"], request.headers.get("raphus-replay"))
            for request in endpoint.requests()
        ]
    assert told == [("msg_1", None), ("msg_2", None), ("msg_1", "1"), ("msg_2", "1")]


def test_without_its_secret_a_route_sends_nothing_and_says_what_is_missing(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "secret"
    with EndpointStandIn() as endpoint:
        routes = write_hook(tmp_path, endpoint.url, secret=f"file:{file}")
        with sending(task(database, routes, endpoint)):
            record(database, [event(1)])
            until(lambda: "nothing is sent: secret: No such file or directory" in caplog.text)
            assert endpoint.requests() == []
            file.write_text(SECRET)
            until(lambda: all_in(database, "succeeded"))


def test_nothing_long_is_held_back_from_who_knows_webhook_ids(
    database: str, tmp_path: Path
) -> None:
    patient = QUICK._replace(pause_min_s=60.0, pause_max_s=60.0)
    with EndpointStandIn() as endpoint:
        routes = write_hook(tmp_path, endpoint.url)
        with sending(task(database, routes, endpoint), patient):
            endpoint.fail("gateway_timeout")
            record(database, [event(1)])
            until(lambda: attempts(database) == [("msg_1", 1, 504)])
        with connected(database) as conn:
            conn.execute(
                "UPDATE raphus.windmill_attempts SET attempted_at = now() - interval '9 days'"
            )
        with sending(task(database, routes, endpoint)):
            until(lambda: all_in(database, "succeeded"))


def wait_again(database: str) -> None:
    """Let what is parked wait again."""
    with connected(database) as conn:
        again = retry({"route": "all"})
        conn.execute(again.sql.encode(), again.params)
