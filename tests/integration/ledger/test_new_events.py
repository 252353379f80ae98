"""The short way into the log: one round trip, and to the byte what the long way records."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import msgspec
import psycopg
import pytest
from eventsourcing.persistence import PersistenceError
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from ledger.application import Ledger, Receipt
from ledger.integrity.verify import verify
from ledger.recorder import LedgerRecorder
from tests.support.committing import committing
from tests.support.connected import connected
from tests.support.deliveries import receipts, renewals
from tests.support.histories import said
from tests.support.log import Line, broken_links, lines
from tests.support.outages import beside
from tests.support.tampered import tamper
from tests.support.trips import counting_trips
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    from domain.delivery import Delivery
    from ledger.application import Recording

    Record: TypeAlias = Callable[[list[Delivery]], list[Recording]]
    Way: TypeAlias = Callable[[Ledger], AbstractContextManager[Record]]

# In this database, it is the same time for whoever asks, until somebody moves it.
_STILL = """
    ALTER FUNCTION pg_catalog.clock_timestamp() RENAME TO true_clock_timestamp;
    CREATE TABLE public.clock (at timestamptz NOT NULL);
    INSERT INTO public.clock VALUES (now());
    CREATE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT at FROM public.clock';
"""
_BEGUN = "TRUNCATE raphus.ledger_events, raphus.clock_corrections"
_LOCKED = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def still(database: str) -> str:
    """Give a database whose clock stands still."""
    tamper(database, _STILL)
    return database


@contextmanager
def at_once(ledger: Ledger) -> Iterator[Record]:
    """Record as whoever waits does."""
    yield ledger.record


def with_body(delivery: Delivery, body: bytes) -> Delivery:
    return msgspec.structs.replace(delivery, body=body)


POOL = [*renewals(range(7), streams=3), said("nobody.knows"), said("subscription.active")]
POOL += [with_body(one, one.body + b" ") for one in POOL[:2]]
POOL += [with_body(POOL[2], b"not JSON"), with_body(POOL[0], b"{}")]
BATCHES = st.lists(st.lists(st.sampled_from(POOL), min_size=1, max_size=6), max_size=6)


def recorded(
    conninfo: str, batches: list[list[Delivery]], at: datetime, way: Way = at_once
) -> tuple[list[list[Recording]], list[Line]]:
    """Record batches into an empty log, each at a time of its own."""
    with (
        connected(conninfo, autocommit=True) as conn,
        Ledger(conninfo) as ledger,
        way(ledger) as record,
    ):
        conn.execute(_BEGUN)
        conn.execute("UPDATE public.clock SET at = %s", [at])
        answers = []
        for batch in batches:
            answers.append(record(batch))
            conn.execute("UPDATE public.clock SET at = at + interval '1.000001 s'")
        fault = verify(conn).fault
    assert fault is None
    return answers, lines(conninfo)


@given(batches=BATCHES)
@settings(max_examples=25)
def test_all_ways_record_the_same_log_to_the_byte(
    still: str, batches: list[list[Delivery]]
) -> None:
    at = datetime.now(UTC)
    short = recorded(still, batches, at)
    assert recorded(still, batches, at, committing) == short
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LedgerRecorder, "record_new", lambda *_: None)
        assert recorded(still, batches, at) == short


def test_a_large_batch_is_the_same_both_ways(still: str) -> None:
    batches, at = [renewals(range(500), streams=70), renewals(range(500, 501))], datetime.now(UTC)
    answers, log = recorded(still, batches, at)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LedgerRecorder, "record_new", lambda *_: None)
        assert recorded(still, batches, at) == (answers, log)
    assert [line.position for line in log] == list(range(1, 502))


@pytest.mark.parametrize("size", [1, 20])
def test_what_is_new_costs_one_round_trip(ledger: Ledger, size: int) -> None:
    receipts(ledger.record(renewals(range(size), streams=3)))
    with counting_trips() as trips:
        answers = ledger.record(renewals(range(100, 100 + size), streams=3))
    assert answers == [Receipt(size + n, duplicate=False) for n in range(1, size + 1)]
    assert len(trips) == 1


# What is only found when a transaction commits, behind the answer to its statement.
_FAILING = """
    CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'not to be committed';
    END
    $$;
    CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON raphus.ledger_events
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.webhook_id = 'msg_1') EXECUTE FUNCTION public.fail();
"""


@pytest.mark.parametrize("way", [at_once, committing])
def test_what_fails_as_it_is_committed_is_not_told_to_be_recorded(database: str, way: Way) -> None:
    tamper(database, _FAILING)
    with Ledger(database) as ledger, way(ledger) as record:
        for delivery, is_stored in zip(renewals(range(3)), (True, False, True), strict=True):
            (answer,) = record([delivery])
            assert isinstance(answer, Receipt if is_stored else PersistenceError)
    assert [line.webhook_id for line in lines(database)] == ["msg_0", "msg_2"]


@pytest.fixture
def snapshots(database: str) -> str:
    """Give a database whose transactions see, by default, what was there when they began."""
    name = Identifier(str(conninfo_to_dict(database)["dbname"]))
    default = SQL("ALTER DATABASE {} SET default_transaction_isolation = 'repeatable read'")
    with connected(beside(database), autocommit=True) as conn:
        conn.execute(default.format(name))
    return database


def test_it_waits_for_other_writers_and_sees_what_they_have_recorded(
    snapshots: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.application.PATIENCE_S", 0.0)  # nothing is tried twice
    first, second, third = renewals(range(3))
    with Ledger(snapshots) as ledger, Ledger(snapshots) as other, ThreadPoolExecutor(1) as thread:
        receipts(ledger.record([first]))
        recorder = cast("LedgerRecorder", other.recorder)
        with psycopg.connect(snapshots, row_factory=dict_row) as conn, conn.cursor() as curs:
            curs.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            head = recorder.close_end(curs)
            recording = thread.submit(ledger.record, [third])
            until(lambda: number_of(snapshots, _LOCKED) == 1)
            event = msgspec.structs.replace(
                ledger.aggregate("subscription/bus_1/sub_0").events[0],
                originator_version=2,
                delivery=second,
            )
            stored = ledger.mapper.to_stored_event(event)
            recorder.append(curs, head, [stored])  # type: ignore[list-item]  # our mapper's
        assert recording.result() == [Receipt(3, duplicate=False)]
    log = lines(snapshots)
    assert [line.webhook_id for line in log] == ["msg_0", "msg_1", "msg_2"]
    assert [line.originator_version for line in log] == [1, 2, 3]
    assert broken_links(log) == []


def number_of(conninfo: str, query: str) -> int:
    with connected(conninfo) as conn:
        ((count,),) = conn.execute(query.encode()).fetchall()
    return int(count)
