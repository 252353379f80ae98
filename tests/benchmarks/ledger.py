"""Benchmark: a ledger save of 500, against a COPY of the same rows and against one unchained."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from unittest.mock import patch

import psycopg

from domain.aggregates.routing import route
from ledger import recorder
from ledger.application import Ledger
from ledger.stream import Batch, Stream
from tests.benchmarks.bodies import deliveries
from tests.benchmarks.measure import Result, medians, seconds

if TYPE_CHECKING:
    from eventsourcing.domain import MutableAggregateProtocol

BATCH = 500
_ROUNDS = 15
_ROUNDS_OF_CHAIN = 60
_COLUMNS = (
    "originator_id, originator_version, topic, state, notification_id, webhook_id,"
    " recorded_at, hash"
)
_TYPES = ("text", "int8", "text", "bytea", "int8", "text", "timestamptz", "bytea")


def save_against_copy(conninfo: str) -> Result:
    """Measure both into tables of the same columns and indexes, one transaction each."""
    ledger = Ledger(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute("CREATE TABLE plain (LIKE raphus.ledger_events INCLUDING ALL)")

        def record() -> float:
            arrived = deliveries(BATCH)
            return seconds(lambda: ledger.record(arrived))

        def copy() -> float:
            rows = conn.execute(
                f"SELECT {_COLUMNS} FROM raphus.ledger_events"
                " WHERE notification_id > (SELECT coalesce(max(notification_id), 0) FROM plain)"
                f" ORDER BY notification_id LIMIT {BATCH}"
            ).fetchall()
            return seconds(lambda: _copy(conn, rows))

        saving_s, copying_s, recording_s = medians(
            lambda: _save(ledger), copy, record, rounds=_ROUNDS
        )
        conn.execute("DROP TABLE plain")
    ledger.close()
    rates = [f"{BATCH / took_s:,.0f}" for took_s in (saving_s, copying_s, recording_s)]
    detail = "{} against {} events/s; {} with routing and looking for duplicates".format(*rates)
    return Result("ledger save of 500 ÷ COPY of 500", copying_s / saving_s, 0.6, False, detail)


def with_the_chain_against_without(conninfo: str) -> Result:
    """Measure what the hashes cost the same save, where all of them are a constant."""
    ledger = Ledger(conninfo)

    def unchained() -> float:
        with patch.object(recorder, "link", lambda previous, _row: previous):
            return _save(ledger)

    chained_s, unchained_s = medians(lambda: _save(ledger), unchained, rounds=_ROUNDS_OF_CHAIN)
    ledger.close()
    detail = f"{BATCH / chained_s:,.0f} against {BATCH / unchained_s:,.0f} events/s"
    what = "ledger save of 500 ÷ the same without the chain"
    return Result(what, unchained_s / chained_s, None, False, detail)


def _save(ledger: Ledger) -> float:
    batch = _batch()
    return seconds(lambda: ledger.save(cast("MutableAggregateProtocol[str]", batch)))


def _batch() -> Batch:
    """Take new deliveries into new streams, ready to be saved."""
    routed = [(delivery, route(delivery)) for delivery in deliveries(BATCH)]
    batch = Batch(Stream(stream_id, 0) for stream_id in {to.stream_id for _, to in routed})
    for delivery, to in routed:
        batch.take(delivery, to)
    return batch


def _copy(conn: psycopg.Connection[tuple[object, ...]], rows: list[tuple[object, ...]]) -> None:
    with (
        conn.transaction(),
        conn.cursor() as curs,
        curs.copy(f"COPY plain ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(_TYPES)
        for row in rows:
            copy.write_row(row)
