"""Kill -9 of each process, and of PostgreSQL: every event is sent once, and in order."""

from __future__ import annotations

import random
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from domain.state_machine import Verdict
from postgres.embedded import EmbeddedPostgres
from tests.support.embedded_users import home_of, is_stopped, kill
from tests.support.evidence import check_log, quoted
from tests.support.histories import aggregates, delivery
from tests.support.http_server import SECRET
from tests.support.program import has_ended, postmaster_of, processes_of, program
from tests.support.sender import Supply, sending, simulated
from tests.support.waiting import until
from tests.support.windmill import outbox, overtaken
from tests.support.windmill_stand_in import SECRET as SIGNED_WITH
from tests.support.windmill_stand_in import TOKEN, EndpointProcess, StandInProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.program import Program
    from tests.support.sender import Webhook
    from tests.support.windmill_stand_in import Fault, Job

FAULTS: Final[dict[Fault, float]] = {
    "error": 0.02,
    "bad_gateway": 0.02,
    "too_many": 0.02,
    "unavailable": 0.02,
    "page": 0.02,
    "slow": 0.02,
    "gateway_timeout": 0.03,
    "cut_before": 0.03,
    "cut_after": 0.03,
}
WINDMILL: Final = """
[[route]]
name = "every"
on = ["*"]
script = "f/raphus/every"
verdicts = ["applied", "unchanged", "refused", "none"]

[[route]]
name = "valid"
on = ["*"]
flow = "f/raphus/valid"
"""
ENDPOINT: Final = f"""
[[route]]
name = "every"
on = ["*"]
endpoint = "URL/every"
secret = "{SIGNED_WITH}"
private = true
verdicts = ["applied", "unchanged", "refused", "none"]

[[route]]
name = "valid"
on = ["*"]
endpoint = "URL/valid"
secret = "{SIGNED_WITH}"
private = true
"""
ALL_DONE_S: Final = 300.0
"""Hundreds of jobs, after pauses of up to 30 s before a sender that is killed begins again."""
PACE_S: Final = 0.02
"""Between two webhooks, so that new ones are left for most strikes."""
_WORKFLOWS, _REQUESTS, _FOLLOWER = "starts Windmill's jobs", "takes requests", "follows the log"


class Run:
    """The program with its processes, and who of them is killed."""

    def __init__(self, server: Program, home: Path) -> None:
        self.server = server
        self.home = home
        self.met: dict[str, set[int]] = {_WORKFLOWS: set(), _REQUESTS: set(), _FOLLOWER: set()}
        """The processes that were seen to run, by what they do."""

    def running(self, does: str) -> int:
        """Wait for a process that does something, and return its id."""
        pid = until(lambda: processes_of(self.server, does))[-1]
        self.met[does].add(pid)
        return pid

    def kill_sender(self) -> None:
        """Kill who starts jobs; the server starts another."""
        self._kill(_WORKFLOWS)

    def kill_worker(self) -> None:
        """Kill one of those who take requests; the others go on."""
        self._kill(_REQUESTS)

    def kill_follower(self) -> None:
        """Kill who follows the log."""
        self._kill(_FOLLOWER)

    def kill_processes(self) -> None:
        """Kill one of each."""
        for pid in list(map(self.running, self.met)):
            kill(pid)

    def kill_server(self) -> None:
        """Kill the supervisor; the others end by themselves."""
        pids = list(map(self.running, self.met))
        self.server.kill()
        until(lambda: all(map(has_ended, pids)))
        self.server.start()

    def kill_server_and_sender(self) -> None:
        """Kill both at once."""
        pid = self.running(_WORKFLOWS)
        self.server.kill()
        kill(pid)
        self.server.start()

    def kill_postgres(self) -> None:
        """Kill the database; the server starts it again."""
        pid = postmaster_of(self.home)
        kill(pid)
        until(lambda: has_ended(pid))

    def kill_all(self) -> None:
        """Kill everything at once."""
        pids = [postmaster_of(self.home), *map(self.running, self.met)]
        self.server.kill()
        for pid in pids:
            kill(pid)
        self.server.start()

    def _kill(self, does: str) -> None:
        pid = self.running(does)
        kill(pid)
        until(lambda: self.running(does) != pid)


STRIKES: Final[list[Callable[[Run], None]]] = [
    Run.kill_sender,
    Run.kill_sender,
    Run.kill_sender,
    Run.kill_worker,
    Run.kill_worker,
    Run.kill_worker,
    Run.kill_follower,
    Run.kill_follower,
    Run.kill_processes,
    Run.kill_server,
    Run.kill_server,
    Run.kill_postgres,
    Run.kill_postgres,
    Run.kill_server_and_sender,
    Run.kill_all,
]


@pytest.mark.long
@pytest.mark.parametrize(
    ("stands_in", "declared", "faults"),
    [
        (StandInProcess, WINDMILL, FAULTS),
        # A page is not Windmill's, but an endpoint may answer what it will: 200 is 200.
        (EndpointProcess, ENDPOINT, {**FAULTS, "page": 0.0}),
    ],
    ids=["windmill", "endpoint"],
)
@pytest.mark.parametrize("seed", [1])
def test_every_event_is_sent_once_and_in_order_whatever_is_killed(
    seed: int,
    stands_in: type[StandInProcess],
    declared: str,
    faults: dict[Fault, float],
    migrated_home: Path,
    tmp_path: Path,
) -> None:
    chance = random.Random(seed)
    webhooks = simulated(10, seed)
    routes = tmp_path / "windmill.toml"
    with (
        home_of(None, migrated_home) as home,
        stands_in(faults=faults, seed=seed, delay_s=0.005, slow_s=0.3) as target,
    ):
        routes.write_text(declared.replace("URL", target.url))
        settings = {
            **target.settings,
            "RAPHUS_ROUTES": str(routes),
            "RAPHUS_WORKERS": "2",
        }
        with program(home, **settings) as server:
            run = Run(server, home)
            server.start()
            supply = Supply(webhooks, PACE_S)
            with sending(supply, lambda: server.url) as sender:
                for strike in chance.sample(STRIKES, len(STRIKES)):
                    sender.until(len(sender.acknowledged) + chance.randint(5, 25))
                    time.sleep(chance.uniform(0, 0.3))
                    strike(run)
                supply.end()
            for does in run.met:
                run.running(does)
            with EmbeddedPostgres(home) as database:
                until(lambda: is_done(database.url, webhooks), limit_s=ALL_DONE_S)
        assert is_stopped(home)
        assert all(has_ended(pid) for pids in run.met.values() for pid in pids)
        said, jobs, requests = server.said, target.jobs(), target.requests()
        with EmbeddedPostgres(home) as database:
            check_log(database.url, webhooks, sender.acknowledged)
            check_jobs(database.url, jobs, webhooks)
    assert {request.fault for request in requests} >= {name for name in faults if faults[name]}
    # What was accepted and not known to be was sent again, and found to be known.
    assert any(request.status == 400 or request.is_repeated for request in requests)
    assert all(len(pids) > STRIKES.count(Run.kill_sender) for pids in run.met.values())
    assert quoted(said, [webhook.body for webhook in webhooks]) == set()
    assert not any(secret in said for secret in (SECRET, SIGNED_WITH, TOKEN))
    assert "Traceback" not in said


def check_jobs(conninfo: str, jobs: list[Job], webhooks: list[Webhook]) -> None:
    """Check that each event that a route is for was handled once, in order."""
    assert len({job.id for job in jobs}) == len(jobs), "a job was accepted twice"
    assert {job.id for job in jobs} == {str(one) for (one,) in outbox(conninfo, "job_id")}
    started = {(job.path, job.arguments["event"]["webhook_id"]) for job in jobs}
    assert len(started) == len(jobs)
    every = {webhook_id for path, webhook_id in started if path.endswith("/every")}
    assert every == {webhook.webhook_id for webhook in webhooks}
    valid = {webhook_id for path, webhook_id in started if path.endswith("/valid")}
    assert accepted(webhooks) <= valid <= every
    told = [(job.arguments["access"], job.arguments["state"]) for job in jobs]
    assert any(access for access, _ in told)
    assert all(access["customer_id"] == of["customer_id"] for access, of in told if access)
    assert overtaken(conninfo, jobs) == []
    assert out_of_order(conninfo, [job for job in jobs if job.path.endswith("/every")]) == []


def accepted(webhooks: list[Webhook]) -> set[str]:
    """Return the events that are not refused once all are known."""
    deliveries = [delivery(webhook.body, webhook.webhook_id) for webhook in webhooks]
    return {
        entry.webhook_id
        for one in aggregates(deliveries).values()
        for entry in one.timeline()
        if entry.verdict is not Verdict.REFUSED
    }


def out_of_order(conninfo: str, jobs: list[Job]) -> list[str]:
    """Return the aggregates whose events were not sent in the order of the log."""
    streams = {str(job_id): stream for job_id, stream in outbox(conninfo, "job_id, stream_id")}
    lanes: dict[str, list[int]] = {}
    for job in jobs:
        position = int(job.arguments["event"]["position"])
        lanes.setdefault(streams[job.id], []).append(position)
    return [
        stream
        for stream, positions in lanes.items()
        if any(after <= before for before, after in pairwise(positions))
    ]


def is_done(conninfo: str, webhooks: list[Webhook]) -> bool:
    """Tell whether every event has its job, and the target has all of them."""
    try:
        found = outbox(conninfo, "route, state")
    except psycopg.OperationalError:
        return False
    assert "parked" not in {state for _, state in found}
    every = sum(route == "every" for route, _ in found)
    waits = any(state == "waiting" for _, state in found)
    return every == len({webhook.webhook_id for webhook in webhooks}) and not waits
