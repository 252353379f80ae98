"""The follower: the read models follow the log, whatever happens, and never skip."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from eventsourcing.persistence import IntegrityError

from domain.state_machine import Verdict
from ledger.application import Ledger
from ledger.following import leader
from ledger.following import pages as log
from ledger.following.checkpoint import LOG_END, Checkpoint, ProjectionTracking, selected
from ledger.following.pages import LogError
from ledger.following.taking import PageError
from ledger.integrity.hash_chain import GENESIS
from ledger.mapper import LedgerMapper
from postgres.connections import FOLLOWING, Connection, connect
from postgres.together import BEGIN, Sent, roll_back
from projections.live.projector import CHANNEL, Projector
from tests.support.connected import connected
from tests.support.deliveries import receipts, renewals
from tests.support.histories import delivery, said
from tests.support.notices import heard
from tests.support.outages import away, beside
from tests.support.projected import (
    empty_tables,
    following,
    forget,
    position,
    project,
    record,
    running,
    shown,
    simulated,
)
from tests.support.rebuilds import replayed
from tests.support.samples import rehearsals, samples
from tests.support.waiting import GUARD_S, until

if TYPE_CHECKING:
    from projections.live.projector import Projected

TERMINATE = """
    SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'raphus-follower'
"""


def last(conninfo: str) -> int:
    with connected(conninfo) as conn:
        row = conn.execute("SELECT max(notification_id) FROM raphus.ledger_events").fetchone()
    assert row is not None
    return int(row[0])


def caught_up(conninfo: str) -> bool:
    return position(conninfo) == last(conninfo)


def taken(pages: list[Projected]) -> list[tuple[int, int]]:
    """The positions that each page led from and to."""
    return [(page.position - page.events, page.position) for page in pages]


def without_gaps(pages: list[Projected]) -> bool:
    ends = [0, *(end for _, end in taken(pages))]
    return [start for start, _ in taken(pages)] == ends[:-1]


@pytest.mark.parametrize("seed", [1, 5])
def test_followed_event_by_event_or_replayed_at_once_the_tables_are_equal(
    database: str, seed: int
) -> None:
    deliveries = simulated(12, seed)
    order = random.Random(seed)
    order.shuffle(deliveries)
    deliveries += order.choices(deliveries, k=50)
    with Ledger(database) as ledger, following(database) as follower:
        while deliveries:
            size = order.choice([1, 1, 2, 5, 20])
            receipts(ledger.record(deliveries[:size]))
            del deliveries[:size]
            if order.random() < 0.7:
                follower.run_once()
        while follower.run_once():
            pass
    followed = shown(database)
    assert not empty_tables(followed)
    forget(database)
    project(database)
    assert shown(database) == followed


def test_every_sample_body_is_projected(database: str) -> None:
    bodies = sorted((samples() | rehearsals()).items())
    record(database, [delivery(body, f"msg_{name}") for name, body in bodies])
    project(database)
    assert len(shown(database)["timeline"]) == len(bodies)


def test_a_running_follower_takes_what_is_recorded_and_tells_of_each_page(database: str) -> None:
    deliveries = simulated(5)
    with running(database) as (follower, pages), connected(database, autocommit=True) as conn:
        conn.execute(f"LISTEN {CHANNEL}")
        record(database, deliveries, batch_max=40)
        until(lambda: caught_up(database))
        assert follower.leading
        assert follower.problem is None
        told = [int(position) for position in heard(conn, CHANNEL)]
    assert without_gaps(pages)
    assert told == [page.position for page in pages]
    assert told[-1] == last(database)


def test_what_comes_right_behind_a_page_is_gathered_and_who_gathers_stops_at_once(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "GATHER_S", 10 * GUARD_S)
    told = renewals(range(3))
    with running(database) as (_, pages):
        record(database, told[:1])
        until(lambda: pages)
        for one in told[1:]:
            record(database, [one])
        time.sleep(0.2)
    assert taken(pages) == [(0, 1)]
    with running(database) as (_, pages):
        until(lambda: caught_up(database))
    assert taken(pages) == [(1, 3)]


def test_the_entries_of_a_page_are_the_facts_of_its_own_events(database: str) -> None:
    with running(database) as (_, pages):
        for minute, type_ in enumerate(["on_hold", "active", "active", "cancelled"]):
            record(
                database,
                [said(f"subscription.{type_}", minute, f"msg_{minute}", subscription_id="sub_1")],
            )
            until(lambda: caught_up(database))
    entries = [entry for page in pages for entry in page.entries]
    assert [entry.webhook_id for entry in entries] == ["msg_0", "msg_1", "msg_2", "msg_3"]
    assert [entry.verdict for entry in entries] == [
        Verdict.APPLIED,
        Verdict.APPLIED,
        Verdict.UNCHANGED,
        Verdict.APPLIED,
    ]
    assert all(page.lag_s > 0 for page in pages)


def test_of_two_followers_one_leads_and_the_other_takes_over(database: str) -> None:
    deliveries = simulated(6)
    half = len(deliveries) // 2
    with running(database) as (first, pages_of_first):
        until(lambda: first.leading)
        with running(database) as (second, pages_of_second):
            record(database, deliveries[:half])
            until(lambda: caught_up(database))
            assert not second.leading
            assert second.problem is None
            assert pages_of_second == []
            first.stop()
            assert not first.leading
            record(database, deliveries[half:])
            until(lambda: second.leading and caught_up(database))
    assert pages_of_first
    assert without_gaps(pages_of_first + pages_of_second)
    assert shown(database) == replayed(database)


def test_as_soon_as_a_leader_has_stopped_another_can_lead(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with following(database) as leader, following(database) as other:
        leader.run_once()
        with monkeypatch.context() as patch:
            patch.setattr(Connection, "close", lambda _: None)  # as the server sees it at first
            leader.stop()
        other.run_once()
        assert other.leading


def test_a_leader_that_loses_its_connection_goes_on_and_skips_and_doubles_nothing(
    database: str,
) -> None:
    with running(database) as (follower, pages), ThreadPoolExecutor(1) as thread:
        killing = thread.submit(terminate_followers, database, times=5)
        record(database, simulated(20), batch_max=20)
        assert killing.result() == 5
        until(lambda: caught_up(database) and follower.problem is None)
    # A page whose commit was not heard of is not told of, and none is told of twice.
    ends = [end for _, end in taken(pages)]
    assert ends == sorted(set(ends))
    assert_agrees(database)
    assert shown(database) == replayed(database)


def terminate_followers(conninfo: str, times: int) -> int:
    """End a follower's connection whenever there is one, at odd moments, so many times."""
    ended, moments = 0, random.Random(times)
    with connected(conninfo, autocommit=True) as conn:
        while ended < times:
            time.sleep(moments.random() / 20)
            row = conn.execute(TERMINATE).fetchone()
            ended += row[0] if row else 0
    return ended


def test_a_follower_outlives_its_database(database: str) -> None:
    with running(database) as (follower, _):
        record(database, renewals(range(10)))
        until(lambda: caught_up(database))
        with away(database):
            until(lambda: follower.problem is not None)
            assert not follower.leading
            assert "the database is away" in str(follower.problem)
        record(database, renewals(range(10, 20)))
        until(lambda: caught_up(database) and follower.problem is None)


def test_an_idle_follower_stops_and_leaves_no_connection(database: str) -> None:
    with running(database) as (follower, _):
        until(lambda: follower.leading)
    with connected(beside(database), autocommit=True) as conn:
        left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'raphus-follower'"
        until(lambda: conn.execute(left).fetchone() == (0,))


def test_a_follower_that_was_never_started_can_be_stopped(database: str) -> None:
    with following(database) as follower:
        follower.stop()


def test_a_hole_in_the_log_stops_the_follower_until_it_is_filled(database: str) -> None:
    record(database, renewals(range(10), streams=3))
    row = cut_out(database, 5)
    with following(database) as follower, pytest.raises(LogError, match="hole"):
        follower.run_once()
    with running(database) as (follower, pages):
        until(lambda: "hole" in str(follower.problem))
        assert pages == []
        assert position(database) == 0
        put_back(database, row)
        until(lambda: caught_up(database) and follower.problem is None)
    assert shown(database) == replayed(database)


def test_a_log_that_has_lost_what_was_followed_stops_the_follower(database: str) -> None:
    record(database, renewals(range(5)))
    project(database)
    cut_out(database, 5)
    with following(database) as follower, pytest.raises(LogError, match="ends before"):
        follower.run_once()


def test_an_event_that_cannot_be_projected_is_named_and_not_skipped(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    record(database, renewals(range(20), streams=20))
    state = spoil(database, 7, b"\xff a secret")
    with running(database) as (follower, pages):
        until(lambda: position(database) == 6)
        until(lambda: "positions 7 to 7 of subscription/bus_1/sub_6" in str(follower.problem))
        assert without_gaps(pages)
        assert "secret" not in caplog.text + str(follower.problem)
        spoil(database, 7, state)
        until(lambda: caught_up(database) and follower.problem is None)
        assert without_gaps(pages)
    assert shown(database) == replayed(database)


def test_a_row_that_cannot_be_written_leaves_nothing_of_its_page(database: str) -> None:
    record(database, renewals(range(20), streams=20))
    with connected(database) as conn:
        # The timeline is written last.
        conn.execute("ALTER TABLE raphus.timeline ADD CONSTRAINT c CHECK (webhook_id <> 'msg_19')")
    with following(database) as follower, pytest.raises(PageError, match="1 to 20"):
        follower.run_once()
    assert position(database) == 0
    assert not any(shown(database).values())


@pytest.mark.parametrize("limit", ["PAGE_BYTES_MAX", "PAGE_HISTORY_MAX"])
def test_a_page_is_bounded_by_bytes_and_by_history_but_never_empty(
    database: str, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    record(database, renewals(range(30), streams=2, size_bytes=3_000))
    monkeypatch.setattr(log, limit, {"PAGE_BYTES_MAX": 10_000, "PAGE_HISTORY_MAX": 12}[limit])
    with following(database) as follower:
        sizes = []
        while size := follower.run_once():
            sizes.append(size)
    assert sum(sizes) == 30
    if limit == "PAGE_BYTES_MAX":
        assert sizes == [3] * 10
    else:
        # Of streams with a stored fold, what is behind that counts.
        assert sizes[:4] == [12, 1, 1, 1]
        assert 1 < max(sizes[4:]) <= 12
    assert shown(database) == replayed(database)


def test_the_position_goes_forward_only(database: str) -> None:
    tracking = ProjectionTracking()
    with connected(database, autocommit=True) as conn:
        assert tracking.checkpoint(conn) == Checkpoint(0, GENESIS, 0)
        tracking.advance(conn, 7, b"7", 7)
        tracking.advance(conn, 9, b"9", 2)
        assert tracking.checkpoint(conn) == Checkpoint(9, b"9", 9)
        with pytest.raises(IntegrityError):
            tracking.advance(conn, 9, b"8", 1)
        assert tracking.checkpoint(conn) == Checkpoint(9, b"9", 9)


def test_nothing_is_committed_with_a_position_that_does_not_go_forward(database: str) -> None:
    tracking, told = ProjectionTracking(), Sent(b"CREATE TABLE raphus.told ()")
    with connected(database, autocommit=True) as conn:
        tracking.advance(conn, 9, b"9", 9)
        with pytest.raises(IntegrityError):
            tracking.commit(conn, [BEGIN, told], (9, b"9", 9))
        roll_back(conn)
        tracking.commit(conn, [BEGIN, told], (10, b"10", 1))
        assert tracking.checkpoint(conn) == Checkpoint(10, b"10", 10)


def test_those_who_take_pages_in_turns_go_on_from_where_the_other_one_stopped(
    database: str,
) -> None:
    record(database, simulated(3))
    with connected(database) as conn:
        last = selected(conn, LOG_END)
    projectors = [Projector(LedgerMapper()) for _ in range(2)]
    with ExitStack() as stack:
        taking = [
            (projector, stack.enter_context(closing(connect(database, FOLLOWING, "test"))))
            for projector in projectors
        ]
        for number in range(last):
            projector, conn = taking[number // 3 % 2]
            page = projector.project(conn, 1)
            assert page is not None
            assert page.position == number + 1
        assert [projector.project(conn) for projector, conn in taking] == [None, None]
    assert_agrees(database)
    assert shown(database) == replayed(database)


def assert_agrees(database: str) -> None:
    """The checkpoint's count and hash are of the whole log."""
    with connected(database) as conn:
        newest = "SELECT notification_id, hash FROM raphus.ledger_events ORDER BY 1 DESC LIMIT 1"
        position, hash_ = conn.execute(newest).fetchone() or (0, GENESIS)
        assert ProjectionTracking().checkpoint(conn) == Checkpoint(position, hash_, position)


def cut_out(database: str, at: int) -> tuple[object, ...]:
    with connected(database) as conn:
        cut = conn.execute(
            "DELETE FROM raphus.ledger_events WHERE notification_id = %s RETURNING *", [at]
        ).fetchone()
    assert cut is not None
    return cut


def put_back(database: str, row: tuple[object, ...]) -> None:
    with connected(database) as conn:
        places = ", ".join(["%s"] * len(row))
        conn.execute(f"INSERT INTO raphus.ledger_events VALUES ({places})".encode(), row)


def spoil(database: str, at: int, state: bytes) -> bytes:
    """Put another state into an event, and return the one that was there."""
    where = "WHERE notification_id = %s"
    with connected(database) as conn:
        old = conn.execute(f"SELECT state FROM raphus.ledger_events {where}".encode(), [at])
        row = old.fetchone()
        conn.execute(f"UPDATE raphus.ledger_events SET state = %s {where}".encode(), [state, at])
    assert row is not None
    return bytes(row[0])


def test_what_it_fills_quickly_is_looked_at_for_statistics_without_waiting_for_a_minute(
    database: str,
) -> None:
    known = "SELECT reltuples FROM pg_class WHERE oid = 'raphus.timeline'::regclass"
    seen = []
    with connected(database, autocommit=True) as conn, following(database) as follower:
        conn.execute("ALTER TABLE raphus.timeline SET (autovacuum_enabled = false)")
        for first, end in pairwise((0, 200, 400, 600, 1_700)):
            record(database, renewals(range(first, end), streams=end))
            while follower.run_once():
                pass
            seen += [int(row[0]) for row in conn.execute(known)]
    assert seen == [-1, 400, 400, 1_700]
