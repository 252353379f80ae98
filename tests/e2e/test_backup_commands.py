"""`raphus backup` and `raphus restore`: beside a running server, killed, and with Windmill."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from ledger.backup.new_file import UNFINISHED
from postgres.advisory_locks import AdvisoryLock, lock
from tests.e2e.test_rebuild_command import changed_program
from tests.support.embedded_users import home_of
from tests.support.histories import said
from tests.support.log import lines
from tests.support.program import (
    RAPHUS,
    Program,
    environment,
    has_caught_up,
    posted,
    raphus,
    serving,
)
from tests.support.projected import project, record, shown
from tests.support.projected import simulated as deliveries
from tests.support.rebuilds import execute, replayed
from tests.support.sender import sending, simulated
from tests.support.waiting import GUARD_S, until
from tests.support.windmill import outbox, write_routes
from tests.support.windmill_stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.sender import Webhook

WAITING: Final = """
    SELECT count(*) > 0 FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = %s
    AND (wait_event_type = 'Lock' OR query LIKE 'COPY %%')
"""


@pytest.fixture
def env(database: str, tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path / "home", DATABASE_URL=database)


@pytest.fixture
def into(empty: str, tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path / "home", DATABASE_URL=empty)


def done(*arguments: str, env: Mapping[str, str]) -> Any:  # noqa: ANN401 -- JSON
    """Run a command that must succeed, and return what it tells."""
    ended = raphus(*arguments, "--json", env=env)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def has_nothing(database: str) -> bool:
    with psycopg.connect(database) as conn:
        return conn.execute("SELECT to_regnamespace('raphus')").fetchone() == (None,)


def is_stuck(database: str, name: str) -> bool:
    with psycopg.connect(database) as conn:
        return conn.execute(WAITING, [name]).fetchone() == (True,)


def is_gone(database: str, name: str) -> bool:
    with psycopg.connect(database) as conn:
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        return conn.execute(count, [name]).fetchone() == (0,)


def test_what_is_backed_up_under_load_is_the_beginning_of_the_log(
    database: str, empty: str, env: dict[str, str], into: dict[str, str], tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    with serving(tmp_path / "home", DATABASE_URL=database) as server:
        backed_up = Event()
        with sending(paused(simulated(30, seed=1), backed_up), lambda: server.url) as sender:
            sender.until(100)
            before = {stored.position for stored in sender.acknowledged}
            told = done("backup", str(backup), env=env)
            backed_up.set()
        with server.client() as client:
            until(lambda: has_caught_up(client))
    restored = done("restore", str(backup), env=into)
    whole, part = lines(database), lines(empty)
    assert len(before) <= len(part) < len(whole)
    assert part == whole[: len(part)]
    assert told == {"file": str(backup), "events": len(part), "head": restored["head"]}
    assert restored["head"] == f"{len(part)}:{part[-1].hash.hex()}"
    assert (restored["fault"], restored["missing"]) == (None, None)
    assert restored["projected_position"] == str(len(part))
    now = shown(empty)
    assert now["payments"]
    assert now == replayed(empty)
    # The older log is the beginning of the newer one: its head proves it.
    assert raphus("verify", "--against", told["head"], env=env).returncode == 0


def paused(webhooks: list[Webhook], go_on: Event) -> Iterator[Webhook]:
    """Give webhooks as fast as they are taken, and the last ones when it is time."""
    yield from webhooks[:-50]
    go_on.wait(GUARD_S)
    yield from webhooks[-50:]


def test_an_embedded_database_moves_through_a_pipe(migrated_home: Path, tmp_path: Path) -> None:
    with home_of(None, migrated_home) as home, home_of(None) as other:
        with serving(home) as server:
            with server.client() as client:
                for number in range(3):
                    delivery = said("subscription.active", number, subscription_id=f"sub_{number}")
                    assert posted(client, delivery.body, f"msg_{number}").status_code == 200
            ended = subprocess.run(  # noqa: S602 -- what a user would type
                f"'{RAPHUS}' backup - | RAPHUS_HOME='{other}' '{RAPHUS}' restore -",
                shell=True,
                env=environment(home),
                capture_output=True,
                check=True,
                timeout=GUARD_S,
            )
        assert b"backed up 3 events to -" in ended.stderr
        assert b"the log is whole: 3 events" in ended.stdout
        events = [raphus("events", "--json", env=environment(at)).stdout for at in (home, other)]
        assert events[0] == events[1]
        assert events[0].count("\n") == 3
        with serving(other) as server:
            items = server.get("/v1/subscriptions")["items"]
        assert [item["subscription_id"] for item in items] == ["sub_2", "sub_1", "sub_0"]
    assert list(tmp_path.iterdir()) == []


def test_a_person_is_told_what_there_is(
    database: str, env: dict[str, str], into: dict[str, str], tmp_path: Path
) -> None:
    record(database, deliveries(3))
    ended = raphus("backup", str(tmp_path / "backup"), env=env)
    head = raphus("verify", "--head", env=env).stdout.strip()
    events = head.partition(":")[0]
    assert ended.stdout.splitlines() == [
        f"backed up {events} events to {tmp_path / 'backup'}",
        f"head: {head}",
    ]
    assert re.search(rf"^back up ledger_events: {events} of {events}", ended.stderr, re.MULTILINE)
    again = raphus("backup", str(tmp_path / "backup"), env=env)
    assert again.returncode == 1
    assert again.stderr.endswith("is there already: choose another name, or remove it\n")
    ended = raphus("restore", str(tmp_path / "backup"), env=into)
    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(
        r"restored what was backed up at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n"
        rf"the log is whole: {events} events\nhead: {head}\n"
        r"who was forgotten after that is not: raphus forget has to be run again for each\n"
        rf"read models: up to position {events}\nWindmill's outbox: no jobs\n",
        ended.stdout,
    )
    ended = raphus("restore", str(tmp_path / "backup"), env=into)
    assert ended.returncode == 1
    assert "nothing is restored: the schema raphus of this database is not empty" in ended.stderr
    assert "Set RAPHUS_HOME to a new directory, or DATABASE_URL to a new database" in ended.stderr


def test_what_cannot_be_restored_is_told(
    database: str, empty: str, env: dict[str, str], into: dict[str, str], tmp_path: Path
) -> None:
    record(database, deliveries(3))
    done("backup", str(tmp_path / "backup"), env=env)
    whole = (tmp_path / "backup").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-9])
    (tmp_path / "damaged").write_bytes(whole[:5_000] + b"?" + whole[5_001:])
    (tmp_path / "other").write_bytes(b"PGDMP")
    for name, message in {
        "cut": "nothing is restored: it is cut off before its end",
        "damaged": "nothing is restored: it is damaged",
        "other": "it is not a backup of Raphus",
        "missing": "cannot be read: No such file or directory",
    }.items():
        ended = raphus("restore", str(tmp_path / name), env=into)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert message in ended.stderr
        assert "Traceback" not in ended.stderr
        assert has_nothing(empty)


def test_a_log_that_was_tampered_with_is_restored_and_told(
    database: str, empty: str, env: dict[str, str], into: dict[str, str], tmp_path: Path
) -> None:
    record(database, deliveries(3))
    execute(database, "UPDATE raphus.ledger_events SET topic = 'x' WHERE notification_id = 5")
    done("backup", str(tmp_path / "backup"), env=env)
    ended = raphus("restore", str(tmp_path / "backup"), env=into)
    assert ended.returncode == 1
    assert "position 5: " in ended.stdout
    assert "was not whole when it was backed up; it is restored as it was" in ended.stderr
    assert lines(empty) == lines(database)


def test_a_reader_that_ends_early_is_a_failure_here(database: str, env: dict[str, str]) -> None:
    record(database, deliveries(20))
    with subprocess.Popen(
        [RAPHUS, "backup", "-"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(10)) == 10
        process.stdout.close()
        told = process.stderr.read().decode()
        assert process.wait(GUARD_S) == 1
    assert "raphus: the backup is not whole: Broken pipe" in told
    assert "Traceback" not in told
    assert "Exception ignored" not in told


def test_a_backup_that_is_stopped_or_killed_leaves_no_file(
    database: str, env: dict[str, str], tmp_path: Path
) -> None:
    record(database, deliveries(3))
    folder = tmp_path / "backups"
    folder.mkdir()
    command = [str(RAPHUS), "backup", str(folder / "backup")]
    left: list[Path] = []
    for number, code in ((signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)):
        with psycopg.connect(database) as conn:
            conn.execute("LOCK TABLE raphus.windmill_outbox")  # so that it cannot go on
            with subprocess.Popen(command, env=env, stderr=subprocess.PIPE) as process:
                until(lambda: is_stuck(database, "raphus-backup"))
                left = list(folder.iterdir())
                process.send_signal(number)
                _, told = process.communicate(timeout=GUARD_S)
        assert (process.returncode, told) == (code, b"")
        assert not (folder / "backup").exists()
    assert list(folder.iterdir()) == left, "the first has removed its own, the second could not"
    assert [path.name.endswith(UNFINISHED) for path in left] == [True]
    done("backup", str(folder / "backup"), env=env)


def test_what_a_killed_backup_has_written_is_not_taken_for_whole(
    database: str, empty: str, env: dict[str, str], into: dict[str, str], tmp_path: Path
) -> None:
    record(database, deliveries(20))
    with subprocess.Popen([RAPHUS, "backup", "-"], env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        written = process.stdout.read(50_000)  # and it waits for somebody to read the rest
        process.kill()
        written += process.stdout.read()
    (tmp_path / "half").write_bytes(written)
    ended = raphus("restore", str(tmp_path / "half"), env=into)
    assert ended.returncode == 1
    assert "cut off" in ended.stderr
    assert has_nothing(empty)


def test_a_restore_that_is_killed_has_restored_nothing(
    database: str, empty: str, env: dict[str, str], into: dict[str, str], tmp_path: Path
) -> None:
    record(database, deliveries(20))
    done("backup", str(tmp_path / "backup"), env=env)
    whole = (tmp_path / "backup").read_bytes()
    with subprocess.Popen([RAPHUS, "restore", "-"], env=into, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(whole[: len(whole) // 2])
        process.stdin.flush()
        until(lambda: is_stuck(empty, "raphus-restore"))
        process.kill()
    until(lambda: is_gone(empty, "raphus-restore"))
    assert has_nothing(empty)
    done("restore", str(tmp_path / "backup"), env=into)
    assert lines(empty) == lines(database)


def test_a_restore_that_dies_before_the_read_models_are_there_is_completed_by_a_server(
    database: str, empty: str, env: dict[str, str], into: dict[str, str], tmp_path: Path
) -> None:
    record(database, deliveries(3))
    project(database)
    done("backup", str(tmp_path / "backup"), env=env)
    with psycopg.connect(empty) as conn:
        lock(conn, AdvisoryLock.FOLLOW)  # nobody else may follow the log
        ended = raphus("restore", str(tmp_path / "backup"), env=into)
    assert ended.returncode == 1
    assert "the read models are not current: another process follows the log" in ended.stderr
    assert not any(shown(empty).values())
    with serving(tmp_path / "home", DATABASE_URL=empty) as server, server.client() as client:
        until(lambda: has_caught_up(client))
    assert shown(empty) == shown(database)


def test_a_newer_release_restores_a_backup_and_an_older_one_refuses_its(
    database: str, empty: str, env: dict[str, str], into: dict[str, str], tmp_path: Path
) -> None:
    record(database, deliveries(3))
    newer = {"PYTHONPATH": str(changed_program(tmp_path / "changed"))}
    done("backup", str(tmp_path / "old"), env=env)
    told = by_newer(["restore", str(tmp_path / "old"), "--json"], env=into | newer)
    assert json.loads(told)["applied"][-1].endswith("_subscription_brands")
    with psycopg.connect(empty) as conn:
        found = conn.execute("SELECT count(brand_id) > 0 FROM raphus.subscriptions").fetchone()
    assert found == (True,)
    by_newer(["backup", str(tmp_path / "new")], env=into | newer)
    ended = raphus("restore", str(tmp_path / "new"), env=env)
    assert ended.returncode == 1
    assert "run the newer release" in ended.stderr


def by_newer(arguments: list[str], env: dict[str, str]) -> str:
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli", *arguments],
        env=env,
        capture_output=True,
        check=True,
        encoding="utf-8",
        timeout=GUARD_S,
    ).stdout


def test_a_restored_server_starts_nothing_twice(
    database: str, empty: str, env: dict[str, str], into: dict[str, str], tmp_path: Path
) -> None:
    routes, home = write_routes(tmp_path), tmp_path / "home"
    events = [
        said("subscription.active", n, f"msg_{n}", subscription_id=f"sub_{n}") for n in range(9)
    ]
    with StandIn() as windmill:
        settings = {**windmill.settings, "WINDMILL_ROUTES": str(routes)}
        with serving(home, DATABASE_URL=database, **settings) as server:
            post(server, events[:3])
            until(lambda: of_windmill(database) == ["started"] * 3)
            windmill.behave(down="refusing")
            post(server, events[3:5])
            until(lambda: of_windmill(database) == ["started"] * 3 + ["waiting"] * 2)
            done("backup", str(tmp_path / "backup"), env=env)
            # What the backup does not know: those that waited are started, and others come.
            windmill.behave(down="no")
            post(server, events[5:7])
            until(lambda: of_windmill(database) == ["started"] * 7)
        restored = done("restore", str(tmp_path / "backup"), env=into)
        assert restored["jobs"]["waiting"] == 2
        before = len(windmill.requests())
        with serving(home, DATABASE_URL=empty, **settings) as server:
            until(lambda: of_windmill(empty) == ["started"] * 5)
            post(server, events)  # Dodo's recovery sends all again, and goes on
            until(lambda: of_windmill(empty) == ["started"] * 9)
        jobs = windmill.jobs()
        asked_again = [one for one in windmill.requests()[before:] if one.method == "POST"]
    started = [job.arguments["event"]["webhook_id"] for job in jobs]
    assert sorted(started) == [event.webhook_id for event in events], "once each"
    first = {job.id for job in jobs[:3]}
    assert {one.job_id for one in asked_again if one.job_id in first} == set()
    refused = {one.job_id for one in asked_again if one.status == 400}
    assert refused == {job.id for job in jobs[3:7]}


def post(server: Program, events: list[Any]) -> None:
    with server.client() as client:
        for event in events:
            assert posted(client, event.body, event.webhook_id).status_code == 200


def of_windmill(database: str) -> list[str]:
    """Return how the jobs fare, in order; those that have ended count as started."""
    return ["started" if state == "succeeded" else state for (state,) in outbox(database, "state")]
