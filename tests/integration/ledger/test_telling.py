"""Who follows the log is told of each commit: with it, or soon after it with those that follow."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.application import Ledger, Receipt
from ledger.committer import TELL_EVERY_S, Committer
from ledger.following.leader import GATHER_S, LEDGER_CHANNEL
from tests.support.connected import connected
from tests.support.deliveries import renewals
from tests.support.desk import desk_of
from tests.support.log import positions
from tests.support.notices import heard
from tests.support.outages import away
from tests.support.projected import position, running
from tests.support.proxy import Scissors, cutting
from tests.support.tampered import tamper
from tests.support.waiting import GUARD_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domain.delivery import Delivery
    from tests.support.desk import Desk

LONG_S = 10 * GUARD_S
BEGUN = "TRUNCATE raphus.ledger_events, raphus.clock_corrections"
# In this database, what a transaction records it says before it tells anything.
SAYING = """
    CREATE FUNCTION public.say() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('ledger_events', 'recorded ' || NEW.notification_id);
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER say AFTER INSERT ON raphus.ledger_events
    FOR EACH ROW EXECUTE FUNCTION public.say();
"""
TOLD: Final = ""
POOL = renewals(range(6), streams=2)
DELIVERIES = st.lists(st.sampled_from(POOL), min_size=1, max_size=3)
BATCHES = st.lists(st.tuples(DELIVERIES, st.sampled_from([0.0, GUARD_S])), min_size=1, max_size=8)


@pytest.fixture
def follower(database: str) -> Iterator[psycopg.Connection]:
    """Listen as those do who follow the log."""
    tamper(database, SAYING)
    with connected(database, autocommit=True) as conn:
        conn.execute(f"LISTEN {LEDGER_CHANNEL}".encode())
        yield conn


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loop listen until it is answered: what is left to the thread is told by itself."""
    monkeypatch.setattr("ledger.committer.LISTEN_S", GUARD_S)


@pytest.fixture
def desk(ledger: Ledger) -> Iterator[Desk]:
    with desk_of(ledger) as opened:
        yield opened


def record(desk: Desk, deliveries: list[Delivery]) -> None:
    """Record them one after the other."""
    for delivery in deliveries:
        count = len(desk.batches) + 1
        desk.submit([delivery])
        until(partial(desk.has, count))


def test_they_are_told_as_often_as_they_take_pages() -> None:
    assert TELL_EVERY_S <= GATHER_S


def test_a_commit_that_comes_by_itself_tells_them(
    desk: Desk, follower: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.committer.TELL_EVERY_S", 0.0)
    with desk.running():
        record(desk, renewals(range(3)))
        payloads = heard(follower, LEDGER_CHANNEL)
    assert payloads == ["recorded 1", TOLD, "recorded 2", TOLD, "recorded 3", TOLD]


def test_of_commits_behind_one_that_told_them_they_are_told_together(
    desk: Desk, follower: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.committer.TELL_EVERY_S", LONG_S)
    with desk.running():
        record(desk, renewals(range(4)))
    # The first goes by the thread, which tells of all that it records.
    told = ["recorded 1", TOLD, "recorded 2", TOLD]
    assert heard(follower, LEDGER_CHANNEL) == [*told, "recorded 3", "recorded 4", TOLD]


def test_they_are_told_soon_where_nothing_else_comes(
    desk: Desk, follower: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.batch_writer.CHECK_EVERY_S", LONG_S)
    with desk.running():
        for number in range(0, 40, 4):
            record(desk, renewals(range(number, number + 4)))
            payloads: list[str] = []
            for notice in follower.notifies(timeout=GUARD_S):
                payloads.append(notice.payload)
                if payloads[-2:] == [f"recorded {number + 4}", TOLD]:
                    break
            else:
                pytest.fail(f"they were told {payloads}")


@given(batches=BATCHES)
@example([([POOL[0]], GUARD_S), ([POOL[1]], GUARD_S), ([POOL[2]], GUARD_S)])
@example([([POOL[0]], GUARD_S), ([POOL[1]], GUARD_S), ([POOL[2]], 0.0)])
@settings(max_examples=25)
def test_whatever_comes_of_a_commit_it_is_known_whether_they_are_told(
    database: str, follower: psycopg.Connection, batches: list[tuple[list[Delivery], float]]
) -> None:
    follower.execute(BEGUN)
    is_told = True
    with (
        Ledger(database) as ledger,
        asyncio.Runner() as runner,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setattr("ledger.committer.TELL_EVERY_S", LONG_S)
        committer = Committer(ledger)
        for deliveries, listen_s in batches:
            patched.setattr("ledger.committer.LISTEN_S", listen_s)
            runner.run(committer.commit(deliveries))
            if payloads := heard(follower, LEDGER_CHANNEL):
                is_told = TOLD in payloads
            assert is_told or committer.tell_in_s is not None
        runner.run(committer.tell())
        committer.close()
    assert is_told or heard(follower, LEDGER_CHANNEL) == [TOLD]


def test_what_was_recorded_untold_by_a_commit_whose_answer_is_lost_is_still_to_be_told(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.committer.TELL_EVERY_S", LONG_S)
    scissors = Scissors(b"msg_2", "answer")
    with (
        cutting(database, scissors) as conninfo,
        Ledger(conninfo) as ledger,
        asyncio.Runner() as runner,
    ):
        committer = Committer(ledger)
        for deliveries in ([one] for one in renewals(range(2))):
            runner.run(committer.commit(deliveries))
        assert committer.tell_in_s is None
        scissors.left = 1
        answers = runner.run(committer.commit(renewals(range(2, 3))))
        committer.close()
    assert answers == [Receipt(3, duplicate=True)]
    assert committer.tell_in_s is not None


def test_what_nobody_tells_is_shown_all_the_same(
    database: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.committer.TELL_EVERY_S", LONG_S)
    with running(database) as (follower, _), asyncio.Runner() as runner:
        until(lambda: follower.leading)
        committer = Committer(ledger)
        for count in range(1, 5):
            runner.run(committer.commit(renewals(range(count - 1, count))))
            until(lambda count=count: position(database) == count)  # type: ignore[misc]  # bound at once
        committer.close()
    assert committer.tell_in_s is not None


def test_webhooks_are_stored_on_where_they_could_not_be_told(
    database: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.committer.TELL_EVERY_S", 0.2)
    deliveries = renewals(range(6))
    with desk.running():
        record(desk, deliveries[:3])
        with away(database):
            until(lambda: desk.writer.problem is not None)
        until(lambda: desk.writer.problem is None)
        record(desk, deliveries[3:])
    assert len(positions(database)) == 6
