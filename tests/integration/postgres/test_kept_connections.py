"""What tests look through is kept, and is as a new connection would be."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.connected import connected, disconnect
from tests.support.outages import away, beside, terminate_backends


def pid(conninfo: str) -> int:
    with connected(conninfo) as conn:
        return conn.info.backend_pid


def test_the_next_look_is_through_the_same_one_and_two_at_once_are_two(database: str) -> None:
    with connected(database) as conn:
        assert pid(database) == pid(database) != conn.info.backend_pid


def test_nothing_is_left_of_what_was_set_and_locked(database: str) -> None:
    with connected(database) as conn:
        conn.execute("SET search_path = raphus; SELECT pg_advisory_lock(5)")
        conn.execute("CREATE TEMP TABLE own (number int); LISTEN something")
        before = conn.info.backend_pid
    with connected(database) as conn:
        assert conn.info.backend_pid == before
        assert conn.execute("SHOW search_path").fetchone() == ('"$user", public',)
        told = "SELECT to_regclass('own'), (SELECT count(*) FROM pg_listening_channels())"
        assert conn.execute(told.encode()).fetchone() == (None, 0)
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 5"
        assert conn.execute(locks.encode()).fetchone() == (0,)


def test_what_is_done_is_committed_and_what_fails_is_not(database: str) -> None:
    with connected(database) as conn:
        conn.execute("CREATE TABLE written (number int)")
    with pytest.raises(psycopg.errors.DivisionByZero), connected(database) as conn:
        conn.execute("INSERT INTO written SELECT 1 / n FROM generate_series(1, 0, -1) AS n")
    with connected(database, autocommit=True) as conn:
        conn.execute("INSERT INTO written VALUES (2)")
        with psycopg.connect(database) as other:
            assert other.execute("SELECT number FROM written").fetchall() == [(2,)]


def test_one_that_was_ended_meanwhile_is_not_given(database: str) -> None:
    before = pid(database)
    with connected(beside(database), autocommit=True) as conn:
        assert terminate_backends(conn, database) == 0  # those of tests are not told
    assert pid(database) != before
    with away(database), pytest.raises(psycopg.OperationalError):
        pid(database)
    assert pid(database)


def test_none_is_left_of_a_database_that_is_to_be_copied(database: str) -> None:
    before = pid(database)
    disconnect(database)
    assert pid(database) != before
