"""What a page of the log costs: its round trips, and how much of the log it reads."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from ledger.mapper import LedgerMapper
from postgres.connections import FOLLOWING, connect
from projections.live.projector import Projector
from tests.support.deliveries import renewals
from tests.support.histories import said
from tests.support.projected import following, record
from tests.support.trips import counting_trips
from tests.support.waiting import until

TRIPS_MAX = 3
"""To begin, with the checkpoint and the page, which brings the event; the rows, with what is
derived; and what is grouped, with the checkpoint and the commit."""
EVENTS = 6_000
PAGE = 50
BLOCKS_A_STREAM_MAX = 10
_READ = """
    SELECT idx_blks_read + idx_blks_hit FROM pg_statio_user_tables WHERE relname = 'ledger_events'
"""
_OTHERS = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database()
    AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@pytest.mark.parametrize("kind", ["subscription", "payment"])
def test_a_page_of_one_event_costs_few_round_trips(database: str, kind: str) -> None:
    def told(number: int) -> None:
        data: dict[str, object] = {"customer": {"customer_id": f"cus_{number}"}, "product_id": "p"}
        data |= {f"{kind}_id": f"{kind}_{number}", "currency": "USD", "total_amount": 50}
        word = {"payment": "succeeded", "subscription": "active"}[kind]
        record(database, [said(f"{kind}.{word}", 0, f"msg_{number}", **data)])

    with following(database) as follower:
        for number in range(2):
            told(number)
            assert follower.run_once() == 1
        told(2)
        with counting_trips() as trips:
            assert follower.run_once() == 1
    assert len(trips) <= TRIPS_MAX


def test_a_page_reads_a_few_blocks_a_stream_before_anything_is_known_of_the_tables(
    database: str,
) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("ALTER TABLE raphus.ledger_events SET (autovacuum_enabled = false)")
        record(database, renewals(range(EVENTS), streams=EVENTS))
        followed(database)
        record(database, renewals(range(EVENTS, EVENTS + PAGE), streams=EVENTS + PAGE), PAGE)
        before = blocks_read(conn)
        assert followed(database) == PAGE
        assert blocks_read(conn) - before < PAGE * BLOCKS_A_STREAM_MAX


def followed(database: str) -> int:
    """Take what there is, as a follower that asks for no statistics; return how many events."""
    projector = Projector(LedgerMapper())
    with closing(connect(database, FOLLOWING, "test")) as conn:
        events = 0
        while page := projector.project(conn):
            events += page.events
        return events


def blocks_read(conn: psycopg.Connection) -> int:
    """How many blocks all others have read, who are gone: a backend tells it at its end at last."""
    until(lambda: conn.execute(_OTHERS).fetchall() == [])
    ((blocks,),) = conn.execute(_READ).fetchall()
    return int(blocks)
