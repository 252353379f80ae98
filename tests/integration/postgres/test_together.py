"""Statements that are sent together: what they answer, and what is so where one of them fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgres import together as module
from postgres.connections import FOLLOWING, WORKING, connect
from postgres.together import BEGIN, COMMIT, Sent, roll_back, together
from tests.support.trips import counting_trips

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgres.connections import Connection

ONE_IN_BYTES = b"\0\0\0\1"
LARGE = 3 * 2**20
INSERT = b"INSERT INTO told VALUES ($1)"
ALL = Sent(b"SELECT number FROM told ORDER BY number")


@pytest.fixture
def conn(database: str) -> Iterator[Connection]:
    with connect(database, FOLLOWING, "test") as conn:
        conn.execute("CREATE TEMPORARY TABLE told (number bigint PRIMARY KEY)")
        yield conn


@given(asked=st.lists(st.lists(st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=9))
def test_each_has_its_own_rows_whatever_the_types_of_its_parameters(
    conn: Connection, asked: list[list[int]]
) -> None:
    statement = b"SELECT * FROM unnest($1::bigint[])"
    answers = together(conn, [Sent(statement, [numbers]) for numbers in asked])
    assert answers == [[(number,) for number in numbers] for numbers in asked]


def test_all_of_them_are_one_round_trip(conn: Connection) -> None:
    sent = [BEGIN, *(Sent(INSERT, [number]) for number in range(9)), ALL, COMMIT]
    with counting_trips() as trips:
        answers = together(conn, sent)
    assert len(trips) == 1
    assert answers[-2] == [(number,) for number in range(9)]


def test_nothing_takes_no_round_trip(conn: Connection) -> None:
    with counting_trips() as trips:
        assert together(conn, []) == []
    assert trips == []


def test_values_are_as_they_are_asked_for(conn: Connection) -> None:
    one = Sent(b"SELECT $1::bytea, 1", [ONE_IN_BYTES])
    assert together(conn, [one, one._replace(binary=True)]) == [[(ONE_IN_BYTES, 1)]] * 2


def test_large_things_go_both_ways_at_once(conn: Connection) -> None:
    sent = [Sent(b"SELECT $1::bytea", [bytes([number]) * LARGE]) for number in range(4)]
    assert together(conn, sent) == [[(bytes([number]) * LARGE,)] for number in range(4)]


def test_what_fails_is_told_and_what_comes_behind_it_is_not_done(conn: Connection) -> None:
    sent = [Sent(INSERT, [1]), Sent(INSERT, [1]), Sent(b"SELECT 1 / 0"), Sent(INSERT, [2])]
    with pytest.raises(psycopg.errors.UniqueViolation):
        together(conn, sent)
    assert together(conn, [ALL]) == [[]]


def test_a_statement_that_cannot_be_prepared_is_told_too(conn: Connection) -> None:
    with pytest.raises(psycopg.errors.UndefinedColumn):
        together(conn, [Sent(INSERT, [1]), Sent(b"SELECT nothing FROM told"), ALL])
    assert together(conn, [Sent(INSERT, [1]), ALL]) == [[], [(1,)]]


def test_a_commit_behind_what_fails_commits_nothing(conn: Connection) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        together(conn, [BEGIN, Sent(INSERT, [1]), Sent(INSERT, [1]), COMMIT])
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        together(conn, [ALL])
    roll_back(conn)
    assert together(conn, [ALL]) == [[]]


def test_what_is_rolled_back_leaves_statements_prepared(conn: Connection) -> None:
    together(conn, [BEGIN, Sent(INSERT, [1])])
    conn.execute(INSERT.replace(b"$1", b"%s"), [2], prepare=True)
    roll_back(conn)
    together(conn, [Sent(INSERT, [1])])
    conn.execute(INSERT.replace(b"$1", b"%s"), [2], prepare=True)
    assert together(conn, [ALL]) == [[(1,), (2,)]]


def test_without_a_transaction_there_is_nothing_to_roll_back(conn: Connection) -> None:
    with counting_trips() as trips:
        roll_back(conn)
    assert trips == []


def test_a_server_that_ends_the_connection_is_heard(conn: Connection) -> None:
    ending = Sent(b"SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(psycopg.errors.AdminShutdown):
        together(conn, [BEGIN, Sent(INSERT, [1]), ending, COMMIT])
    assert conn.closed
    roll_back(conn)
    with pytest.raises(psycopg.OperationalError):
        together(conn, [ALL])


def test_where_nothing_stays_prepared_psycopg_may_roll_back(database: str) -> None:
    with connect(database, WORKING, "test") as conn:
        conn.execute("CREATE TEMPORARY TABLE told (number bigint PRIMARY KEY)")
        for number in range(2):
            together(conn, [Sent(INSERT, [number])])
            with conn.transaction(force_rollback=True):
                conn.execute("SELECT 1", prepare=True)
        assert together(conn, [ALL]) == [[(0,), (1,)]]


def test_after_a_failure_all_is_prepared_again(conn: Connection) -> None:
    together(conn, [Sent(INSERT, [1])])
    with conn.transaction(force_rollback=True):
        conn.execute("SELECT 1", prepare=True)
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        together(conn, [Sent(INSERT, [2])])
    together(conn, [Sent(INSERT, [2])])
    assert together(conn, [ALL]) == [[(1,), (2,)]]


def test_only_so_many_stay_prepared(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PREPARED_MAX", 3)
    for number in (*range(9), 0, 8):
        assert together(conn, [Sent(f"SELECT {number}".encode())]) == [[(number,)]]
    prepared = conn.execute("SELECT statement FROM pg_prepared_statements ORDER BY 1").fetchall()
    assert prepared == [("SELECT 0",), ("SELECT 7",), ("SELECT 8",)]


def test_notices_that_come_meanwhile_are_not_lost(conn: Connection) -> None:
    conn.execute("LISTEN told")
    together(conn, [Sent(b"SELECT pg_notify('told', 'once')"), ALL])
    assert [notice.payload for notice in conn.notifies(timeout=0)] == ["once"]


def test_rows_that_were_streamed_before_change_nothing(conn: Connection) -> None:
    numbers = Sent(b"SELECT * FROM generate_series(1, 9)")
    together(conn, [numbers])
    with conn.cursor() as curs:
        assert len([*curs.stream("SELECT * FROM generate_series(1, 9)", size=2)]) == 9
    assert together(conn, [numbers, numbers]) == [[(number,) for number in range(1, 10)]] * 2
