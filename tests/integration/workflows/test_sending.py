"""Sending: whatever Windmill answers, a job is started once, or parked with what it was told."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.connected import connected
from tests.support.projected import record
from tests.support.waiting import until
from tests.support.windmill import (
    QUICK,
    STARTED,
    all_in,
    attempts,
    event,
    outbox,
    sending,
    task,
    webhook_ids,
    write_routes,
)
from tests.support.windmill_stand_in import TOKEN, Fault, StandIn
from workflows.outbox.queries import retry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.at_work import AtWork

PATIENT: Final = QUICK._replace(tries_max=1_000)
STARTED_JOBS: Final = [(state,) for state in STARTED]
SECOND: Final = """
[[route]]
name = "second"
on = ["*"]
script = "f/raphus/second"
"""


def states(database: str) -> dict[str, str]:
    return dict(outbox(database))


@pytest.mark.parametrize(
    ("fault", "status", "then"),
    [
        ("error", 500, 201),
        ("quota", 400, 201),
        ("bad_gateway", 502, 201),
        ("unavailable", 503, 201),
        ("page", 200, 201),
        ("forbidden", 403, 201),
        ("endless", 500, 201),
        ("cut_before", None, 201),
        ("cut_after", None, 400),
        ("gateway_timeout", 504, 400),
    ],
)
def test_what_may_pass_is_tried_again_and_starts_the_job_once(
    windmill_at_work: AtWork, fault: Fault, status: int | None, then: int
) -> None:
    at_work = windmill_at_work
    at_work.target.fail(fault)
    told = at_work.tell()
    until(lambda: at_work.job(told) in STARTED_JOBS)
    assert webhook_ids(at_work.target.jobs()).count(told) == 1
    assert at_work.attempts(told) == [(told, 1, status), (told, 2, then)]
    assert at_work.job(told, "attempts, problem") == (2, None)
    assert all(size <= 500 for (size,) in attempts(at_work.database, "length(answer)"))


@pytest.mark.parametrize(("fault", "then"), [("slow", 400), ("drip", 201)])
def test_an_answer_that_takes_too_long_is_none(
    database: str, tmp_path: Path, fault: Fault, then: int
) -> None:
    limits = QUICK._replace(timeout_s=3.0)  # in which what is asked next is answered
    what = write_routes(tmp_path)
    with StandIn(slow_s=60.0) as windmill, sending(task(database, what, windmill), limits):
        windmill.fail(fault)
        record(database, [event(1)])
        until(lambda: all_in(database, *STARTED))
        assert webhook_ids(windmill.jobs()) == ["msg_1"]
    ((*first, answer), second) = attempts(database, "number, status, answer")
    assert first == [1, None]
    assert answer == "no answer within 3 s"
    assert second[:2] == (2, then)


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("too_large", "Windmill answered 413: length limit exceeded"),
        (
            "invalid",
            "Windmill answered 400: Bad request: the arguments do not match @jobs.rs:1",
        ),
    ],
)
def test_what_is_refused_is_parked_at_once_and_delays_nothing(
    database: str, tmp_path: Path, fault: Fault, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    failing = {"msg_2": fault}
    with (
        StandIn(failing=failing) as windmill,
        sending(task(database, write_routes(tmp_path), windmill)),
    ):
        record(database, [event(1), event(2), event(3)])
        until(lambda: all_in(database, *STARTED, "parked", count=3))
        assert webhook_ids(windmill.jobs()) == ["msg_1", "msg_3"]
    assert [one.getMessage() for one in caplog.records if one.levelname == "WARNING"] == [
        "route all: a job is parked; raphus routes outbox --state parked tells why"
    ]
    assert outbox(database, "webhook_id, state, attempts, problem")[1] == (
        "msg_2",
        "parked",
        1,
        problem,
    )


def test_what_is_not_deployed_is_parked_after_some_tries_and_waits_for_retry(
    database: str, tmp_path: Path
) -> None:
    routes = write_routes(tmp_path, more=SECOND)
    with (
        StandIn(deployed=["p/f/raphus/second"]) as windmill,
        sending(task(database, routes, windmill)),
    ):
        record(database, [event(1), event(2)])
        until(lambda: all_in(database, *STARTED, "parked", count=4))
        assert [job.path for job in windmill.jobs()] == ["f/raphus/second"] * 2
        parked = [row for row in outbox(database, "route, state, attempts, problem") if row[2] > 1]
        not_found = "Windmill answered 404: Not found: deployed script not found at name"
        assert parked == [("all", "parked", 4, f"{not_found} f/raphus/all")] * 2
        windmill.behave(deployed=None)
        with connected(database) as conn:
            again = retry({"route": "all"})
            conn.execute(again.sql.encode(), again.params)
        until(lambda: all_in(database, *STARTED, count=4))
        assert webhook_ids(windmill.jobs()) == ["msg_1", "msg_2"] * 2


def test_a_wrong_token_parks_nothing_and_all_goes_on_with_the_right_one(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    routes = write_routes(tmp_path)
    with StandIn(token="another") as windmill, sending(task(database, routes, windmill)):
        record(database, [event(number) for number in range(1, 5)])
        # More often than what fails is tried.
        until(lambda: len(windmill.requests()) > 10)
        assert set(states(database).values()) == {"waiting"}
        assert windmill.jobs() == []
        assert "Windmill is away (it answers 401: it does not know the token)" in caplog.text
        windmill.behave(token=TOKEN)
        until(lambda: all_in(database, *STARTED, count=4))
        assert webhook_ids(windmill.jobs()) == ["msg_1", "msg_2", "msg_3", "msg_4"]


@pytest.mark.parametrize("fault", ["licence", "quota", "scope"])
def test_what_windmill_tells_each_job_costs_none_of_them_a_try(
    database: str, tmp_path: Path, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    routes = write_routes(tmp_path, more=SECOND)
    with (
        StandIn(failing={"msg_": fault}) as windmill,
        sending(task(database, routes, windmill)),
    ):
        record(database, [event(number, f"sub_{number}") for number in range(1, 4)])
        # More often than what fails is tried.
        until(lambda: all_in(database, "waiting", count=6) and len(attempts(database)) > 30)
        assert set(states(database).values()) == {"waiting"}
        windmill.behave(failing={})
        until(lambda: all_in(database, *STARTED, count=6))
    assert "Windmill is away (it answers 400: " in caplog.text


def test_the_same_refusal_of_one_job_after_the_other_is_not_about_the_jobs(
    database: str, tmp_path: Path
) -> None:
    routes, parked = write_routes(tmp_path), QUICK.alike_max - 1
    events = [event(number, f"sub_{number}") for number in range(1, 31)]
    with (
        StandIn(failing={"msg_": "invalid"}) as windmill,
        sending(task(database, routes, windmill)),
    ):
        record(database, events)
        until(lambda: len(attempts(database)) > 40)
        assert Counter(states(database).values()) == {"parked": parked, "waiting": 30 - parked}
        windmill.behave(failing={})
        until(lambda: all_in(database, *STARTED, "parked", count=30))
        assert len(windmill.jobs()) == 30 - parked


@pytest.mark.parametrize("down", ["refusing", "unavailable"])
def test_a_windmill_that_is_down_parks_nothing_and_is_asked_by_one_at_a_time(
    database: str, tmp_path: Path, down: str
) -> None:
    limits = QUICK._replace(probe_max_s=0.2, pause_min_s=0.1)
    events = [event(number, f"sub_{number}") for number in range(1, 31)]
    routes = write_routes(tmp_path)
    with StandIn(delay_s=0.05) as windmill, sending(task(database, routes, windmill), limits):
        windmill.behave(down=down)
        record(database, events)
        until(lambda: len(attempts(database)) > 20)
        assert set(states(database).values()) == {"waiting"}
        starts = [
            row[0] for row in attempts(database, "extract(epoch FROM attempted_at)::float8 AS at")
        ]
        # Until the breaker opened they came together; then one after the other, with pauses.
        late = sorted(starts)[limits.concurrency + limits.opens_after :]
        assert all(after - before > 0.04 for before, after in pairwise(late))
        windmill.behave(down="no")
        until(lambda: all_in(database, *STARTED, count=30))
        assert sorted(webhook_ids(windmill.jobs())) == sorted(one.webhook_id for one in events)


def test_nobody_comes_again_before_windmill_said(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    with StandIn(retry_after_s=1) as windmill, sending(task(database, routes, windmill)):
        windmill.fail("too_many")
        record(database, [event(1, "sub_1")])
        until(lambda: len(attempts(database)) == 1)
        record(database, [event(2, "sub_2")])
        until(lambda: all_in(database, *STARTED, count=2))
        posts = [one for one in windmill.requests() if one.method == "POST"]
    first, *others = posts
    assert first.status == 429
    assert all(one.received_at_s - first.received_at_s >= 0.95 for one in others)


def test_one_that_is_stuck_holds_up_its_own_aggregate_only(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    stuck = [event(number, "sub_stuck") for number in (1, 2, 3)]
    others = [event(number, "sub_1") for number in (4, 5, 6)]
    with (
        StandIn(failing={"sub_stuck": "error"}) as windmill,
        sending(task(database, routes, windmill), PATIENT),
    ):
        record(database, stuck + others)
        until(lambda: len(windmill.jobs()) == 3)
        until(lambda: len(windmill.requests()) > 20)
        assert webhook_ids(windmill.jobs()) == ["msg_4", "msg_5", "msg_6"]
        assert {row[0] for row in attempts(database) if row[2] == 500} == {"msg_1"}
        windmill.behave(failing={})
        until(lambda: all_in(database, *STARTED, count=6))
        assert webhook_ids(windmill.jobs())[3:] == ["msg_1", "msg_2", "msg_3"]


def test_what_has_waited_for_too_long_is_parked_untried(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    with StandIn(down="unavailable") as windmill, sending(task(database, routes, windmill)):
        record(database, [event(1, "sub_1"), event(2, "sub_2")])
        until(lambda: len(outbox(database)) == 2)
    with connected(database) as conn:
        conn.execute(
            "UPDATE raphus.windmill_outbox SET created_at = clock_timestamp() - interval '8 days'"
            " WHERE webhook_id = 'msg_1'"
        )
    with StandIn() as windmill, sending(task(database, routes, windmill)):
        until(lambda: all_in(database, *STARTED, "parked"))
        assert webhook_ids(windmill.jobs()) == ["msg_2"]
    ((webhook_id, state, problem), _) = outbox(database, "webhook_id, state, problem")
    assert (webhook_id, state) == ("msg_1", "parked")
    assert problem.startswith("it has waited for too long")


def test_an_answer_that_repeats_the_token_is_recorded_without_it(windmill_at_work: AtWork) -> None:
    at_work = windmill_at_work
    at_work.target.behave(failing={"msg_": "echo"})
    event_id = at_work.tell()
    until(lambda: at_work.job(event_id) == ("parked",))
    at_work.target.behave(failing={})
    answers = attempts(at_work.database, "webhook_id, answer")
    told = [answer for one, answer in answers if one == event_id]
    told += at_work.job(event_id, "problem")
    assert len(told) == 5
    assert all("Bearer …" in text and TOKEN not in text for text in told)


@pytest.mark.parametrize(
    ("hours", "has_witness", "is_forgotten", "state"),
    [
        (2, True, False, "started"),
        (2, True, True, "parked"),
        (6 * 24, False, False, "started"),
        (8 * 24, False, False, "parked"),
    ],
    ids=["still known", "forgotten", "no witness", "no witness for long"],
)
def test_what_may_have_been_started_is_sent_again_only_while_windmill_would_know_it(
    database: str, tmp_path: Path, hours: int, has_witness: bool, is_forgotten: bool, state: str
) -> None:
    routes = write_routes(tmp_path)
    patient = QUICK._replace(pause_min_s=60.0, pause_max_s=60.0)
    with StandIn() as windmill:
        with sending(task(database, routes, windmill), patient):
            if has_witness:
                record(database, [event(1)])
                until(lambda: all_in(database, "succeeded"))
            windmill.fail("gateway_timeout")
            record(database, [event(2, "sub_2")])
            until(lambda: ("msg_2", 1, 504) in attempts(database))
        make_older(database, hours)
        if is_forgotten:
            windmill.forget()
        with sending(task(database, routes, windmill)):
            until(lambda: states(database)["msg_2"] in {*STARTED, "parked"})
            assert (states(database)["msg_2"] in STARTED) == (state == "started")
            if state == "parked":
                problem = dict(outbox(database, "webhook_id, problem"))["msg_2"]
                assert problem.startswith("held back: Windmill may have started it at 2")
                assert attempts(database)[-1] == ("msg_2", 2, None)
                assert webhook_ids(windmill.jobs())[-1] == "msg_2"
                # Whoever lets it wait again has been told.
                with connected(database) as conn:
                    again = retry({"webhook_id": "msg_2"})
                    conn.execute(again.sql.encode(), again.params)
                until(lambda: states(database)["msg_2"] in STARTED)


def make_older(database: str, hours: int) -> None:
    """Let all that was done have been done earlier; but the jobs wait as long as they did."""
    with connected(database) as conn:
        for column, table in (("attempted_at", "attempts"), ("ended_at", "outbox")):
            conn.execute(
                f"UPDATE raphus.windmill_{table}"
                f" SET {column} = {column} - make_interval(hours => {hours})".encode()
            )
