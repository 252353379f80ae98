"""Work on tables side by side: all of it is done, in one snapshot, or what goes on is ended."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Barrier, Event
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from postgres.connections import WORKING, connect
from postgres.snapshot import REPEATABLE_READ
from projections.rebuild.side_by_side import one_snapshot, side_by_side
from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

COUNT = "SELECT count(*) FROM raphus.snapshots"


class CancelledError(Exception):
    pass


@pytest.fixture
def conns(database: str) -> Iterator[list[Connection[Any]]]:
    """Three connections to one database."""
    with ExitStack() as stack:
        yield [stack.enter_context(connect(database, WORKING, "raphus-test")) for _ in range(3)]


def test_works_are_done_at_once_and_what_they_return_is_in_their_order(
    conns: list[Connection[Any]],
) -> None:
    together = Barrier(3)

    def met(number: int) -> tuple[int, int]:
        together.wait(GUARD_S)
        return number, number * number

    told: list[int] = []
    works = [lambda _conn, number=number: met(number) for number in range(9)]
    assert side_by_side(conns, works, told.append) == [(n, n * n) for n in range(9)]
    assert told == sorted(told)
    assert told[-1] == 9
    assert max(told[:-1]) < 9


def test_one_connection_does_all_by_itself(conns: list[Connection[Any]]) -> None:
    used: list[Connection[Any]] = []
    told: list[int] = []
    side_by_side(conns[:1], [used.append] * 3, told.append)
    assert used == [conns[0]] * 3
    assert told == [0, 1, 2, 3]


@pytest.mark.parametrize("in_progress", [False, True])
def test_what_others_do_is_cancelled_when_one_fails(
    conns: list[Connection[Any]], in_progress: bool
) -> None:
    sleeping, ended = [Event(), Event()], []

    def sleep(conn: Connection[Any]) -> None:
        sleeping[conns.index(conn) - 1].set()
        with pytest.raises(psycopg.errors.QueryCanceled):
            conn.execute("SELECT pg_sleep(%s)", [10 * GUARD_S])
        ended.append(conn)

    def work(conn: Connection[Any]) -> None:
        if conn is not conns[0]:
            sleep(conn)
        elif not in_progress:
            fail(0)

    def fail(_done: int) -> None:
        assert all(one.wait(GUARD_S) for one in sleeping)
        raise CancelledError

    with pytest.raises(CancelledError):
        side_by_side(conns, [work] * 9, fail if in_progress else lambda _done: None)
    assert sorted(map(conns.index, ended)) == [1, 2]


def test_what_fails_on_another_connection_is_raised(conns: list[Connection[Any]]) -> None:
    failed = Event()

    def work(conn: Connection[Any]) -> None:
        if conn is conns[1]:
            failed.set()
            conn.execute("SELECT 1 / 0")
        assert failed.wait(GUARD_S)

    with pytest.raises(psycopg.errors.DivisionByZero):
        side_by_side(conns[:2], [work] * 9, lambda _done: None)


def test_all_connections_read_what_the_first_one_does(
    database: str, conns: list[Connection[Any]]
) -> None:
    with conns[0].transaction():
        conns[0].execute(REPEATABLE_READ)
        conns[0].execute(COUNT)
        with psycopg.connect(database) as other:
            other.execute("INSERT INTO raphus.snapshots (position, used_at) VALUES (1, now())")
        with one_snapshot(conns):
            assert [conn.execute(COUNT).fetchall() for conn in conns] == [[(0,)]] * 3
            conns[1].execute("CREATE TABLE made AS SELECT 1")
    assert [conn.execute(COUNT).fetchall() for conn in conns] == [[(1,)]] * 3
    assert conns[2].execute("SELECT count(*) FROM made").fetchall() == [(1,)]
