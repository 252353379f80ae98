"""VACUUM of the log: neither do writers wait for it, nor it for them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import psycopg
from psycopg.sql import SQL, Literal

from tests.support.connected import connected
from tests.support.deliveries import receipts, renewals
from tests.support.log import broken_links, lines
from tests.support.outages import beside
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.application import Ledger
    from ledger.recorder import LedgerRecorder

AGE_MAX = 100_000
"""The least that PostgreSQL takes for `autovacuum_freeze_max_age`."""

# Each block that catches errors has a transaction number of its own.
_AGE = f"""
    CREATE TEMPORARY TABLE aged (n int);
    DO $$ BEGIN
        FOR n IN 1..{AGE_MAX + 1_000} LOOP
            BEGIN
                INSERT INTO aged VALUES (n);
            EXCEPTION WHEN division_by_zero THEN NULL;
            END;
        END LOOP;
    END $$
"""
_OLD_SOON = f"""
    ALTER TABLE raphus.ledger_events
    SET (autovacuum_freeze_max_age = {AGE_MAX}, autovacuum_freeze_min_age = 0)
"""
_VACUUMED = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND query = 'autovacuum: VACUUM raphus.ledger_events (to prevent wraparound)'
"""
_FINISHED = """
    SELECT age(relfrozenxid) FROM pg_class WHERE oid = 'raphus.ledger_events'::regclass
"""


@contextmanager
def set_for_all(conninfo: str, **settings: str) -> Iterator[None]:
    """Set parameters of the whole cluster, for as long as this is open."""
    with connected(beside(conninfo), autocommit=True) as conn:
        try:
            for name, value in settings.items():
                change = SQL("ALTER SYSTEM SET {} = {}").format(SQL(name), Literal(value))
                conn.execute(change)
            conn.execute("SELECT pg_reload_conf()")
            yield
        finally:
            for name in settings:
                conn.execute(SQL("ALTER SYSTEM RESET {}").format(SQL(name)))
            conn.execute("SELECT pg_reload_conf()")


def number(conn: psycopg.Connection, query: str) -> int:
    ((value,),) = conn.execute(query.encode()).fetchall()
    return int(value)


def test_a_writer_does_not_wait_for_what_vacuum_holds_for_its_whole_length(
    database: str, ledger: Ledger
) -> None:
    with connected(database) as conn:
        conn.execute("LOCK TABLE raphus.ledger_events IN SHARE UPDATE EXCLUSIVE MODE")
        receipts(ledger.record(renewals(range(5))))


def test_vacuum_does_not_wait_for_a_batch_that_is_being_written(
    database: str, ledger: Ledger
) -> None:
    receipts(ledger.record(renewals(range(5))))
    recorder = cast("LedgerRecorder", ledger.recorder)
    with (
        recorder.datastore.get_connection() as writing,
        writing.cursor() as curs,
        connected(database, autocommit=True) as conn,
    ):
        assert recorder._begin(curs).position == 5
        conn.execute("SET lock_timeout = '60s'")
        for statement in ("VACUUM", "VACUUM (FREEZE)", "ANALYZE", "VACUUM (ANALYZE)"):
            conn.execute(f"{statement} raphus.ledger_events".encode())
        writing.rollback()


def test_writers_go_on_while_autovacuum_prevents_wraparound_and_it_ends(
    database: str, ledger: Ledger
) -> None:
    receipts(ledger.record(renewals(range(500), size_bytes=4_000)))
    with connected(database, autocommit=True) as conn:
        conn.execute(_OLD_SOON.encode())
        conn.execute(_AGE.encode())
        slow = {"autovacuum_vacuum_cost_delay": "100", "autovacuum_vacuum_cost_limit": "1"}
        with set_for_all(database, autovacuum_naptime="1s"):
            with set_for_all(database, **slow):
                until(lambda: number(conn, _VACUUMED) == 1)
                for first in range(500, 700, 20):
                    receipts(ledger.record(renewals(range(first, first + 20))))
                assert number(conn, _VACUUMED) == 1
            until(lambda: number(conn, _FINISHED) < AGE_MAX)
    log = lines(database)
    assert [line.position for line in log] == list(range(1, 701))
    assert broken_links(log) == []
