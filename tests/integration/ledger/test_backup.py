"""Backing up and restoring: one moment of a database that is written to, all of it or nothing."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, Final

import pytest
from psycopg.sql import SQL, Identifier

from ledger.backup.archive import BackupError, Header, Reader, Table, Writer
from ledger.backup.dump import LOG, TABLES, dump
from ledger.backup.load import load
from ledger.integrity.verify import head, verify
from migrations.runner import MigrationError, NotEmptyError
from projections.read_models.catalogue import READ_MODELS
from tests.support.connected import connected
from tests.support.histories import said
from tests.support.log import lines
from tests.support.projected import project, record, shown, simulated
from tests.support.rebuilds import execute, ignore, replayed
from workflows.outbox.follower import begin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.progress import Progress
    from tests.support.http_server import CopyOf

JOB: Final = """
    INSERT INTO raphus.windmill_outbox
        (job_id, route, stream_id, webhook_id, type, position, known_position, problem)
    VALUES (
        gen_random_uuid(), 'all', 'a stream', 'msg_1', 'a.type', 1, 1, E'a\\tb\\n\\\\.\\nc \u20ac'
    )
"""
ATTEMPT: Final = """
    INSERT INTO raphus.windmill_attempts
    SELECT job_id, 1, clock_timestamp(), 7, NULL, '' FROM raphus.windmill_outbox
"""
KEY: Final = """
    INSERT INTO raphus.api_keys (name, prefix, hash, scopes)
    VALUES ('web', 'raphus_abcdef', decode(repeat('ab', 32), 'hex'), ARRAY['read', 'admin'])
"""
PLACE: Final = """
    INSERT INTO raphus.import_places (business_id, mode, walk, place)
    VALUES ('bus_1', 'test_mode', 'payments', '{"leg": "0"}')
"""
RECONCILIATION: Final = """
    INSERT INTO raphus.reconciliations (business_id, mode, days, outcomes, advice)
    VALUES ('bus_1', 'test_mode', 30, '{"lost": 1}', ARRAY['see to it'])
"""
FINDING: Final = """
    INSERT INTO raphus.reconciliation_findings
        (reconciliation_id, business_id, kind, object_id, outcome, types, since, may_still_come,
        fields, looked_at)
    SELECT id, business_id, 'payment', 'pay_1', 'lost', ARRAY['payment.succeeded'],
        clock_timestamp(), false, '{}', clock_timestamp() FROM raphus.reconciliations;
    INSERT INTO raphus.upkeep_jobs (kind, place, ended_at, outcome)
    VALUES ('verify', 'command_line', clock_timestamp(), 'well')
"""
ANNOUNCED: Final = """
    INSERT INTO raphus.announcing (family, policy, release) VALUES ('access', 'active = yes', '1');
    INSERT INTO raphus.announced_access VALUES ('bus_1', 'cus_1', 'pdt_1', clock_timestamp());
    INSERT INTO raphus.announced_anomalies
    VALUES ('subscription/bus_1/sub_1', 'gap', 'subscription', 'sub_1', '', 'bus_1', '{}')
"""
CORRECTION: Final = """
    INSERT INTO raphus.clock_corrections
    SELECT max(notification_id) + 1, max(recorded_at) + interval '1 hour', max(recorded_at)
    FROM raphus.ledger_events
"""
_SELECT: Final = "SELECT t::text FROM raphus.{} AS t WHERE t::text NOT LIKE '(ledger,%' ORDER BY 1"


def lived(conninfo: str) -> None:
    record(conninfo, simulated(6))
    project(conninfo)
    begin(conninfo)
    for statement in (JOB, JOB, ATTEMPT, KEY, PLACE, RECONCILIATION, FINDING, ANNOUNCED):
        execute(conninfo, statement)


@pytest.fixture
def filled(copy_of: CopyOf) -> Iterator[str]:
    """Give a database with a merchant's history, followed, and two jobs for Windmill."""
    with copy_of(lived) as conninfo:
        yield conninfo


def dumped(database: str, progress: Progress = ignore) -> tuple[bytes, Header]:
    file = io.BytesIO()
    header = dump(database, file, progress)
    return file.getvalue(), header


def loaded(database: str, backup: bytes) -> None:
    load(database, Reader(io.BytesIO(backup)), ignore)


def rows(database: str, table: str) -> list[str]:
    """Read a table as text, but for the read models' own checkpoint."""
    with connected(database) as conn:
        return [text for (text,) in conn.execute(_SELECT.format(table).encode())]


def has_nothing(database: str) -> bool:
    with connected(database) as conn:
        return conn.execute("SELECT to_regnamespace('raphus')").fetchone() == (None,)


def test_what_was_noted_of_the_logs_clock_is_restored(filled: str, empty: str) -> None:
    execute(filled, CORRECTION)
    backup, _ = dumped(filled)
    loaded(empty, backup)
    assert rows(empty, "clock_corrections") == rows(filled, "clock_corrections") != []


def test_what_is_restored_is_what_was_backed_up(filled: str, empty: str) -> None:
    backup, _ = dumped(filled)
    loaded(empty, backup)
    assert lines(empty) == lines(filled)
    for table in TABLES:
        assert rows(empty, table) == rows(filled, table)
        assert rows(empty, table) or table == "clock_corrections"
    with connected(empty, autocommit=True) as conn:
        assert verify(conn).fault is None
    assert not any(shown(empty).values()), "they are not backed up"
    project(empty)
    assert shown(empty) == shown(filled) == replayed(empty)


def test_what_was_restored_goes_on(filled: str, empty: str) -> None:
    backup, _ = dumped(filled)
    loaded(empty, backup)
    new = [said("subscription.active", 0, "msg_new", subscription_id="sub_new")]
    for database in (filled, empty):
        record(database, [*simulated(6), *new])
        execute(database, JOB)
    assert [line[:6] for line in lines(empty)] == [line[:6] for line in lines(filled)]
    assert dues(empty) == dues(filled) == [1, 2, 3]


def dues(database: str) -> list[int]:
    with connected(database) as conn:
        found = conn.execute("SELECT due FROM raphus.windmill_outbox ORDER BY due").fetchall()
    return [due for (due,) in found]


def test_it_is_of_one_moment_whatever_is_written_meanwhile(filled: str, empty: str) -> None:
    before, jobs = lines(filled), rows(filled, "windmill_outbox")

    def write(phase: str, _done: int, _total: int) -> None:
        if phase.endswith(LOG):
            record(filled, [said("payment.succeeded", len(lines(filled)), payment_id="pay_1")])
            execute(filled, JOB)
            project(filled)

    backup, header = dumped(filled, write)
    loaded(empty, backup)
    assert lines(empty) == before == lines(filled)[: len(before)] != lines(filled)
    assert rows(empty, "windmill_outbox") == jobs != rows(filled, "windmill_outbox")
    with connected(empty) as conn:
        assert str(head(conn)) == header.head == f"{len(before)}:{before[-1].hash.hex()}"


def test_every_table_is_backed_up_or_follows_from_the_log(database: str) -> None:
    with connected(database) as conn:
        found = conn.execute(
            "SELECT relname, relpersistence FROM pg_class"
            " WHERE relnamespace = 'raphus'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition"
        ).fetchall()
    lasting = {name for name, persistence in found if persistence == "p"}
    # Whoever reads a page of the log notes the homes of its events, and stores folds; whatever
    # writes subscriptions counts them, or what is earned adds it up.
    earned = {"taking_days", "following_takings", "recurring_days", "shared_books", "book_moves"}
    earned |= {"cohort_days", "trials"}
    beside = {"homes", "folds", "earlier_folds", "subscription_counts", *earned}
    follows = {*beside, *(model.table for model in READ_MODELS)}
    assert lasting == {*TABLES, "migrations", *follows}


def test_a_database_without_anything_of_raphus_is_not_backed_up(empty: str) -> None:
    with pytest.raises(BackupError, match="nothing to back up"):
        dumped(empty)
    assert has_nothing(empty)


def test_what_is_there_is_not_restored_over(filled: str, empty: str) -> None:
    backup, _ = dumped(filled)
    execute(filled, "DELETE FROM raphus.windmill_attempts")
    before = lines(filled), shown(filled)
    with pytest.raises(NotEmptyError):
        loaded(filled, backup)
    assert (lines(filled), shown(filled)) == before
    loaded(empty, backup)
    with pytest.raises(NotEmptyError):
        loaded(empty, backup)


def test_nothing_is_restored_of_a_file_that_is_cut_off(filled: str, empty: str) -> None:
    backup, _ = dumped(filled)
    for size_bytes in (len(backup) // 9, len(backup) // 9 * 8, len(backup) - 1):
        with pytest.raises(BackupError, match="cut off"):
            loaded(empty, backup[:size_bytes])
        assert has_nothing(empty)
    loaded(empty, backup)
    assert lines(empty) == lines(filled)


def test_nothing_is_restored_of_rows_that_the_hash_does_not_cover(filled: str, empty: str) -> None:
    backup, _ = dumped(filled)
    text = gzip.decompress(backup)
    assert text.count(b"\tmsg_1\t") == 2
    with pytest.raises(BackupError, match="damaged"):
        loaded(empty, gzip.compress(text.replace(b"\tmsg_1\t", b"\tmsg_2\t")))
    assert has_nothing(empty)


def test_rows_that_cannot_be_stored_are_not_quoted(filled: str, empty: str) -> None:
    table = Table(LOG, ("originator_version",), 1)
    with pytest.raises(BackupError, match="cannot be stored") as error:
        loaded(empty, forged(filled, table, [b"a secret\n"]))
    assert "secret" not in str(error.value)
    assert has_nothing(empty)


def test_damage_is_told_rather_than_what_comes_of_it(filled: str, empty: str) -> None:
    backup, _ = dumped(filled)
    for old, new in ((b"\t1\t", b"\tone\t"), (b'"windmill_', b'"windmall_')):
        with pytest.raises(BackupError, match="it is damaged"):
            loaded(empty, gzip.compress(gzip.decompress(backup).replace(old, new)))
    assert has_nothing(empty)


@pytest.mark.parametrize("name", ["subscriptions", "pg_authid", 'x"; --'])
def test_nothing_but_what_is_backed_up_is_restored(filled: str, empty: str, name: str) -> None:
    with pytest.raises(BackupError, match="what this release does not know"):
        loaded(empty, forged(filled, Table(name, ("stream_id",), 0), []))
    assert has_nothing(empty)


def forged(database: str, table: Table, rows: list[bytes]) -> bytes:
    """Make a whole backup with a table of its own."""
    file, (_, header) = io.BytesIO(), dumped(database)
    writer = Writer(file, header)
    writer.add(table, rows)
    writer.end()
    return file.getvalue()


def test_a_backup_of_other_tables_is_refused(filled: str, empty: str) -> None:
    execute(filled, "ALTER TABLE raphus.ledger_events ADD COLUMN ours text")
    backup, _ = dumped(filled)
    with pytest.raises(BackupError, match="ledger_events has what this release does not know: our"):
        loaded(empty, backup)
    assert has_nothing(empty)


def test_a_newer_release_is_told(filled: str, empty: str) -> None:
    execute(
        filled,
        "INSERT INTO raphus.migrations SELECT 1 + max(version), 'x', '' FROM raphus.migrations",
    )
    with pytest.raises(MigrationError, match="run the newer release"):
        dumped(filled)
    execute(filled, "DELETE FROM raphus.migrations WHERE name = 'x'")
    backup, header = dumped(filled)
    number = len(header.migrations) + 1
    newer = b'"migrations":[%s' % b",".join(b'[%d,"x",""]' % n for n in range(number))
    text = gzip.decompress(backup).replace(b'"migrations":[', newer + b",")
    with pytest.raises(MigrationError, match=r"the backup is at .*: run the newer"):
        loaded(empty, gzip.compress(text))
    assert has_nothing(empty)


def test_an_empty_log_is_backed_up_too(database: str, empty: str) -> None:
    backup, header = dumped(database)
    loaded(empty, backup)
    assert header.head.startswith("0:")
    assert lines(empty) == []
    record(empty, [said("payment.succeeded", payment_id="pay_1")])
    project(empty)
    assert len(shown(empty)["payments"]) == 1


def test_a_log_with_a_hole_is_restored_with_it(filled: str, empty: str) -> None:
    execute(filled, "DELETE FROM raphus.ledger_events WHERE notification_id = 5")
    backup, _ = dumped(filled)
    loaded(empty, backup)
    assert lines(empty) == lines(filled)
    with connected(empty, autocommit=True) as conn:
        assert verify(conn).fault is not None


def test_the_tables_can_be_written_to_while_they_are_backed_up(filled: str) -> None:
    """No lock is held that a writer, a vacuum or an index of the owner's would wait for."""
    with connected(filled, autocommit=True) as conn:
        conn.execute("SET lock_timeout = '60s'")

        def vacuum(_phase: str, _done: int, _total: int) -> None:
            for table in TABLES:
                conn.execute(SQL("VACUUM {}").format(Identifier("raphus", table)))

        dumped(filled, vacuum)


def test_a_backup_of_an_earlier_build_is_restored_without_the_tables_that_it_had_not(
    filled: str, empty: str
) -> None:
    with connected(filled, autocommit=True) as conn:
        for table in TABLES[TABLES.index("api_keys") :][::-1]:
            conn.execute(SQL("DROP TABLE {}").format(Identifier("raphus", table)))
        newest = "SELECT max(version) FROM raphus.migrations WHERE name = 'api_keys'"
        ((version,),) = conn.execute(newest).fetchall()
        conn.execute("DELETE FROM raphus.migrations WHERE version >= %s", [version])
    backup, header = dumped(filled)
    assert header.migrations[-1].version == version - 1
    loaded(empty, backup)
    assert lines(empty) == lines(filled)
