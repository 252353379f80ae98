"""Connections: what is set on each, what a URL may set itself, and when one is given up."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from postgres import connections
from postgres.connections import FOLLOWING, READING, WORKING, WRITING, connect, connect_async
from postgres.silence import UnansweredError
from telemetry.heartbeat import BeatingThread
from tests.support.line import line_to
from tests.support.waiting import GUARD_S, until

if TYPE_CHECKING:
    from postgres.connections import Connection, Profile

PROFILES = {"writing": WRITING, "reading": READING, "following": FOLLOWING, "working": WORKING}
LIMITS = {
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "tcp_keepalives_idle",
    "tcp_user_timeout",
}
_ALL = "SELECT name, setting FROM pg_settings"


def over_tcp(conninfo: str) -> str:
    return make_conninfo(conninfo, host="127.0.0.1")


def setting(conn: Connection, name: str) -> str:
    row = conn.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_purpose_has_every_limit(profile: Profile, database: str) -> None:
    plain = "-c statement_timeout=1d"
    with psycopg.connect(database, options=plain) as bare:
        before: dict[str, str] = dict(bare.execute(_ALL).fetchall())
    with connect(over_tcp(database), profile, "test") as conn:
        after: dict[str, str] = dict(conn.execute(_ALL).fetchall())
        assert conn.autocommit
        parameters = conn.info.get_parameters()
    assert {name for name in LIMITS if before[name] == after[name]} == set()
    assert {"keepalives_idle", "tcp_user_timeout", "connect_timeout"} <= parameters.keys()


@pytest.mark.parametrize("profile", [READING, FOLLOWING], ids=["reading", "following"])
def test_what_somebody_waits_for_is_never_compiled(profile: Profile, database: str) -> None:
    with connect(database, profile, "test") as conn:
        assert setting(conn, "jit") == "off"


def test_what_a_url_sets_itself_stays_as_it_sets_it(database: str) -> None:
    options = "-c statement_timeout=123ms -clock_timeout=45ms --statement-timeout=67ms"
    given = make_conninfo(over_tcp(database), options=options, tcp_user_timeout=7000)
    with connect(given, WRITING, "test") as conn:
        assert setting(conn, "statement_timeout") == "67ms"
        assert setting(conn, "lock_timeout") == "45ms"
        assert setting(conn, "idle_in_transaction_session_timeout") == "10s"
        assert setting(conn, "tcp_keepalives_idle") == "5"
        parameters = conn.info.get_parameters()
    assert (parameters["tcp_user_timeout"], parameters["keepalives_idle"]) == ("7000", "2")


def test_a_statement_that_takes_long_is_waited_for_by_a_thread_that_beats(database: str) -> None:
    rows = []
    with connect(database, WORKING, "test") as conn:
        thread = BeatingThread(
            target=lambda: rows.append(conn.execute("SELECT pg_sleep(2.5), 1").fetchone())
        )
        thread.start()
        thread.join()
    assert rows == [("", 1)]
    assert thread.beats > 4


def test_a_statement_that_waits_for_a_lock_is_waited_for(database: str) -> None:
    with (
        connect(database, WORKING, "test") as holder,
        connect(database, WORKING, "test") as conn,
        ThreadPoolExecutor(1) as waiter,
    ):
        holder.execute("SELECT pg_advisory_lock(1)")
        waiting = waiter.submit(conn.execute, "SELECT pg_advisory_lock(1)")
        holder.execute("SELECT pg_sleep(2.5)")
        assert not waiting.done()
        holder.execute("SELECT pg_advisory_unlock(1)")
        waiting.result()


def test_a_connection_that_the_server_does_not_work_for_is_given_up(database: str) -> None:
    # The line ends before the waiting does, should that have no end.
    with ThreadPoolExecutor(1) as waiter, line_to(database) as line:
        conn = connect(line.conninfo, WORKING, "test")
        line.mute_at = (b"SELECT",)
        waiting = waiter.submit(conn.execute, "SELECT 1")
        until(lambda: line.is_mute)
        line.restore(forgetting=True)
        with pytest.raises(UnansweredError):
            waiting.result(timeout=GUARD_S)
        assert conn.closed


def test_so_is_one_that_a_coroutine_waits_on(database: str) -> None:
    async def ask() -> None:
        conn = await connect_async(line.conninfo, FOLLOWING, "test")
        line.mute_at = (b"SELECT 1",)
        asking = asyncio.create_task(conn.execute("SELECT 1"))
        await asyncio.to_thread(until, lambda: line.is_mute)
        line.restore(forgetting=True)
        with pytest.raises(UnansweredError):
            await asking
        assert conn.closed

    with line_to(database) as line:
        asyncio.run(ask())


def test_what_a_lost_connection_held_is_free_for_the_one_in_its_place(database: str) -> None:
    with line_to(database) as line:
        first = connect(line.conninfo, FOLLOWING, "test")
        first.execute("SELECT pg_advisory_lock(2)")
        line.mute()
        first.close()
        line.restore(forgetting=True)
        with connect(line.conninfo, FOLLOWING, "test", instead_of=first) as second:
            row = second.execute("SELECT pg_try_advisory_lock(2)").fetchone()
    assert row == (True,)


def test_a_server_that_accepts_and_says_nothing_is_not_waited_for(database: str) -> None:
    with line_to(database) as line:
        line.mute()
        with pytest.raises(psycopg.OperationalError):
            connect(line.conninfo, WRITING, "test")


def test_a_server_that_does_not_even_accept_is_not_waited_for(database: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, closing(socket.socket()) as one:
        address = full.getsockname()
        one.connect(address)  # and so the next stays in SYN
        there = make_conninfo(database, host=address[0], port=address[1])
        with pytest.raises(psycopg.OperationalError):
            connect(there, WRITING, "test")


def test_a_new_connection_on_which_nothing_comes_any_more_is_given_up(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "SETTLE_S", 0.3)
    with line_to(database) as line:
        line.mute_at = (b"SET ",)
        with pytest.raises(UnansweredError):
            connect(line.conninfo, WRITING, "test")
