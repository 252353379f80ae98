"""Lists of events: how much of the log each reads, whatever the planner thinks of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from api.resources.events import LOOKED_AT_MAX, EventsQuery, Span, select_events
from tests.support.connected import connected
from tests.support.http_server import copied, served

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS: Final = 30_000
LIMIT: Final = 51
RARE, COMMON, STREAM = "payout.created", "subscription.renewed", "subscription/bus_1/sub_7"
BEFORE_ALL: Final = datetime(2020, 1, 1, tzinfo=UTC)

# The rare type stands at the end alone; nothing has been projected, so nothing occurred by then.
_FILL: Final = f"""
    INSERT INTO raphus.ledger_events (originator_id, originator_version, topic, state,
        notification_id, webhook_id, recorded_at, hash)
    SELECT 'subscription/bus_1/sub_' || n % 300, 1 + n / 300,
        CASE WHEN n > {EVENTS - 3} THEN '{RARE}' ELSE '{COMMON}' END, '', n, 'msg_' || n,
        '2026-05-01'::timestamptz + n * interval '1 s', ''
    FROM generate_series(1, {EVENTS}) AS n
"""


@pytest.fixture(scope="module", params=["ANALYZE", "SELECT 1"])
def log(cluster: str, template: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give a long log, with the planner's statistics and without."""
    with copied(cluster, template) as conninfo:
        with psycopg.connect(conninfo, autocommit=True) as conn:
            conn.execute("ALTER TABLE raphus.ledger_events SET (autovacuum_enabled = false)")
            conn.execute(_FILL.encode())
            conn.execute(str(request.param).encode())
        yield conninfo


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


@pytest.mark.parametrize(
    ("asked", "span", "rows_max"),
    [
        (EventsQuery(), Span(0, None), LIMIT),
        (EventsQuery(), Span(EVENTS // 2, EVENTS - 100), LIMIT),
        (EventsQuery(type=RARE), Span(0, None), LIMIT),
        (EventsQuery(type=RARE), Span(0, EVENTS - 100), LIMIT),
        (EventsQuery(type=COMMON), Span(EVENTS - 1_000, None), 1_000),
        (EventsQuery(type="never.seen"), Span(0, None), LIMIT),
        (EventsQuery(type="payout.*"), Span(0, None), LIMIT),
        (EventsQuery(type="subscription.*"), Span(EVENTS - 1_000, None), 1_000),
        (EventsQuery(type="access.*"), Span(0, None), LIMIT),
        (EventsQuery(aggregate_id=STREAM), Span(0, None), 101),
        (EventsQuery(aggregate_id=STREAM), Span(EVENTS - 100, None), 101),
        (EventsQuery(aggregate_id=STREAM, type=RARE), Span(0, None), 101),
        (EventsQuery(aggregate_id=STREAM, as_of=BEFORE_ALL), Span(0, None), 101),
        (EventsQuery(as_of=BEFORE_ALL), Span(0, LOOKED_AT_MAX), LOOKED_AT_MAX),
        (EventsQuery(as_of=BEFORE_ALL, type=COMMON), Span(100, 100 + LOOKED_AT_MAX), LOOKED_AT_MAX),
        (EventsQuery(as_of=BEFORE_ALL, type=RARE), Span(EVENTS - 10, EVENTS), LIMIT),
        (EventsQuery(order="desc"), Span(0, EVENTS // 2), LIMIT),
        (EventsQuery(order="desc", type=COMMON), Span(EVENTS - 1_000, None), 1_000),
        (EventsQuery(order="desc", aggregate_id=STREAM), Span(0, None), 101),
        (EventsQuery(order="desc", as_of=BEFORE_ALL), Span(0, LOOKED_AT_MAX), LOOKED_AT_MAX),
    ],
)
def test_no_list_of_events_reads_more_of_the_log_than_it_needs(
    log: str, asked: EventsQuery, span: Span, rows_max: int
) -> None:
    statement = select_events(asked, span, LIMIT)
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}"
    with connected(log) as conn:
        ((found,),) = conn.execute(explain.encode(), statement.params).fetchall()
    of_log = [n for n in nodes(found[0]["Plan"]) if n.get("Relation Name") == "ledger_events"]
    assert of_log
    assert not [node for node in of_log if node["Node Type"] == "Seq Scan"]
    passed_over = sum(node.get("Rows Removed by Filter", 0) for node in of_log)
    assert sum(node["Actual Rows"] for node in of_log) + passed_over <= rows_max


def test_a_list_as_of_a_time_that_finds_nothing_in_a_part_of_the_log_leads_on(log: str) -> None:
    cursor: dict[str, str] = {}
    parts = 0
    with served(log) as server:
        while True:
            part = server.get("/v1/events", as_of=BEFORE_ALL.isoformat(), **cursor)
            assert part["items"] == []
            parts += 1
            if part["next"] is None:
                break
            cursor = {"cursor": part["next"]}
    assert parts == EVENTS // LOOKED_AT_MAX
