"""The embedded database where it cannot be used: what it says then, and that nothing is harmed."""

from __future__ import annotations

import os
import shutil
import signal
import socketserver
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from postgres.embedded.accounts import server_account
from postgres.embedded.binaries import find_binaries
from postgres.embedded.cluster import Cluster
from postgres.embedded.endpoint import LOOPBACK, free_port
from postgres.embedded.processes import exists
from postgres.embedded.server import DETACH
from tests.support.embedded_users import is_stopped
from tests.support.waiting import GUARD_S, until


@pytest.fixture(scope="module")
def home(home: Path) -> Path:
    """One for all tests here; each leaves its cluster as it was, and stopped."""
    EmbeddedPostgres(home).start().stop()
    return home


def refusal(home: Path) -> str:
    """Return the message of a start that is refused, which says what else one can do."""
    with pytest.raises(EmbeddedPostgresError) as caught:
        EmbeddedPostgres(home).start()
    return str(caught.value)


def test_another_major_version_is_refused(home: Path) -> None:
    version = home / "postgres" / "data" / "PG_VERSION"
    original = version.read_text("utf-8")
    version.write_text("9\n", "utf-8")
    message = refusal(home)
    assert "made by PostgreSQL 9" in message
    assert "DATABASE_URL" in message
    assert is_stopped(home)
    assert version.read_text("utf-8") == "9\n"
    version.write_text(original, "utf-8")
    EmbeddedPostgres(home).start().stop()


def test_a_home_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    message = refusal(file / "home")
    assert str(file / "home") in message
    assert "DATABASE_URL" in message


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    precious = tmp_path / "postgres" / "data" / "precious"
    precious.touch()
    if os.geteuid() == 0:
        account = server_account(Path("/nonexistent"))
        os.chown(precious.parent, account.uid, account.gid)
    assert "not a database" in refusal(tmp_path)
    assert precious.exists()


def test_a_server_in_a_socket_directory_that_others_can_enter_is_refused(home: Path) -> None:
    database = EmbeddedPostgres(home).start()
    directory = Path(database.url.partition("host=")[2].partition("&")[0])
    owner = directory.stat()
    database.stop()
    directory.mkdir()
    os.chown(directory, owner.st_uid, owner.st_gid)
    directory.chmod(0o755)
    with socketserver.UnixStreamServer(str(directory / ".s.PGSQL.5432"), Impostor) as impostor:
        listening = Thread(target=impostor.serve_forever)
        listening.start()
        try:
            assert f"{directory} is not the database's private directory" in refusal(home)
        finally:
            impostor.shutdown()
            listening.join()
            shutil.rmtree(directory)


class Impostor(socketserver.BaseRequestHandler):
    """Answers like a server that runs, and has no more connections to give."""

    def handle(self) -> None:
        self.request.recv(1024)
        said = b"SFATAL\0C53300\0Mtoo many clients\0\0"
        self.request.sendall(b"E" + (len(said) + 4).to_bytes(4, "big") + said)


def test_a_running_server_whose_socket_directory_is_gone_is_named(home: Path) -> None:
    with EmbeddedPostgres(home) as database:
        directory = Path(database.url.partition("host=")[2].partition("&")[0])
        hidden = directory.with_name(f"{directory.name}-hidden")
        directory.rename(hidden)
        message = refusal(home)
        hidden.rename(directory)
        assert str(database.postmaster_pid) in message
        assert str(directory) in message


def test_a_server_that_ends_at_once_is_quoted(home: Path) -> None:
    settings = home / "postgres" / "data" / "postgresql.conf"
    original = settings.read_text("utf-8")
    settings.write_text(f"{original}\nmax_connections = 'many'\n", "utf-8")
    message = refusal(home)
    settings.write_text(original, "utf-8")
    assert 'invalid value for parameter "max_connections": "many"' in message
    assert is_stopped(home)


def test_a_server_that_was_started_by_hand_is_left_alone(home: Path) -> None:
    data = home / "postgres" / "data"
    account = server_account(data)
    postgres = find_binaries(account, None).directory / "postgres"
    with account.reaching(data) as (path, descriptors):
        command = [str(postgres), "-D", path, "-k", "", "-h", LOOPBACK, "-p", str(free_port())]
        detached = ["/bin/sh", "-c", DETACH, "sh", *command]
        account.run(detached, inherited=descriptors, limit_s=GUARD_S, stderr=subprocess.DEVNULL)
    cluster = Cluster(data, account)
    until(lambda: cluster.postmaster() is not None)
    by_hand = cluster.postmaster()
    assert by_hand
    try:
        assert f"did not start runs on {data}, with pid {by_hand.pid}" in refusal(home)
    finally:
        os.kill(by_hand.pid, signal.SIGINT)
        until(lambda: not exists(by_hand.pid))


def test_windows_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    message = refusal(home)
    assert "Windows" in message
    assert "DATABASE_URL" in message
