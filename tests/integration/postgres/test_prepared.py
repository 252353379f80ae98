"""One value, past psycopg's cursors: the same value and the same errors."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.errors import DivisionByZero
from psycopg.types.numeric import Int8

from postgres.prepared import value_of
from tests.support.trips import counting_trips

if TYPE_CHECKING:
    from collections.abc import Iterator

SUM = b"SELECT $1 + $2"


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn


@given(one=st.integers(-(2**62), 2**62 - 1), other=st.integers(-(2**62), 2**62 - 1))
def test_a_value_is_what_the_statement_gives(
    conn: psycopg.Connection, one: int, other: int
) -> None:
    assert value_of(conn, SUM, [Int8(one), Int8(other)]) == one + other


def test_null_is_none(conn: psycopg.Connection) -> None:
    assert value_of(conn, b"SELECT $1::int8", [None]) is None


def test_from_the_second_time_on_it_is_one_round_trip(conn: psycopg.Connection) -> None:
    value_of(conn, SUM, [Int8(1), Int8(2)])
    with counting_trips() as trips:
        assert value_of(conn, SUM, [Int8(3), Int8(4)]) == 7
    assert len(trips) == 1


def test_an_error_is_psycopgs_and_the_connection_goes_on(conn: psycopg.Connection) -> None:
    quotient = b"SELECT 6 / $1"
    for _ in range(2):
        with pytest.raises(DivisionByZero):
            value_of(conn, quotient, [Int8(0)])
        assert value_of(conn, quotient, [Int8(2)]) == 3


def test_a_statement_that_cannot_be_prepared_says_so_each_time(conn: psycopg.Connection) -> None:
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            value_of(conn, b"SELECT count(*) FROM nowhere", [])
    assert value_of(conn, SUM, [Int8(1), Int8(2)]) == 3


def test_what_was_deallocated_is_prepared_again(conn: psycopg.Connection) -> None:
    for _ in range(2):
        assert value_of(conn, SUM, [Int8(1), Int8(2)]) == 3
        assert value_of(conn, b"SELECT 2 * $1", [Int8(2)]) == 4
        conn.execute("DEALLOCATE ALL")


def test_psycopgs_own_statements_stand_beside_it(conn: psycopg.Connection) -> None:
    for number in range(3):
        assert value_of(conn, SUM, [Int8(number), Int8(1)]) == number + 1
        assert conn.execute("SELECT %s + 1", [number], prepare=True).fetchall() == [(number + 1,)]
        with suppress(ZeroDivisionError), conn.transaction():
            conn.execute("SELECT 1")
            raise ZeroDivisionError  # and psycopg forgets what is prepared


def test_a_connection_that_is_lost_is_an_operational_error(
    conn: psycopg.Connection, database: str
) -> None:
    value_of(conn, SUM, [Int8(1), Int8(2)])
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [conn.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        value_of(conn, SUM, [Int8(1), Int8(2)])
    assert conn.closed
