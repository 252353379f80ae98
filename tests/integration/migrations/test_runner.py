"""The migrations: safe for any number of starters, and the library's own tables to the column."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import psycopg
import pytest
from eventsourcing.postgres import (
    PostgresApplicationRecorder,
    PostgresDatastore,
    PostgresTrackingRecorder,
)
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from ledger.integrity.hash_chain import GENESIS
from migrations.runner import FOLDER, MigrationError, migrate
from postgres.advisory_locks import AdvisoryLock
from tests.support.catalog import describe
from tests.support.outages import beside
from tests.support.samples import PROJECT
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [path.stem for path in sorted(FOLDER.glob("*.sql"))]
STARTERS = 6
SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND query LIKE '%%pg_sleep(%%'"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with two small migrations, which a test may spoil."""
    write(tmp_path, "0001_first.sql", "CREATE TABLE raphus.first (a integer)")
    write(tmp_path, "0002_second.sql", "CREATE TABLE raphus.second (b integer)")
    return tmp_path


def write(folder: Path, name: str, sql: str) -> None:
    (folder / name).write_text(sql, encoding="utf-8")


def tables(conninfo: str) -> set[str]:
    with psycopg.connect(conninfo) as conn:
        found = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'raphus'")
        return {name for (name,) in found}


def applied(conninfo: str) -> list[tuple[int, str]]:
    with psycopg.connect(conninfo) as conn:
        return conn.execute("SELECT version, name FROM raphus.migrations ORDER BY 1").fetchall()


def test_each_file_is_applied_once(empty: str) -> None:
    assert migrate(empty) == NAMES
    assert migrate(empty) == []
    assert [f"{version:04}_{name}" for version, name in applied(empty)] == NAMES
    assert "ledger_events" in tables(empty)


def test_a_new_file_is_applied_to_a_database_that_has_the_others(empty: str, folder: Path) -> None:
    migrate(empty, folder)
    write(folder, "0003_third.sql", "CREATE TABLE raphus.third ()")
    assert migrate(empty, folder) == ["0003_third"]
    assert "third" in tables(empty)


def test_starters_at_once_on_an_empty_database_all_end_well(empty: str) -> None:
    together = Barrier(STARTERS, timeout=60)

    def start(_: int) -> list[str]:
        together.wait()
        return migrate(empty)

    with ThreadPoolExecutor(STARTERS) as starters:
        reports = list(starters.map(start, range(STARTERS)))
    assert Counter(name for report in reports for name in report) == Counter(NAMES)
    assert [f"{version:04}_{name}" for version, name in applied(empty)] == NAMES


def test_views_keep_their_grants_and_what_others_have_built_on_them(
    empty: str, tmp_path: Path
) -> None:
    for stem in NAMES[:6]:
        shutil.copy(FOLDER / f"{stem}.sql", tmp_path)
    migrate(empty, tmp_path)
    views = ("active_subscriptions", "open_disputes", "customers", "refusals")
    with psycopg.connect(empty, autocommit=True) as conn:
        for name in map(Identifier, views):
            conn.execute(SQL("GRANT SELECT ON raphus.{} TO pg_monitor").format(name))
            conn.execute(SQL("CREATE VIEW {} AS SELECT * FROM raphus.{}").format(name, name))
        migrate(empty)
        for view in views:
            privilege = "SELECT has_table_privilege('pg_monitor', %s, 'SELECT')"
            assert conn.execute(privilege, [f"raphus.{view}"]).fetchone() == (True,)
            select = SQL("SELECT count(*) FROM public.{}").format(Identifier(view))
            assert conn.execute(select).fetchone() == (0,)


def test_a_changed_file_is_refused(empty: str, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(FOLDER, folder)
    migrate(empty, folder)
    path = folder / f"{NAMES[0]}.sql"
    path.write_text(path.read_text("utf-8") + "\n-- harmless?\n", "utf-8")
    write(folder, f"{len(NAMES) + 1:04}_next.sql", "CREATE TABLE raphus.next ()")
    before = tables(empty)
    with pytest.raises(MigrationError, match=NAMES[0]):
        migrate(empty, folder)
    assert tables(empty) == before


def test_a_renamed_file_is_refused(empty: str, folder: Path) -> None:
    migrate(empty, folder)
    (folder / "0002_second.sql").rename(folder / "0002_other.sql")
    with pytest.raises(MigrationError, match=r"0002_other\.sql .* 0002_second"):
        migrate(empty, folder)


def test_a_missing_file_is_refused(empty: str, folder: Path) -> None:
    migrate(empty, folder)
    (folder / "0002_second.sql").unlink()
    with pytest.raises(MigrationError, match="at migration 2, this release knows 1"):
        migrate(empty, folder)


@pytest.mark.parametrize(
    "name", ["0003_Third.sql", "3_third.sql", "0003-third.sql", "0003_.sql", "third.sql"]
)
def test_a_misnamed_file_is_refused(empty: str, folder: Path, name: str) -> None:
    write(folder, name, "CREATE TABLE raphus.third ()")
    with pytest.raises(MigrationError, match=name):
        migrate(empty, folder)
    assert tables(empty) == set()


@pytest.mark.parametrize("name", ["0004_fourth.sql", "0002_twice.sql", "0000_zeroth.sql"])
def test_numbers_with_a_gap_or_given_twice_are_refused(empty: str, folder: Path, name: str) -> None:
    write(folder, name, "CREATE TABLE raphus.other ()")
    with pytest.raises(MigrationError, match="without a gap"):
        migrate(empty, folder)
    assert tables(empty) == set()


@pytest.mark.parametrize("wrong", ["SELECT 1 / 0;", "CREATE TABEL x ();", "CREATE TABLE no.no ();"])
def test_a_failing_file_leaves_nothing_behind_and_is_named(
    empty: str, folder: Path, wrong: str
) -> None:
    half = "CREATE TABLE raphus.half ();\nINSERT INTO raphus.first VALUES (1);\n"
    write(folder, "0002_second.sql", half + wrong)
    write(folder, "0003_third.sql", "CREATE TABLE raphus.third ()")
    with pytest.raises(MigrationError, match=r"0002_second\.sql failed"):
        migrate(empty, folder)
    assert tables(empty) == {"migrations", "first"}
    with psycopg.connect(empty) as conn:
        assert conn.execute("SELECT count(*) FROM raphus.first").fetchone() == (0,)
    write(folder, "0002_second.sql", half)
    assert migrate(empty, folder) == ["0002_second", "0003_third"]


def test_a_failing_file_is_told_without_the_rows_that_it_met(empty: str, folder: Path) -> None:
    twice = "INSERT INTO raphus.half VALUES ('jane@example.com'), ('jane@example.com')"
    write(folder, "0002_second.sql", f"CREATE TABLE raphus.half (who text UNIQUE); {twice}")
    with pytest.raises(MigrationError, match="duplicate key") as failed:
        migrate(empty, folder)
    assert "jane" not in str(failed.value)


def test_a_starter_whose_backend_is_killed_leaves_no_lock_and_nothing_half_done(
    empty: str, folder: Path
) -> None:
    write(folder, "0002_second.sql", "CREATE TABLE raphus.half (); SELECT pg_sleep(60)")
    with (
        psycopg.connect(beside(empty), autocommit=True) as conn,
        ThreadPoolExecutor(1) as thread,
    ):
        killed = thread.submit(migrate, empty, folder)
        until(lambda: sleepers(conn, empty) == 1)
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND query LIKE '%%pg_sleep(%%'",
            [conninfo_to_dict(empty)["dbname"]],
        )
        with pytest.raises(MigrationError, match=r"0002_second\.sql failed"):
            killed.result()
    assert tables(empty) == {"migrations", "first"}
    write(folder, "0002_second.sql", "CREATE TABLE raphus.half ()")
    assert migrate(empty, folder) == ["0002_second"]


def test_a_starter_that_is_killed_leaves_no_lock_and_nothing_half_done(
    empty: str, folder: Path
) -> None:
    write(folder, "0002_second.sql", "CREATE TABLE raphus.half (); SELECT pg_sleep(1)")
    program = "import sys, pathlib; from migrations.runner import migrate;"
    program += "migrate(sys.argv[1], pathlib.Path(sys.argv[2]))"
    command = [sys.executable, "-c", program, empty, str(folder)]
    with (
        psycopg.connect(beside(empty), autocommit=True) as conn,
        subprocess.Popen(command, cwd=PROJECT) as starter,
    ):
        until(lambda: sleepers(conn, empty) == 1)
        starter.kill()
    write(folder, "0002_second.sql", "CREATE TABLE raphus.half ()")
    assert migrate(empty, folder) == ["0002_second"]
    assert tables(empty) == {"migrations", "first", "half"}


def sleepers(conn: psycopg.Connection, conninfo: str) -> int:
    found = conn.execute(SLEEPING, [conninfo_to_dict(conninfo)["dbname"]]).fetchone()
    assert found is not None
    return int(found[0])


def test_a_second_starter_waits_for_the_first(empty: str, folder: Path) -> None:
    with ThreadPoolExecutor(1) as thread, psycopg.connect(empty, autocommit=True) as first:
        first.execute("SELECT pg_advisory_lock(%s)", [AdvisoryLock.MIGRATE.value])
        second = thread.submit(migrate, empty, folder)
        until(lambda: waiting(first) == 1)
        assert tables(empty) == set()
        first.execute("SELECT pg_advisory_unlock(%s)", [AdvisoryLock.MIGRATE.value])
        assert second.result() == ["0001_first", "0002_second"]


def waiting(conn: psycopg.Connection) -> int:
    found = conn.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ).fetchone()
    assert found is not None
    return int(found[0])


OURS = ("ledger_events", "projections_tracking", "stored_event", "es_insert_events")
"""How the names begin of what the library's recorders create under the names we gave them."""


def test_the_ledgers_tables_are_the_librarys_and_six_columns_three_indexes_and_three_triggers(
    database: str,
) -> None:
    create_the_librarys(database, "stock")
    stock = describe(database, "stock")
    ours = {line for line in describe(database, "raphus") if line.startswith(OURS)}
    (options,) = (line for line in stock if line.startswith("ledger_events is of kind r"))
    # Left out on purpose: it takes no lock, so that readers miss what it inserts.
    assert stock - ours == {"es_insert_events_text is a function", options}
    index = "ledger_events has the index CREATE INDEX"
    genesis = "decode(repeat('00'::text, 32), 'hex'::text)"
    assert ours - stock == {
        f"{options}, vacuum_truncate=false",
        'ledger_events.webhook_id: no. 6, text, not null, storage x, collation "default"',
        "ledger_events.recorded_at: no. 7, timestamp with time zone, not null, storage p",
        "ledger_events.hash: no. 8, bytea, not null, storage x",
        "ledger_events.content_hash: no. 9, bytea, storage x",
        "projections_tracking.events: no. 3, bigint, not null, default 0, storage p",
        f"projections_tracking.hash: no. 4, bytea, not null, default {genesis}, storage x",
        "ledger_events_topic_idx is of kind i, p, btree",
        f"{index} ledger_events_topic_idx ON ledger_events USING btree (topic, notification_id)",
        "ledger_events_webhook_idx is of kind i, p, btree",
        f"{index} ledger_events_webhook_idx ON ledger_events USING btree (webhook_id)",
        "ledger_events_notices_idx is of kind i, p, btree",
        (
            f"{index} ledger_events_notices_idx ON ledger_events USING btree (notification_id)"
            " WHERE (originator_id ~~ 'notice/%'::text)"
        ),
        "ledger_events has the trigger folds_of_changed_events",
        "ledger_events has the trigger folds_of_deleted_events",
        "ledger_events has the trigger folds_of_no_events",
    }


def create_the_librarys(conninfo: str, schema: str) -> None:
    """Let the library's own recorders create their tables, in another schema."""
    with psycopg.connect(conninfo) as conn:
        conn.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
    with PostgresDatastore("", "", "", "", "", schema=schema, originator_id_type="text") as store:
        store.pool.kwargs = {**conninfo_to_dict(conninfo), "row_factory": dict_row}
        PostgresApplicationRecorder(store, events_table_name="ledger_events").create_table()
        PostgresTrackingRecorder(store, tracking_table_name="projections_tracking").create_table()


def test_the_librarys_tracking_recorder_finds_its_table_as_it_would_leave_it(
    database: str,
) -> None:
    create_the_librarys(database, "stock")
    with psycopg.connect(database) as conn:
        stock = conn.execute("SELECT * FROM stock.projections_tracking").fetchall()
        ours = conn.execute("SELECT * FROM raphus.projections_tracking").fetchall()
    assert ours == [(*row, 0, GENESIS) for row in [*stock, ("ledger", 0)]]
