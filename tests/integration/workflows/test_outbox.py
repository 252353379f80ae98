"""The outbox: what the log calls for is started once, in order, and what became of it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.histories import said
from tests.support.projected import record, simulated
from tests.support.waiting import until
from tests.support.windmill import all_in, outbox, starting_jobs, write_routes
from tests.support.windmill_stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path


def test_every_event_starts_its_job_with_its_arguments(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path, on="subscription.*")
    with StandIn() as windmill, starting_jobs(database, routes, windmill):
        record(
            database,
            [
                said("subscription.active", 0, "msg_1", subscription_id="sub_1"),
                said("payment.succeeded", 0, "msg_2", payment_id="pay_1"),
                said("subscription.cancelled", 1, "msg_3", subscription_id="sub_1"),
            ],
        )
        until(lambda: all_in(database, "succeeded"))
        first, second = windmill.jobs()
    assert outbox(database) == [("msg_1", "succeeded"), ("msg_3", "succeeded")]
    assert (first.kind, first.path) == ("p", "f/raphus/all")
    assert first.arguments["event"]["webhook_id"] == "msg_1"
    assert first.arguments["state"]["status"] == "active"
    assert second.arguments["state"]["status"] == "cancelled"
    assert second.arguments["event"]["position"] == "3"


def test_a_whole_merchant(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    deliveries = simulated(10)
    with StandIn() as windmill, starting_jobs(database, routes, windmill):
        record(database, deliveries)
        ids = {one.webhook_id for one in deliveries}
        until(lambda: len(outbox(database)) == len(ids))
        until(lambda: all_in(database, "succeeded"))
        jobs = windmill.jobs()
    assert {job.arguments["event"]["webhook_id"] for job in jobs} == ids
    assert len(jobs) == len(ids)
