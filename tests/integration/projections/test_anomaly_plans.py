"""The list of anomalies reads what is wrong, not what might be: whatever the planner knows."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from psycopg.sql import SQL

from postgres.connections import FOLLOWING, connect
from postgres.together import together
from projections.live.projector import LIVE
from projections.live.regrouping import Regrouping, each_group
from projections.read_models import anomalies
from projections.read_models.anomalies import PAUSES_OF, Instant
from projections.read_models.anomaly_spans import ANOMALY_SPANS
from projections.read_models.catalogue import READ_MODELS
from projections.read_models.joint_anomalies import JOINT_ANOMALIES
from tests.support.connected import connected
from tests.support.http_server import copied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from postgres.statement import Statement
    from tests.support.http_server import CopyOf

SUBSCRIPTIONS: Final = 20_000
WEBHOOKS: Final = 60_000
WRONG: Final = 40
SETTLED: Final = 1_000
PAYMENTS: Final = 1_000
NOW: Final = datetime(2026, 5, 1, tzinfo=UTC)
TABLES: Final = {"anomaly_spans", "joint_anomalies", "timeline"}

# Of each subscription three conditions, and that it will be overdue unless it is renewed before.
_FILL: Final = f"""
    INSERT INTO raphus.anomaly_spans (stream_id, ordinal, code, kind, id, business_id, about,
        customer_id, opened_at, settled_at, objects, evidence)
    SELECT 'subscription/bus_1/sub_' || n, place, code, 'subscription', 'sub_' || n, 'bus_1',
        CASE code WHEN 'overdue' THEN '' WHEN 'live' THEN 'customer/cus_' || n || '/pdt_1'
            ELSE 'subscription/sub_' || n END,
        'cus_' || n,
        CASE WHEN code = 'overdue' AND n > {WRONG + SETTLED} THEN '2026-06-01'::timestamptz
            ELSE '2026-01-01'::timestamptz + n * interval '1 min' END,
        CASE WHEN code = 'overdue' AND n > {WRONG} AND n <= {WRONG + SETTLED}
            THEN '2026-03-01'::timestamptz END,
        '[]', '[]'
    FROM generate_series(1, {SUBSCRIPTIONS}) AS n,
        unnest(ARRAY['heard', 'live', 'paid', 'overdue']) WITH ORDINALITY AS c (code, place);
    INSERT INTO raphus.anomaly_spans (stream_id, ordinal, code, kind, id, business_id, about,
        opened_at, began_at, objects, evidence)
    SELECT 'payment/bus_1/pay_' || n, 0, CASE WHEN n = 0 THEN 'ended' ELSE 'paid' END, 'payment',
        'pay_' || n, 'bus_1', 'subscription/sub_long',
        '2026-01-01'::timestamptz + n * interval '1 hour',
        '2026-01-01'::timestamptz + n * interval '1 hour', '[]', '[]'
    FROM generate_series(0, {PAYMENTS}) AS n;
    INSERT INTO raphus.timeline (webhook_id, position, stream_id, business_id, rank, kind, id, type,
        occurred_at, recorded_at, verdict, gap, changes)
    SELECT 'msg_' || n, n, 's', 'bus_' || n % 2, 1, 'payment', 'pay_' || n, 'payment.succeeded',
        '2026-01-01', '2026-01-01'::timestamptz + n * interval '1 min', 'applied', false, '[]'
    FROM generate_series(1, {WEBHOOKS}) AS n;
"""
_WRONG_ELSEWHERE: Final = """
    INSERT INTO raphus.joint_anomalies (stream_id, code, kind, id, business_id, about, opened_at,
        objects, evidence)
    SELECT 'payment/bus_1/pay_' || n, 'paid_unseen', 'payment', 'pay_' || n, 'bus_1',
        'subscription/unknown_' || n, '2026-01-01', '[]', '[]'
    FROM generate_series(1, 20000) AS n
"""


@pytest.fixture(scope="module", params=["ANALYZE", "SELECT 1"])
def filled(copy_of: CopyOf, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give tables with much in them, with the planner's statistics and without."""
    with copy_of(fill) as conninfo:
        with connected(conninfo, autocommit=True) as conn:
            conn.execute(str(request.param).encode())
        yield conninfo


def fill(conninfo: str, while_empty: Callable[[], object] = lambda: None) -> None:
    """Fill the tables, none of which is looked at for statistics meanwhile."""
    with connected(conninfo, autocommit=True) as conn:
        for model in READ_MODELS:
            if model.table in TABLES:
                off = f"ALTER TABLE raphus.{model.table} SET (autovacuum_enabled = false)"
                conn.execute(off.encode())
        while_empty()
        conn.execute(_FILL.encode())


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def read(conninfo: str, sql: str, params: Mapping[str, object]) -> int:
    """Run a statement; return how many rows of the tables it has read, none by a scan of all."""
    with connected(conninfo) as conn:
        conn.execute("SET search_path = raphus")
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}"
        ((found,),) = conn.execute(explain.encode(), params).fetchall()
    of_tables = [n for n in nodes(found[0]["Plan"]) if n.get("Relation Name") in TABLES]
    big = [n for n in of_tables if n["Relation Name"] != JOINT_ANOMALIES.table]
    assert big
    assert not [node for node in big if node["Node Type"] == "Seq Scan"]
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in of_tables
    )


@pytest.mark.parametrize("filters", [{}, {"code": "overdue"}, {"code": "gap"}, {"kind": "payment"}])
@pytest.mark.parametrize(
    ("at", "open_"), [(NOW, WRONG), (datetime(2026, 2, 1, tzinfo=UTC), WRONG + SETTLED)]
)
def test_what_is_read_is_what_is_open(
    filled: str, filters: dict[str, object], at: datetime, open_: int
) -> None:
    statement = anomalies.page(filters, Instant(at, 1), after=None, limit=51)
    assert read(filled, *statement) <= open_ + 20


def test_who_has_something_wrong_is_found_among_what_is_open(filled: str) -> None:
    statement = anomalies.page({"customer_id": "cus_7"}, Instant(NOW, None), after=None, limit=51)
    assert read(filled, *statement) <= WRONG + 20


def test_what_is_counted_is_what_is_open(filled: str) -> None:
    assert read(filled, *anomalies.counts(Instant(NOW, 1))) <= WRONG + 20


@pytest.mark.parametrize(
    "statement",
    [anomalies.page({}, Instant(NOW, 0), after=None, limit=51), anomalies.counts(Instant(NOW, 0))],
)
def test_before_all_webhooks_none_is_read_by_a_plan_for_any_instant(
    filled: str, statement: Statement
) -> None:
    # What was prepared has such a plan once it was asked for often enough.
    with psycopg.connect(filled) as conn:
        conn.execute("SET search_path = raphus; SET plan_cache_mode = force_generic_plan")
        conn.execute(statement.sql.encode(), statement.params, prepare=True)
        fetched = "SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'timeline'"
        (row,) = conn.execute(fetched).fetchall()
    assert int(row[0]) <= 20


def test_of_a_silent_business_the_last_webhooks_are_read_and_no_more(filled: str) -> None:
    statement = anomalies.page({"code": "silent"}, Instant(NOW, None), after=None, limit=51)
    assert read(filled, *statement) <= WRONG + 2 * (PAUSES_OF + 20)


def read_of_groups(conninfo: str, *abouts: str) -> int:
    """Tell what is wrong in groups; return how many rows have been read."""
    asked = SQL("%(businesses)s::text[], %(abouts)s::text[]")
    sql = each_group(JOINT_ANOMALIES, "raphus", asked).as_string()
    return read(conninfo, sql, {"businesses": ["bus_1"] * len(abouts), "abouts": [*abouts]})


def test_groups_are_found_by_their_index(filled: str) -> None:
    groups = "subscription/sub_1", "subscription/sub_2", "customer/cus_1/pdt_1"
    assert read_of_groups(filled, *groups) <= 100


def test_of_many_payments_each_is_held_against_the_end_and_not_against_the_others(
    filled: str,
) -> None:
    assert read_of_groups(filled, "subscription/sub_long") <= 10 * PAYMENTS


def test_a_plan_of_when_the_tables_were_empty_reads_of_each_group_what_is_in_it(
    cluster: str, template: str
) -> None:
    regrouping = Regrouping(JOINT_ANOMALIES, ANOMALY_SPANS, LIVE)
    with (
        copied(cluster, template) as conninfo,
        closing(connect(conninfo, FOLLOWING, "test")) as conn,
    ):
        few = regrouping.write({("bus_1", "subscription/sub_1")})
        with connected(conninfo, autocommit=True) as other:
            other.execute("VACUUM")  # that nothing is there is what the planner knows
        fill(conninfo, lambda: together(conn, [few]))
        with connected(conninfo, autocommit=True) as other:
            other.execute(_WRONG_ELSEWHERE.encode())
        groups = {("bus_1", f"subscription/sub_{n}") for n in range(500)}
        fetched = "SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = %s"
        with conn.transaction():
            together(conn, [regrouping.write(groups)])
            read_ = {
                model.table: conn.execute(fetched, [model.table]).fetchall()[0][0]
                for model in (ANOMALY_SPANS, JOINT_ANOMALIES)
            }
        assert len(groups) <= read_[ANOMALY_SPANS.table] <= 20 * len(groups)
        assert read_[JOINT_ANOMALIES.table] <= 20 * len(groups)
