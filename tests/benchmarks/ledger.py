"""Benchmark: a ledger save of 500 against a COPY of the same 500 rows."""

from __future__ import annotations

import psycopg

from domain.ledger import Ledger
from tests.benchmarks.bodies import deliveries
from tests.benchmarks.measure import Result, medians, seconds

BATCH = 500
_ROUNDS = 15
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

        def save() -> float:
            batch = deliveries(BATCH)
            return seconds(lambda: ledger.record(batch))

        def copy() -> float:
            rows = conn.execute(
                f"SELECT {_COLUMNS} FROM raphus.ledger_events"
                " WHERE notification_id > (SELECT coalesce(max(notification_id), 0) FROM plain)"
                f" ORDER BY notification_id LIMIT {BATCH}"
            ).fetchall()
            return seconds(lambda: _copy(conn, rows))

        saving_s, copying_s = medians(save, copy, rounds=_ROUNDS)
        conn.execute("DROP TABLE plain")
    ledger.close()
    detail = f"{BATCH / saving_s:,.0f} against {BATCH / copying_s:,.0f} events/s"
    return Result("ledger save of 500 ÷ COPY of 500", copying_s / saving_s, 0.6, False, detail)


def _copy(conn: psycopg.Connection[tuple[object, ...]], rows: list[tuple[object, ...]]) -> None:
    with (
        conn.transaction(),
        conn.cursor() as curs,
        curs.copy(f"COPY plain ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(_TYPES)
        for row in rows:
            copy.write_row(row)
