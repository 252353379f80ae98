"""Leading: one of all senders sends, and whoever takes over starts nothing twice."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.support.connected import connected
from tests.support.outages import away, beside
from tests.support.projected import record
from tests.support.waiting import until
from tests.support.windmill import (
    QUICK,
    STARTED,
    all_in,
    event,
    outbox,
    overtaken,
    sending,
    starting_jobs,
    task,
    write_routes,
)
from tests.support.windmill_stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from domain.delivery import Delivery
    from tests.support.windmill_stand_in import Fault

FAULTS: Final[dict[Fault, float]] = {
    "error": 0.03,
    "bad_gateway": 0.02,
    "page": 0.02,
    "cut_before": 0.03,
    "cut_after": 0.03,
    "gateway_timeout": 0.03,
}
PATIENT: Final = QUICK._replace(tries_max=1_000)
TERMINATE: Final = """
    SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = %s AND application_name = ANY (%s)
"""
LEADER: Final = """
    SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_locks
    JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted
    AND application_name = 'raphus-windmill' AND datname = %s
"""


def events(count: int, aggregates: int) -> list[Delivery]:
    return [event(n, f"sub_{n % aggregates}") for n in range(count)]


def terminated(database: str, statement: str, *parameters: object) -> int:
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    with connected(beside(database), autocommit=True) as conn:
        row = conn.execute(statement.encode(), [name, *parameters]).fetchone()
    assert row is not None
    return int(row[0])


def check(database: str, windmill: StandIn, count: int) -> None:
    """Check that every job was accepted once, and none overtook another of its lane."""
    jobs = windmill.jobs()
    assert len(jobs) == len({job.id for job in jobs}) == count
    assert {job.id for job in jobs} == {str(job_id) for (job_id,) in outbox(database, "job_id")}
    assert overtaken(database, jobs) == []


def test_of_several_senders_one_sends_and_another_takes_over(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    with StandIn() as windmill, ExitStack() as senders:
        what = task(database, routes, windmill)
        first = senders.enter_context(ExitStack())
        first.enter_context(sending(what, PATIENT))
        for _ in range(2):
            senders.enter_context(sending(what, PATIENT))
        record(database, events(200, 20)[:100])
        until(lambda: all_in(database, *STARTED, count=100))
        first.close()
        record(database, events(200, 20)[100:])
        until(lambda: all_in(database, *STARTED, count=200))
        check(database, windmill, 200)
        # Nothing was sent by two of them.
        assert len([one for one in windmill.requests() if one.method == "POST"]) == 200


@pytest.mark.parametrize("seed", [1, 2])
def test_whoever_loses_its_connections_starts_nothing_twice_and_loses_nothing(
    database: str, tmp_path: Path, seed: int
) -> None:
    chance, routes = random.Random(seed), write_routes(tmp_path)
    told = events(400, 25)
    with StandIn(faults=FAULTS, seed=seed, delay_s=0.01) as windmill:
        what = task(database, routes, windmill)
        with sending(what, PATIENT), sending(what, PATIENT):
            while told:
                record(database, told[:40])
                del told[:40]
                time.sleep(chance.uniform(0, 0.2))
                # The one that leads, or connections of all of them, or of those that follow.
                match chance.randrange(3):
                    case 0:
                        terminated(database, LEADER)
                    case 1:
                        terminated(database, TERMINATE, ["raphus-windmill"])
                    case _:
                        terminated(database, TERMINATE, ["raphus-outbox"])
            until(lambda: all_in(database, *STARTED, count=400))
            check(database, windmill, 400)


def test_a_database_that_was_away_is_gone_on_with(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    routes = write_routes(tmp_path)
    with (
        caplog.at_level("INFO"),
        StandIn(delay_s=0.02) as windmill,
        sending(task(database, routes, windmill), PATIENT),
    ):
        record(database, events(200, 20))
        until(lambda: len(windmill.jobs()) > 20)
        with away(database):
            # Whoever connects is told that there is no such database for now.
            until(lambda: "no job is started: the database is away" in caplog.text)
            until(lambda: "the outbox does not follow the log: the database" in caplog.text)
            time.sleep(2)
        until(lambda: all_in(database, *STARTED, count=200))
        check(database, windmill, 200)
    told = [
        one.getMessage()
        for one in caplog.records
        if one.name.startswith(("workflows", "ledger.following"))
    ]
    assert len(told) == len(set(told)), "something is told again and again"


def test_a_process_that_waits_to_lead_ends_at_once_when_it_is_told_to(
    database: str, tmp_path: Path
) -> None:
    routes = write_routes(tmp_path)
    with StandIn() as windmill, sending(task(database, routes, windmill)):
        with starting_jobs(database, routes, windmill) as standing_by:
            until(lambda: _waits(database))
            process = standing_by._process
        assert process is not None
        assert process.returncode == 0
        record(database, events(3, 1))
        until(lambda: all_in(database, *STARTED, count=3))


def _waits(database: str) -> bool:
    with connected(database) as conn:
        row = conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'raphus-windmill'"
        ).fetchone()
    return row == (6 + 1,)
