"""Raphus's side of Windmill in tests: the process that starts jobs, and what it has recorded."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cli.settings import without_secrets
from telemetry.board import Board, Place
from telemetry.kept_process import KeptProcess
from tests.support.connected import connected
from tests.support.histories import said
from tests.support.windmill_stand_in import SECRET, TOKEN, WORKSPACE
from workflows.limits import Limits
from workflows.outbox.follower import begin
from workflows.task import PROGRAM, Task
from workflows.worker import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from domain.delivery import Delivery
    from tests.support.windmill_stand_in import Job, StandIn

ROUTE = """
[[route]]
name = "{name}"
on = ["{on}"]
script = "f/raphus/{name}"
"""
HOOK: Final = """
[[route]]
name = "{name}"
on = ["{on}"]
endpoint = "{url}/{name}"
secret = "{secret}"
private = true
"""
QUICK: Final = Limits(
    pause_min_s=0.01,
    pause_max_s=0.05,
    probe_max_s=0.05,
    tries_max=4,
    webhook_pauses_s=(0.01,) * 3,
    shown_within_s=0.02,
)
"""Everything as ever, but that it is tried again soon, and soon given up.

Most tests let nobody fill the read models.
"""
STARTED: Final = ("started", "succeeded")
"""The states of a job that Windmill has; of its outcome it is asked a second later."""


def write_routes(folder: Path, *, name: str = "all", on: str = "*", more: str = "") -> Path:
    """Write a file of one route, with more lines below it."""
    path = folder / "windmill.toml"
    path.write_text(ROUTE.format(name=name, on=on) + more, "utf-8")
    return path


def write_hook(
    folder: Path,
    url: str,
    *,
    name: str = "all",
    on: str = "*",
    more: str = "",
    secret: str = SECRET,
) -> Path:
    """Write a file of one route to an endpoint on this machine, with more lines below it."""
    path = folder / "windmill.toml"
    path.write_text(HOOK.format(name=name, on=on, url=url, secret=secret) + more, "utf-8")
    return path


def event(number: int, about: str = "sub_1") -> Delivery:
    """Make an event of a subscription; their order is that of their numbers."""
    return said("subscription.updated", number, f"msg_{number}", subscription_id=about)


def task(conninfo: str, routes: Path, stand_in: StandIn, token: str = TOKEN) -> Task:
    """Say what the process is to work with."""
    return Task(conninfo, str(routes), stand_in.url, WORKSPACE, token)


def kept(what: Task) -> KeptProcess:
    """Return the process that works with it, to be started."""
    place = Place("workflows", ["workflows"], 0)
    told = msgspec.json.encode(what)
    return KeptProcess(PROGRAM, told, without_secrets(os.environ), place, Board(place))


@contextmanager
def starting_jobs(conninfo: str, routes: Path, stand_in: StandIn) -> Iterator[KeptProcess]:
    """Start jobs for what is recorded from now on, until the block ends."""
    begin(conninfo)
    process = kept(task(conninfo, routes, stand_in))
    process.start()
    try:
        yield process
    finally:
        process.stop()


@contextmanager
def sending(what: Task, limits: Limits = QUICK) -> Iterator[None]:
    """Do the same in this process, in a thread, with limits of its own."""
    begin(what.conninfo)
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()

    async def until_cancelled() -> None:
        running = asyncio.create_task(run(what, limits))
        begun.set_result((asyncio.get_running_loop(), running))
        await asyncio.wait([running])

    thread = Thread(target=asyncio.run, args=[until_cancelled()], name="windmill")
    thread.start()
    loop, running = begun.result()
    try:
        yield
        assert not running.done(), "it has ended by itself"
    finally:
        loop.call_soon_threadsafe(running.cancel)
        thread.join()


def begin_at_the_beginning(conninfo: str) -> None:
    """Let the outbox be empty, and its follower read the whole log."""
    begin(conninfo)
    with connected(conninfo) as conn:
        conn.execute("TRUNCATE raphus.windmill_outbox CASCADE")
        conn.execute(
            "UPDATE raphus.projections_tracking SET notification_id = 0, events = DEFAULT,"
            " hash = DEFAULT WHERE application_name = 'windmill'"
        )


def outbox(conninfo: str, columns: str = "webhook_id, state") -> list[tuple[Any, ...]]:
    """Read the outbox, in the order in which jobs fell due."""
    with connected(conninfo, autocommit=True) as conn:
        return conn.execute(
            f"SELECT {columns} FROM raphus.windmill_outbox ORDER BY due".encode()
        ).fetchall()


def attempts(conninfo: str, columns: str = "webhook_id, number, status") -> list[tuple[Any, ...]]:
    """Read the attempts, job by job."""
    with connected(conninfo, autocommit=True) as conn:
        return conn.execute(
            f"SELECT {columns} FROM raphus.windmill_attempts JOIN raphus.windmill_outbox"
            " USING (job_id) ORDER BY due, number".encode()
        ).fetchall()


def all_in(conninfo: str, *states: str, count: int | None = None) -> bool:
    """Tell whether there are jobs, so many if a count is given, and all are in these states."""
    with connected(conninfo, autocommit=True) as conn:
        row = conn.execute(
            "SELECT count(*), bool_and(state = ANY (%s)) FROM raphus.windmill_outbox",
            [list(states)],
        ).fetchone()
    assert row is not None
    jobs, are_in = row
    return bool(are_in) and jobs == (count or jobs)


def overtaken(conninfo: str, jobs: list[Job]) -> list[str]:
    """Return the jobs that were accepted before another of their lane that had fallen due first."""
    lanes = {
        str(job_id): (lane, due)
        for job_id, due, *lane in outbox(conninfo, "job_id, due, route, stream_id")
    }
    latest: dict[tuple[str, ...], int] = {}
    found = []
    for job in jobs:
        lane, due = lanes[job.id]
        if due < latest.get(tuple(lane), 0):
            found.append(job.id)
        latest[tuple(lane)] = due
    return found


def webhook_ids(jobs: list[Job]) -> list[str]:
    """Return which events jobs were started for."""
    return [job.arguments["event"]["webhook_id"] for job in jobs]
