"""Outcomes: what became of a job is asked for and recorded, in Windmill's words where it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.connected import connected
from tests.support.histories import said
from tests.support.projected import record
from tests.support.waiting import until
from tests.support.windmill import QUICK, STARTED, all_in, outbox, sending, task, write_routes
from tests.support.windmill_stand_in import TOKEN, StandIn
from workflows.targets.windmill.client import RESULT_BYTES_MAX

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.at_work import AtWork

SCRIPT: Final = "f/raphus/all"
EVENT: Final = said("subscription.active", 0, "msg_1", subscription_id="sub_1")
ENDED: Final = "state, problem, ended_at IS NOT NULL, ask_at IS NULL"


@pytest.mark.parametrize(
    ("behaviour", "state", "problem"),
    [
        ({"results": {SCRIPT: {"sent": True}}}, "succeeded", None),
        (
            {"errors": {SCRIPT: {"name": "ValueError", "message": "no such table: \0 orders"}}},
            "failed",
            "ValueError: no such table: � orders",
        ),
        ({"errors": {SCRIPT: {"message": "x" * 10_000}}}, "failed", "x" * 500),
        ({"errors": {SCRIPT: {"message": f"got {TOKEN}"}}}, "failed", "got …"),
        ({"errors": {SCRIPT: {}}}, "failed", "the job failed"),
        (
            {"results": {SCRIPT: "x" * RESULT_BYTES_MAX}},
            "unknown",
            f"its result is larger than {RESULT_BYTES_MAX} bytes",
        ),
    ],
    ids=["succeeded", "failed", "failed at length", "told the token", "silent", "large"],
)
def test_an_outcome_is_recorded(
    windmill_at_work: AtWork, behaviour: dict[str, Any], state: str, problem: str | None
) -> None:
    at_work = windmill_at_work
    at_work.target.behave(**{"results": {}, "errors": {}} | behaviour)
    told = at_work.tell()
    until(lambda: at_work.job(told) == (state,))
    assert at_work.job(told, ENDED) == (state, problem, True, True)


@pytest.mark.long
def test_a_job_that_runs_for_long_is_asked_for_until_it_ends(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    with StandIn(run_s=3_600) as windmill, sending(task(database, routes, windmill)):
        record(database, [EVENT])
        until(lambda: len([one for one in windmill.requests() if one.method == "GET"]) > 1)
        assert outbox(database, "state") == [("started",)]
        windmill.behave(run_s=0)
        until(lambda: all_in(database, "succeeded"))


def test_a_job_that_windmill_has_forgotten_has_an_unknown_outcome(
    database: str, tmp_path: Path
) -> None:
    routes, limits = write_routes(tmp_path), QUICK._replace(ask_for_s=1.5)
    with StandIn(run_s=3_600) as windmill, sending(task(database, routes, windmill), limits):
        record(database, [EVENT])
        until(lambda: all_in(database, "started", "unknown"))
        windmill.forget()
        until(lambda: all_in(database, "unknown"))
        assert len(windmill.jobs()) == 1


def test_a_windmill_that_is_away_is_asked_later(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    events = [
        said("subscription.active", n, f"msg_{n}", subscription_id=f"sub_{n}") for n in range(20)
    ]
    with StandIn(run_s=3_600) as windmill, sending(task(database, routes, windmill)):
        record(database, events)
        until(lambda: all_in(database, *STARTED, count=20))
        windmill.behave(down="refusing", run_s=0)
        until(lambda: _asked_later(database))
        windmill.behave(down="no")
        until(lambda: all_in(database, "succeeded"))


def _asked_later(database: str) -> bool:
    with connected(database) as conn:
        row = conn.execute(
            "SELECT bool_and(ask_at > started_at + interval '1.5 s') FROM raphus.windmill_outbox"
        ).fetchone()
    return row == (True,)
