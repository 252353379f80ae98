"""Lanes: a large outbox goes through little memory, and what is stuck delays nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.connected import connected
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
    task,
    webhook_ids,
    write_routes,
)
from tests.support.windmill_stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from domain.delivery import Delivery
    from workflows.limits import Limits

NARROW: Final = QUICK._replace(held_max=40, lane_max=5, prepared_max=4, concurrency=3)
OWN_CODE: Final = """
transformation = "python:ours.py:shape"
"""


def backlog(database: str, routes: Path, events: list[Delivery]) -> None:
    """Let events fall due while Windmill is away."""
    with (
        StandIn(down="unavailable") as windmill,
        sending(task(database, routes, windmill)),
    ):
        record(database, events)
        until(lambda: len(outbox(database)) == len(events))


@pytest.mark.long
@pytest.mark.parametrize(
    ("limits", "events"), [(QUICK, 1_200), (NARROW, 200)], ids=["ordinary", "narrow"]
)
def test_a_large_outbox_goes_out_in_order_however_little_fits_into_memory(
    database: str, tmp_path: Path, limits: Limits, events: int
) -> None:
    assert events >= 3 * limits.held_max
    routes = write_routes(tmp_path)
    long = [event(number, "sub_long") for number in range(4 * limits.lane_max)]
    short = [event(number, f"sub_{number % 100}") for number in range(len(long), events)]
    backlog(database, routes, long + short)
    with StandIn() as windmill, sending(task(database, routes, windmill), limits):
        until(lambda: all_in(database, *STARTED))
        jobs = windmill.jobs()
    assert len({job.id for job in jobs}) == len(jobs) == events
    assert overtaken(database, jobs) == []


def test_many_jobs_of_an_aggregate_that_is_stuck_leave_room_for_others(
    database: str, tmp_path: Path
) -> None:
    routes = write_routes(tmp_path)
    stuck = [event(number, "sub_stuck") for number in range(100)]
    others = [event(number, f"sub_{number}") for number in range(100, 160)]
    assert len(stuck) > 2 * NARROW.held_max
    backlog(database, routes, stuck + others)
    patient = NARROW._replace(tries_max=10_000)
    with (
        StandIn(failing={"sub_stuck": "error"}) as windmill,
        sending(task(database, routes, windmill), patient),
    ):
        until(lambda: len(windmill.jobs()) == 60)
        windmill.behave(failing={})
        until(lambda: all_in(database, *STARTED))
        assert overtaken(database, windmill.jobs()) == []


def test_a_job_that_cannot_be_judged_is_parked_and_delays_nothing(
    database: str, tmp_path: Path
) -> None:
    routes = write_routes(tmp_path)
    backlog(database, routes, [event(1), event(2, "sub_2"), event(3, "sub_3"), event(4)])
    with connected(database) as conn:
        conn.execute(
            "UPDATE raphus.windmill_outbox SET stream_id = 'payment/x/y' WHERE webhook_id = 'msg_2'"
        )
        # As a later release may store it.
        conn.execute(
            "UPDATE raphus.ledger_events SET state = '\\xff'::bytea WHERE webhook_id = 'msg_3'"
        )
    with StandIn() as windmill, sending(task(database, routes, windmill)):
        until(lambda: all_in(database, *STARTED, "parked"))
        assert webhook_ids(windmill.jobs()) == ["msg_1", "msg_4"]
    told = {row[0]: row[1:] for row in outbox(database, "webhook_id, state, problem")}
    assert told["msg_2"] == ("parked", "the event is not in the log any more")
    assert told["msg_3"][0] == "parked"
    assert told["msg_3"][1].startswith("the event cannot be judged: UnknownFormatError")


def test_a_transformation_that_throws_parks_its_job_and_delays_nothing(
    database: str, tmp_path: Path
) -> None:
    (tmp_path / "ours.py").write_text(
        "def shape(fact):\n"
        "    if fact['event']['webhook_id'] == 'msg_2':\n"
        "        raise ValueError('no \\0 good')\n"
        "    return fact\n"
    )
    routes = write_routes(tmp_path, more=OWN_CODE)
    with StandIn() as windmill, sending(task(database, routes, windmill)):
        record(database, [event(1), event(2), event(3)])
        until(lambda: all_in(database, *STARTED, "parked", count=3))
        assert webhook_ids(windmill.jobs()) == ["msg_1", "msg_3"]
    state, attempts, problem = outbox(database, "state, attempts, problem")[1]
    assert (state, attempts) == ("parked", 0)
    assert problem.startswith("ours.py:3: ValueError: no")
