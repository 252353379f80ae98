"""The embedded database when processes die: its users, its postmaster, or both."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from postgres.embedded import EmbeddedPostgres, processes
from postgres.embedded.processes import exists
from tests.support.embedded_users import (
    ACCOUNTS,
    IS_ROOT,
    home_of,
    is_stopped,
    kill,
    launched,
    started,
    user,
)
from tests.support.waiting import GUARD_S, until

CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children")
"""The kernel's list of a process's children."""


def revived(database: EmbeddedPostgres, old_pid: int) -> int:
    """Wait for the watcher to bring the server back; return the new postmaster's pid."""

    def is_back() -> bool:
        return database.postmaster_pid not in {None, old_pid} and answers(database.url)

    until(is_back)
    assert database.postmaster_pid
    return database.postmaster_pid


def answers(url: str) -> bool:
    try:
        with psycopg.connect(url) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def written(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM written")]


def test_a_killed_user_does_not_count_as_one(home: Path) -> None:
    with user(home) as first, user(home) as second, user(home) as third:
        first.kill()
        assert answers(second.url)
        second.leave()
        assert not is_stopped(home)
        third.kill()
        assert answers(third.url)
    with user(home) as later:
        assert later.postmaster_pid == third.postmaster_pid
        later.leave()
    assert is_stopped(home)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_no_committed_row_is_lost_when_postmaster_and_users_are_killed(
    account: str | None,
) -> None:
    chance = random.Random(7)
    with (
        home_of(account) as home,
        user(home, account, writes=True) as writer,
        EmbeddedPostgres(home) as database,
    ):
        numbers: list[int] = []
        pid = writer.postmaster_pid
        for _ in range(3):
            numbers += writer.numbers(chance.randint(1, 100))
            kill(pid)
            pid = revived(database, pid)
        numbers += writer.numbers(chance.randint(1, 100))
        kill(writer.process.pid)
        kill(pid)
        numbers += writer.numbers()
        revived(database, pid)
        rows = written(database.url)
        assert set(numbers) <= set(rows)
        assert len(rows) == len(set(rows))


def test_when_all_are_killed_the_next_starter_recovers(home: Path) -> None:
    with user(home, writes=True) as writer:
        numbers = writer.numbers(50)
        kill(writer.process.pid)
        kill(writer.postmaster_pid)
        numbers += writer.numbers()
    with EmbeddedPostgres(home) as database:
        assert set(numbers) <= set(written(database.url))


def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(home: Path) -> None:
    with user(home) as killed:
        killed.kill()
        kill(killed.postmaster_pid)
    until(lambda: is_stopped(home))
    data = home / "postgres" / "data"
    sockets = Path(killed.url.partition("host=")[2].partition("&")[0])
    # The server itself would take any process of its own account for its predecessor.
    with subprocess.Popen(["sleep", "600"], user=data.stat().st_uid) as other:
        try:
            for stale in (data / "postmaster.pid", sockets / ".s.PGSQL.5432.lock"):
                _, *rest = stale.read_text("utf-8").splitlines(keepends=True)
                stale.write_text("".join([f"{other.pid}\n", *rest]), "utf-8")
            with EmbeddedPostgres(home) as database:
                assert answers(database.url)
                assert database.postmaster_pid != other.pid
            assert other.poll() is None
        finally:
            other.kill()


def test_a_process_that_nobody_has_reaped_does_not_run() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        assert exists(process.pid)
        process.kill()
        until(lambda: not exists(process.pid))
        assert process.returncode is None


def test_users_with_their_own_watchers_bring_back_one_server(home: Path) -> None:
    with EmbeddedPostgres(home) as first, EmbeddedPostgres(home) as second:
        with user(home) as third:
            kill(third.postmaster_pid)
            pid = revived(first, third.postmaster_pid)
            assert second.postmaster_pid == pid
            third.leave()
        assert answers(second.url)


def test_a_server_keeps_its_tcp_port(new_home: Path) -> None:
    with EmbeddedPostgres(new_home, durable=False, tcp=True) as database:
        url, pid = database.tcp_url, database.postmaster_pid
        assert url
        assert pid
        kill(pid)
        revived(database, pid)
        assert database.tcp_url == url
        assert answers(url)


def test_a_busy_backend_does_not_hold_up_the_next_server(home: Path) -> None:
    with (
        EmbeddedPostgres(home) as database,
        psycopg.connect(database.url) as busy,
        psycopg.connect(database.url, autocommit=True) as observer,
    ):
        backend = busy.info.backend_pid
        endless = Thread(target=count_for_ever, args=[busy])
        endless.start()
        until(lambda: is_active(observer, backend))
        pid = database.postmaster_pid
        assert pid
        assert processes.orphans(home / "postgres" / "data") == []
        kill(pid)
        revived(database, pid)
        assert not exists(backend)
        endless.join()


def count_for_ever(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT count(*) FROM generate_series(1, 1e15::bigint) AS a(n)")


def is_active(connection: psycopg.Connection, backend: int) -> bool:
    query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
    return connection.execute(query, [backend]).fetchone() is not None


@pytest.mark.parametrize("sign", ["data.unfinished/base", "data/postmaster.pid"])
def test_a_start_that_is_interrupted_leaves_no_server(new_home: Path, sign: str) -> None:
    with launched(new_home, wrapper=["env"]) as process:  # as Ctrl-C ends an interpreter
        until((new_home / "postgres" / sign).exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(GUARD_S) != 0
    assert is_stopped(new_home)


class _Interrupted(Thread):
    """Ctrl-C comes just as the thread begins, which is when its starter waits."""

    def start(self) -> None:
        super().start()
        raise KeyboardInterrupt


class _NotBegun(Thread):
    """Ctrl-C comes before the thread has begun."""

    def start(self) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("thread", [_Interrupted, _NotBegun])
def test_nor_does_one_that_is_interrupted_when_the_server_is_there(
    home: Path, thread: type[Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postgres.embedded.supervisor.Thread", thread)
    with pytest.raises(KeyboardInterrupt):
        EmbeddedPostgres(home).start()
    assert is_stopped(home)


@pytest.mark.skipif(not CHILDREN.exists(), reason="the system does not name a process's children")
def test_a_starter_waits_for_what_a_killed_one_left_at_work(new_home: Path) -> None:
    with launched(new_home) as process:
        until((new_home / "postgres" / "data.unfinished" / "base").exists)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        initdb = int(children.read_text("utf-8"))
        os.kill(initdb, signal.SIGSTOP)
        process.kill()
    try:
        assert not is_stopped(new_home)
        with launched(new_home) as process:
            os.kill(initdb, signal.SIGCONT)
            assert answers(started(process).url)
            assert not exists(initdb)
    finally:
        kill(initdb)


@pytest.mark.skipif(not IS_ROOT, reason="an ordinary user sees its own processes anyway")
def test_root_without_the_right_to_trace_manages_too(home: Path) -> None:
    wrapper = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
    with user(home, wrapper=wrapper) as blind:
        kill(blind.postmaster_pid)
        until(lambda: answers(blind.url))
        blind.leave()
    assert is_stopped(home)


def test_a_system_without_proc_manages_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PROC", Path("/nonexistent"))
    with EmbeddedPostgres(home) as database:
        pid = database.postmaster_pid
        assert pid
        kill(pid)
        revived(database, pid)
    assert is_stopped(home)
