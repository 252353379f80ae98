"""Routes that change while jobs are sent: switched off, corrected, removed, or not to be read."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

import pytest

from ledger.application import Ledger
from tests.support.connected import connected
from tests.support.deliveries import receipts
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
from tests.support.windmill_stand_in import StandIn
from workflows.outbox.follower import begin

if TYPE_CHECKING:
    from pathlib import Path


PATIENT: Final = QUICK._replace(tries_max=1_000_000)
WITNESS: Final = """
[[route]]
name = "witness"
on = ["*"]
script = "f/raphus/witness"
"""
LISTENS: Final = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'raphus-outbox' AND query LIKE 'LISTEN%'
"""


def started_by(windmill: StandIn, script: str) -> list[str]:
    """Return the events for which a script was started."""
    return webhook_ids([job for job in windmill.jobs() if job.path == f"f/raphus/{script}"])


@pytest.mark.parametrize("how", ["off", "removed"])
def test_a_route_that_is_off_holds_its_jobs_back_until_it_is_on_again(
    database: str, tmp_path: Path, how: str
) -> None:
    routes = write_routes(tmp_path)
    with (
        StandIn(deployed=["p/f/raphus/witness"]) as windmill,
        sending(task(database, routes, windmill), PATIENT),
    ):
        record(database, [event(1), event(2)])
        until(lambda: len(attempts(database)) > 2)
        if how == "off":
            write_routes(tmp_path, more="enabled = false\n" + WITNESS)
        else:
            write_routes(tmp_path, name="witness")
        for number in (3, 4):
            record(database, [event(number)])
            until(lambda: f"msg_{number}" in started_by(windmill, "witness"))  # noqa: B023
            windmill.behave(deployed=None)
        assert started_by(windmill, "all") == []
        write_routes(tmp_path)
        record(database, [event(5)])
        until(lambda: all_in(database, *STARTED, count=5))
        # What came while it was off is for `replay`.
        assert started_by(windmill, "all") == ["msg_1", "msg_2", "msg_5"]


def test_a_route_that_is_corrected_sends_what_waits_where_it_says_now(
    database: str, tmp_path: Path
) -> None:
    routes = write_routes(tmp_path)
    hours = PATIENT._replace(pause_min_s=3_600.0, pause_max_s=3_600.0)
    with (
        StandIn(deployed=["p/f/raphus/right"]) as windmill,
        sending(task(database, routes, windmill), hours),
    ):
        record(database, [event(1), event(2)])
        until(lambda: len(attempts(database)) == 1)
        routes.write_text(routes.read_text().replace("f/raphus/all", "f/raphus/right"))
        until(lambda: all_in(database, *STARTED))
        assert started_by(windmill, "right") == ["msg_1", "msg_2"]


def test_a_route_to_a_windmill_that_is_away_is_corrected_while_probes_wait(
    database: str, tmp_path: Path
) -> None:
    with StandIn(down="unavailable") as away, StandIn() as windmill:
        url = f"{away.url}/api/w/shop/jobs/run/p/f/raphus/all?token=one"
        routes = write_routes(tmp_path)
        routes.write_text(f'[[route]]\nname = "all"\non = ["*"]\nurl = "{url}"\n')
        hours = QUICK._replace(probe_max_s=3_600.0, pause_min_s=3_600.0, opens_after=1)
        with sending(task(database, routes, windmill), hours):
            record(database, [event(1), event(2)])
            until(lambda: len(attempts(database)) == 1)
            write_routes(tmp_path)
            until(lambda: all_in(database, *STARTED))
            assert webhook_ids(windmill.jobs()) == ["msg_1", "msg_2"]


def test_a_route_without_an_address_waits_until_there_is_one(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    routes = write_routes(tmp_path)
    with StandIn() as windmill:
        nowhere = task(database, routes, windmill)
        nowhere.token = None
        with caplog.at_level(logging.INFO), sending(nowhere):
            record(database, [event(1)])
            until(lambda: all_in(database, "waiting"))
            until(lambda: "WINDMILL_TOKEN" in caplog.text)
            url = f"{windmill.url}/api/w/shop/jobs/run/p/f/raphus/all?token=a-token-that-tests-know"
            routes.write_text(f'[[route]]\nname = "all"\non = ["*"]\nurl = "{url}"\n')
            until(lambda: all_in(database, *STARTED))
    assert caplog.text.count("route all needs WINDMILL_TOKEN") == 1
    assert "a-token-that-tests-know" not in caplog.text


def test_a_file_that_goes_wrong_leaves_the_routes_as_they_were(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    routes = write_routes(tmp_path)
    with (
        caplog.at_level(logging.INFO),
        StandIn() as windmill,
        sending(task(database, routes, windmill)),
    ):
        record(database, [event(1)])
        until(lambda: all_in(database, *STARTED))
        routes.write_text("[[route]]\nname = 'all'\n")
        record(database, [event(2)])
        until(lambda: all_in(database, *STARTED, count=2))
        until(lambda: "those of before stay" in caplog.text)
        routes.unlink()
        record(database, [event(3)])
        until(lambda: all_in(database, *STARTED, count=3))
        until(lambda: "there is no such file" in caplog.text)
        write_routes(tmp_path, more=WITNESS)
        until(lambda: "that is over" in caplog.text)
        record(database, [event(4)])
        until(lambda: all_in(database, *STARTED, count=5))
        assert started_by(windmill, "all") == ["msg_1", "msg_2", "msg_3", "msg_4"]
    told = [one.getMessage() for one in caplog.records if "routes" in one.getMessage()]
    assert len(told) == 3


def test_nothing_is_passed_over_while_the_routes_are_not_known(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    routes = tmp_path / "windmill.toml"
    routes.write_text("[[route]]\n")
    begin(database)
    record(database, [event(1)])
    with StandIn() as windmill, sending(task(database, routes, windmill)):
        until(lambda: _listens(database))
        until(lambda: "nothing is started until they can" in caplog.text)
        record(database, [event(2)])
        write_routes(tmp_path)
        until(lambda: all_in(database, *STARTED, count=2))
        assert webhook_ids(windmill.jobs()) == ["msg_1", "msg_2"]
    assert [position for (position,) in outbox(database, "position")] == [1, 2]


def test_nothing_is_passed_over_while_the_file_is_being_written(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than it takes to record an event, also on a busy machine.
    monkeypatch.setattr("workflows.followed_file.WHOLE_S", 3.0)
    routes = write_routes(tmp_path)
    content = routes.read_text()
    with (
        StandIn() as windmill,
        sending(task(database, routes, windmill)),
        Ledger(database) as ledger,
    ):
        for number in range(1, 31):
            with routes.open("w") as file:  # which empties it
                receipts(ledger.record([event(number)]))
                time.sleep(0.01)
                file.write(content)
        until(lambda: all_in(database, *STARTED, count=30))
        assert webhook_ids(windmill.jobs()) == [f"msg_{number}" for number in range(1, 31)]


def _listens(database: str) -> bool:
    with connected(database) as conn:
        return conn.execute(LISTENS).fetchone() == (1,)
