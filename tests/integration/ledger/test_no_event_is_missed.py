"""Eight writing processes, VACUUM and a reader that tails the log: nothing is missed or doubled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING

import pytest

from ledger.application import Ledger
from tests.support.connected import connected
from tests.support.log import broken_links, lines
from tests.support.writers import Plan, Recorded, WritingProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsourcing.persistence import Notification

WRITERS = 8
EACH = 300
OF_ITS_OWN = 240
"""The rest of a writer's deliveries are the next writer's first ones."""
STREAMS = 150


def tail(database: str, written: Event) -> list[Sequence[Notification]]:
    """Read pages from the last position on, until the writers have ended and nothing is left."""
    pages, last = [], 0
    with Ledger(database) as ledger:
        while True:
            no_more_to_come = written.is_set()
            page = ledger.recorder.select_notifications(last + 1, 100)
            if page:
                pages.append(page)
                last = page[-1].id
            elif no_more_to_come:
                return pages
            else:
                written.wait(0.002)


def vacuum(database: str, written: Event) -> int:
    """Vacuum the log over and over until the writers have ended; return how often it was done."""
    done = 0
    with connected(database, autocommit=True) as conn:
        while not written.is_set():
            for statement in ("VACUUM", "VACUUM (FREEZE)", "ANALYZE"):
                conn.execute(f"{statement} raphus.ledger_events".encode())
            done += 1
            written.wait(0.02)
    return done


def write(database: str, streams: int) -> list[list[Recorded]]:
    plans = [
        Plan(database, seed, seed * OF_ITS_OWN, seed * OF_ITS_OWN + EACH, streams)
        for seed in range(WRITERS)
    ]
    with ExitStack() as stack:
        writers = [WritingProcess(plan) for plan in plans]
        for writer in writers:
            stack.callback(writer.kill)
        for writer in writers:
            writer.wait_until_ready()
        for writer in writers:
            writer.begin()
        return [writer.result() for writer in writers]


@pytest.mark.long
def test_a_reader_that_tails_eight_writing_processes_misses_nothing(database: str) -> None:
    written = Event()
    with ThreadPoolExecutor(2) as threads:
        reader = threads.submit(tail, database, written)
        vacuums = threads.submit(vacuum, database, written)
        try:
            recorded = write(database, STREAMS)
        finally:
            written.set()
        pages = reader.result()
        assert vacuums.result() > 1
    read = [(notification.id, notification.state) for page in pages for notification in page]
    log = lines(database)
    assert len(read) == len(log)
    assert read == [(line.position, line.state) for line in log]
    total = WRITERS * OF_ITS_OWN + EACH - OF_ITS_OWN
    assert len(pages) > total / 100 + 1  # it did tail
    assert [line.position for line in log] == list(range(1, total + 1))
    assert broken_links(log) == []
    assert_receipts_are_right({line.webhook_id: line.position for line in log}, recorded)


def assert_receipts_are_right(log: dict[str, int], recorded: list[list[Recorded]]) -> None:
    everything = [receipt for some in recorded for receipt in some]
    assert len(everything) == WRITERS * EACH
    assert all(log[receipt.webhook_id] == receipt.position for receipt in everything)
    first = [receipt.webhook_id for receipt in everything if not receipt.duplicate]
    assert sorted(first) == sorted(log)  # each was new once, to one of the writers
