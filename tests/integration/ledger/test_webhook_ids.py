"""Looking webhook-ids up: how much of the log a batch reads to find what is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from ledger.application import Ledger, Receipt
from ledger.recorder import LedgerRecorder
from tests.support.connected import connected
from tests.support.deliveries import receipts, renewals

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 100
EVENTS = 3_000
BLOCKS_A_LOOKUP_MAX = 12
"""Of two indexes and the table; a page of the log has about ten events."""

_READ = """
    SELECT coalesce(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit, 0)
    FROM pg_statio_user_tables WHERE relname = 'ledger_events'
"""


def untouched(_conn: psycopg.Connection) -> None:
    """Leave the planner without statistics, as it is before autovacuum has come by."""


def analyzed(conn: psycopg.Connection) -> None:
    conn.execute("VACUUM ANALYZE raphus.ledger_events")


def blocks_read(database: str) -> int:
    """Count what has been read of the log and its indexes, once all backends have reported it."""
    with connected(database) as conn:
        ((blocks,),) = conn.execute(_READ).fetchall()
    return int(blocks)


def report(writer: Ledger) -> None:
    """Let the writer's backend report what it has read."""
    assert isinstance(writer.recorder, LedgerRecorder)
    with writer.recorder.datastore.get_connection() as conn:
        conn.execute("SELECT pg_stat_force_next_flush()")


@pytest.mark.parametrize("small", [untouched, analyzed])
@pytest.mark.parametrize("grown", [untouched, analyzed])
def test_a_batch_reads_a_few_blocks_a_webhook_id_however_long_the_stream_is(
    database: str,
    small: Callable[[psycopg.Connection], None],
    grown: Callable[[psycopg.Connection], None],
) -> None:
    with connected(database, autocommit=True) as conn, Ledger(database) as writer:
        conn.execute("ALTER TABLE raphus.ledger_events SET (autovacuum_enabled = false)")
        writer.record(renewals(range(3)))
        small(conn)
        for _ in range(10):  # the plan is settled while the log is small
            receipts(writer.record(renewals(range(3))))
        for first in range(BATCH, EVENTS, BATCH):
            receipts(writer.record(renewals(range(first, first + BATCH))))
        grown(conn)
        conn.execute("SELECT pg_stat_force_next_flush()")
        report(writer)
        before = blocks_read(database)
        known = receipts(writer.record(renewals(range(BATCH, 2 * BATCH))))
        new = receipts(writer.record(renewals(range(EVENTS, EVENTS + BATCH))))
        report(writer)
        read = blocks_read(database) - before
    assert known == [Receipt(n + 4, duplicate=True) for n in range(BATCH)]
    assert not any(receipt.duplicate for receipt in new)
    # The new ones are written too: a row, four entries of indexes.
    assert read < 3 * BATCH * BLOCKS_A_LOOKUP_MAX
