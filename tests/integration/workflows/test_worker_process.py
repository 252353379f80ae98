"""The process that starts jobs: it runs while it is wanted, ends, and keeps secrets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from telemetry import child, kept_process
from telemetry.heartbeat import EVERY_S
from telemetry.kept_process import KeptProcess, watched
from tests.support.projected import record
from tests.support.waiting import until
from tests.support.windmill import (
    STARTED,
    all_in,
    attempts,
    event,
    kept,
    outbox,
    sending,
    starting_jobs,
    task,
    write_routes,
)
from tests.support.windmill_stand_in import StandIn
from workflows.outbox.follower import begin
from workflows.task import Task

SECRET: Final = "wm-a-secret-that-shows-nowhere"
URL_ROUTE: Final = """
[[route]]
name = "by_url"
on = ["*"]
url = "{url}/api/w/shop/jobs/run/p/f/raphus/by_url?token={token}"
"""


@pytest.fixture
def interpreters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start programs as a server of a user's does."""
    monkeypatch.setattr(kept_process, "child", child)


def process_of(keeper: KeptProcess) -> subprocess.Popen[bytes]:
    """Wait for the process that runs now."""
    until(lambda: keeper._process is not None and keeper._process.poll() is None)
    assert keeper._process is not None
    return keeper._process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_dies_is_started_again(
    database: str, tmp_path: Path, number: signal.Signals
) -> None:
    routes = write_routes(tmp_path)
    with StandIn() as windmill, starting_jobs(database, routes, windmill) as keeper:
        record(database, [event(1)])
        until(lambda: all_in(database, *STARTED))
        first = process_of(keeper)
        first.send_signal(number)
        record(database, [event(2)])
        until(lambda: all_in(database, *STARTED, count=2))
        until(lambda: first.returncode is not None)  # it may have started that job, too
        assert first.returncode == (0 if number == signal.SIGTERM else -number)
        assert process_of(keeper).pid != first.pid
    assert keeper._process is not None
    assert keeper._process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
@pytest.mark.usefixtures("interpreters")
def test_the_process_begins_with_no_secret_in_its_environment(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "DODO_PAYMENTS_WEBHOOK_KEY RAPHUS_API_KEY DATABASE_URL WINDMILL_TOKEN".split()
    for name in names:
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("WINDMILL_WORKSPACE", "shop")
    with StandIn() as windmill, starting_jobs(database, write_routes(tmp_path), windmill) as one:
        environ = Path(f"/proc/{process_of(one).pid}/environ")
        if os.access(environ, os.R_OK):  # root may look; to others the process is concealed
            until(environ.read_bytes)  # there is none while a program begins
            seen = environ.read_bytes()
            assert b"WINDMILL_WORKSPACE=shop" in seen
            assert SECRET.encode() not in seen


@pytest.mark.usefixtures("interpreters")
def test_a_process_that_hangs_before_it_has_begun_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_process, "BEGINS_S", EVERY_S)
    keeper = kept(Task("host=127.0.0.1 port=9", str(write_routes(tmp_path)), None, None, None))
    with watched([keeper]):
        keeper.start()
        try:
            first = process_of(keeper)
            first.send_signal(signal.SIGSTOP)
            until(lambda: first.returncode is not None)
        finally:
            keeper.stop()
    assert first.returncode == -signal.SIGKILL


@pytest.mark.usefixtures("interpreters")
def test_it_may_be_stopped_at_any_moment(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    with StandIn() as windmill:
        for _ in range(5):
            keeper = kept(task(database, routes, windmill))
            keeper.start()
            keeper.stop()
            assert keeper._process is None or keeper._process.returncode is not None


def test_a_process_ends_though_its_database_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        conninfo = f"host=127.0.0.1 port={silent.getsockname()[1]} sslmode=disable"
        routes = write_routes(tmp_path)
        keeper = kept(Task(conninfo, str(routes), None, None, None))
        keeper.start()
        process = process_of(keeper)
        accepted, _ = silent.accept()
        with accepted:
            keeper.stop()
    assert process.returncode == 0


def test_a_process_ends_though_windmill_does_not_answer(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    with StandIn(failing={"msg_1": "slow"}, slow_s=3_600.0) as windmill:
        with starting_jobs(database, routes, windmill) as keeper:
            record(database, [event(1)])
            until(lambda: len(windmill.jobs()) == 1)
        assert keeper._process is not None
        assert keeper._process.returncode == 0
        windmill.behave(failing={})
        with starting_jobs(database, routes, windmill):
            until(lambda: all_in(database, *STARTED))
        assert len(windmill.jobs()) == 1


def test_a_process_without_a_task_ends() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "workflows.worker_process"], check=False, stdin=subprocess.DEVNULL
    )
    assert ended.returncode == 0


def test_no_secret_shows_in_logs_and_tables(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with StandIn(token=SECRET, failing={"msg_2": "echo"}) as windmill:
        more = URL_ROUTE.format(url=windmill.url, token=SECRET)
        routes = write_routes(tmp_path, more=more)
        with caplog.at_level("DEBUG"), sending(task(database, routes, windmill, SECRET)):
            record(database, [event(1)])
            until(lambda: all_in(database, *STARTED, count=2))
            record(database, [event(2)])
            until(lambda: all_in(database, *STARTED, "parked", count=4))
            windmill.behave(token="another")
            record(database, [event(3)])
            until(lambda: caplog.text.count("Windmill is away") == 2)
            routes.write_text(routes.read_text() + "nonsense")
            until(lambda: "the routes cannot be read" in caplog.text)
    tables = str(outbox(database, "windmill_outbox::text")) + str(
        attempts(database, "windmill_attempts::text AS attempt")
    )
    assert "Bearer …" in tables
    assert SECRET not in caplog.text + tables


@pytest.mark.usefixtures("interpreters")
def test_no_secret_shows_in_arguments_and_on_standard_error(
    database: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    routes = write_routes(tmp_path)
    begin(database)
    with StandIn(token=SECRET) as windmill:
        keeper = kept(task(database, routes, windmill, SECRET))
        keeper.start()
        try:
            record(database, [event(1)])
            until(lambda: all_in(database, *STARTED))
            shown = str(process_of(keeper).args)
        finally:
            keeper.stop()
    assert "workflows.worker_process" in shown
    assert SECRET not in shown
    assert SECRET not in capfd.readouterr().err
