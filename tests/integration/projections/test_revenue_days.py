"""What is kept by day is what the rows add up to, whatever writes them, whenever it is asked."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, cast

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.revenue.calendar import SIZES, Size, Span, spans
from domain.revenue.cohorts import Began, Retained, retained
from domain.revenue.mrr import MrrFigures, figures
from domain.revenue.net import TakingSums
from domain.revenue.takings import KINDS, Taking
from ledger.mapper import LedgerMapper
from migrations.runner import FOLDER, migrate
from postgres.connections import FOLLOWING, connect
from projections.live.projector import Projector
from projections.live.upsert import Replacement
from projections.read_models import mrr, takings
from projections.read_models.recurring import RECURRING
from projections.read_models.subscriptions import SUBSCRIPTIONS
from projections.read_models.takings import TAKINGS
from projections.rebuild.kept_sums import compare_kept, kept_beside
from tests.support.connected import connected
from tests.support.histories import aggregates, said
from tests.support.http_server import copied
from tests.support.projected import position, project, record, simulated
from tests.support.rebuilds import execute, rebuilt
from tests.support.revenue import FIRST as SHOPS_BEGAN
from tests.support.revenue import selected, shops, stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from domain.delivery import Delivery
    from tests.support.http_server import CopyOf

WITH_A_DATABASE: Final = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
FIRST: Final = datetime(2026, 1, 29, tzinfo=UTC)
BEGAN: Final = datetime(2025, 9, 1, tzinfo=UTC)
EVERYTHING: Final = takings.Asked(FIRST + timedelta(days=300), FIRST, FIRST + timedelta(days=300))
KEPT: Final = (
    "taking_days",
    "following_takings",
    "recurring_days",
    "shared_books",
    "book_moves",
    "cohort_days",
    "trials",
)
PAGE: Final = 10
PAGES: Final = 25
SPOILERS: Final = (
    "UPDATE raphus.recurring SET began = began - interval '1 month'",
    "UPDATE raphus.recurring SET began = NULL WHERE subscription_id = 'sub_1'",
    "UPDATE raphus.recurring SET book = md5('another')::uuid WHERE subscription_id < 'sub_2'",
    "UPDATE raphus.recurring SET at = at + interval '121 hours' WHERE kind = 'new'",
    "DELETE FROM raphus.recurring WHERE kind IN ('new', 'churn') AND customer_id = 'cus_1'",
    "UPDATE raphus.recurring SET until = NULL",
    "UPDATE raphus.recurring SET converted = NOT converted WHERE subscription_id = 'sub_0'",
)
UNTOLD: Final = (
    "UPDATE raphus.recurring SET trial_change = -trial_change WHERE product_id = 'pdt_1'",
    "DELETE FROM raphus.recurring WHERE trial_change = 1 AND customer_id = 'cus_2'",
)
"""What leaves a trial with two beginnings at one instant, which no fold tells."""
SPOILERS_OF_ENDS: Final = (
    "DELETE FROM raphus.recurring WHERE kind = 'churn'",
    "UPDATE raphus.recurring SET at = at + interval '121 hours' WHERE kind = 'churn'",
    "UPDATE raphus.recurring SET total_change = 7 WHERE kind = 'expansion'",
)
"""What leaves a book begun by whom it says."""
READ: Final = """
    SELECT coalesce(sum(idx_tup_fetch + seq_tup_read), 0) FROM pg_stat_xact_user_tables
    WHERE schemaname = 'raphus'
"""
BEGINNINGS: Final = "SELECT stream_id, at, leaves, began FROM raphus.recurring ORDER BY 1, 2, 3"
STEP: Final = """
    INSERT INTO raphus.recurring (stream_id, book, at, total_change, monthly_change, yearly_change,
        active_change, paying_change, trial_change, leaves, converted, currency, product_id,
        business_id, monthly, yearly, first_position, subscription_id)
    VALUES ('subscription/bus_1/sub_1', md5('one')::uuid, %s, 0, 0, 0, 0, 0, %s, false, %s, %s, %s,
        'bus_1', 0, 0, 1, 'sub_1')
"""
LATER: Final = """
    UPDATE raphus.recurring SET began = began + interval '2 days',
        at = CASE WHEN kind = 'new' THEN at + interval '2 days' ELSE at END
"""
HOURS: Final = st.integers(0, 5 * 4).map(lambda quarter: FIRST + timedelta(hours=quarter * 6))
MINOR: Final = st.sampled_from([None, 0, 1, 999, 2**62])
BUSINESSES: Final = st.sampled_from(["bus_1", "bus_2"])
CURRENCIES: Final = st.sampled_from(["USD", "EUR", None])


@pytest.fixture(scope="module")
def conn(cluster: str, template: str) -> Iterator[psycopg.Connection]:
    with copied(cluster, template) as conninfo, psycopg.connect(conninfo) as opened:
        opened.execute("SET search_path = raphus; SET timezone = 'UTC'")
        opened.commit()
        yield opened


@st.composite
def takings_of_few(draw: st.DrawFn) -> Taking:
    """Draw one of few payments, or what may follow from one of them."""
    kind = draw(st.sampled_from(KINDS))
    payment_id = draw(st.sampled_from(["pay_1", "pay_2"]))
    settles = kind in {"payment", "refund", "failed_payment"} and draw(st.booleans())
    return Taking(
        kind=kind,
        id=payment_id if "payment" in kind else draw(st.sampled_from(["one", "another"])),
        ordinal=0,
        business_id=draw(BUSINESSES),
        at=draw(HOURS),
        customer_id=None,
        payment_id=payment_id,
        subscription_id=draw(st.sampled_from(["sub_1", None])),
        currency=draw(CURRENCIES),
        amount=draw(MINOR),
        settlement_currency=draw(CURRENCIES) if settles else None,
        gross=draw(st.integers(0, 2**62)) if settles else None,
        tax=draw(st.integers(0, 2**62)) if settles else None,
        net_sign={"payment": 1, "refund": -1, "dispute_lost": -1}.get(kind, 0),
    )


def rows_of(told: Sequence[Taking]) -> Mapping[tuple[str, ...], tuple[object, ...]]:
    named = {(f"{one.kind}/{one.business_id}/{one.id}", one.kind, one.id): one for one in told}
    return {
        (stream, *rest): (stream, *(getattr(one, field) for field in one.__struct_fields__))
        for (stream, *rest), one in named.items()
    }


def net(
    conn: psycopg.Connection, asked: takings.Asked, size: Size, *, of_rows: bool
) -> list[TakingSums]:
    begins = [one.begin for one in spans(asked.begin.date(), asked.end.date(), size, 1_000)]
    statement = takings.sums(asked, begins, of_snapshot=of_rows)
    return sorted(map(takings.read_sums, selected(conn, statement)), key=str)


@WITH_A_DATABASE
@given(
    st.lists(st.lists(takings_of_few(), max_size=9), min_size=1, max_size=3),
    st.tuples(HOURS, HOURS, CURRENCIES, st.sampled_from([(), ("bus_1",)])),
    st.sampled_from(SIZES),
)
def test_what_was_taken_on_days_is_what_its_rows_add_up_to(
    conn: psycopg.Connection,
    histories: list[list[Taking]],
    what: tuple[datetime, datetime, str | None, tuple[str, ...]],
    size: Size,
) -> None:
    at, begin, currency, business_ids = what
    begin = begin.replace(hour=0)
    asked = takings.Asked(at, begin, begin + timedelta(days=3), business_ids, currency)
    streams: set[str] = set()
    with conn.transaction(force_rollback=True):
        for history in histories:
            rows = rows_of(history)
            streams |= {stream for stream, *_ in rows}
            Replacement(TAKINGS, "raphus").write(conn, rows.values(), sorted(streams))
            for one in (asked, EVERYTHING):
                told = net(conn, one, size, of_rows=True)
                assert net(conn, one, size, of_rows=False) == told


ASKED_IN_PART = st.sampled_from(
    [
        {},
        {"by_product": True},
        {"by_product": True, "product_id": "pdt_1"},
        {"currency": "EUR", "business_ids": ("bus_1",)},
    ]
)


def earn(conn: psycopg.Connection, history: list[Delivery]) -> None:
    """Write what a few shops' history earns in place of what any other one has earned."""
    rows = [row for one in aggregates(history).values() for row in RECURRING.rows(one)]
    streams = [f"subscription/bus_1/sub_{number}" for number in range(4)]
    Replacement(RECURRING, "raphus").write(conn, rows, streams)


def earned(
    conn: psycopg.Connection, asked: mrr.Asked, periods: Sequence[Span]
) -> tuple[list[list[MrrFigures]], list[tuple[object, ...]]]:
    """What a report says, and the movements from its first period on."""
    statement = mrr.sums(asked, [one.begin for one in periods], periods[-1].end)
    told = figures(map(mrr.read_sums, selected(conn, statement)), len(periods))
    span = periods[0].begin, periods[-1].end
    return told, selected(conn, mrr.movements(asked, span, None, None, 1_000))


@WITH_A_DATABASE
@given(
    st.lists(shops(), min_size=1, max_size=3),
    st.integers(0, 14 * 24),
    st.sampled_from(SIZES),
    ASKED_IN_PART,
)
def test_what_was_earned_on_days_is_what_its_rows_add_up_to(
    conn: psycopg.Connection,
    histories: list[list[Delivery]],
    hour: int,
    size: Size,
    which: dict[str, Any],
) -> None:
    begin = SHOPS_BEGAN.date() + timedelta(days=2)
    asked = mrr.Asked(SHOPS_BEGAN + timedelta(hours=48 + hour), **which)
    periods = spans(begin, begin + timedelta(days=9), size, 100)
    with conn.transaction(force_rollback=True):
        for history in histories:
            earn(conn, history)
            told = earned(conn, asked._replace(of_snapshot=True), periods)
            assert earned(conn, asked, periods) == told


def left(
    conn: psycopg.Connection, asked: mrr.Asked, periods: Sequence[Span]
) -> tuple[dict[tuple[str | None, int], list[Retained]], dict[tuple[str | None, int], Began]]:
    """What a report of retention says, and what each cohort began with."""
    statement = mrr.cohorts(asked, [one.begin for one in periods], periods[-1].end)
    read = [mrr.read_cohort(row) for row in selected(conn, statement)]
    began = {(one.currency, one.cohort): new for one, new in read if one.span == one.cohort}
    return retained((one for one, _ in read), began, len(periods)), began


@WITH_A_DATABASE
@given(
    st.lists(shops(), min_size=1, max_size=3),
    st.integers(0, 14 * 24),
    st.sampled_from([{}, {}, {"currency": "EUR", "business_ids": ("bus_1",)}]),
    st.lists(st.sampled_from(SPOILERS_OF_ENDS), max_size=2),
)
def test_what_is_left_of_cohorts_is_what_the_rows_of_their_books_add_up_to(
    conn: psycopg.Connection,
    histories: list[list[Delivery]],
    hour: int,
    which: dict[str, Any],
    spoilers: list[str],
) -> None:
    begin = SHOPS_BEGAN.date() + timedelta(days=2)
    asked = mrr.Asked(SHOPS_BEGAN + timedelta(hours=48 + hour), **which)

    def compare() -> None:
        for size in SIZES:
            periods = spans(begin, begin + timedelta(days=9), size, 100)
            told = left(conn, asked._replace(of_snapshot=True), periods)
            assert left(conn, asked, periods) == told

    with conn.transaction(force_rollback=True):
        for history in histories:
            earn(conn, history)
            compare()
        for spoil in spoilers:
            conn.execute(spoil.encode())
            compare()


def tried(
    conn: psycopg.Connection, asked: mrr.Asked, periods: Sequence[Span]
) -> list[tuple[object, ...]]:
    statement = mrr.trials(asked, [one.begin for one in periods], periods[-1].end)
    return sorted(map(mrr.read_trials, selected(conn, statement)), key=str)


@WITH_A_DATABASE
@given(
    st.lists(shops(), min_size=1, max_size=3),
    st.integers(0, 14 * 24),
    st.sampled_from(SIZES),
    ASKED_IN_PART,
    st.lists(st.sampled_from(SPOILERS), max_size=2),
)
def test_what_became_of_trials_is_what_the_rows_of_their_subscriptions_say(
    conn: psycopg.Connection,
    histories: list[list[Delivery]],
    hour: int,
    size: Size,
    which: dict[str, Any],
    spoilers: list[str],
) -> None:
    asked = mrr.Asked(SHOPS_BEGAN + timedelta(hours=hour), **which)
    periods = spans(SHOPS_BEGAN.date(), SHOPS_BEGAN.date() + timedelta(days=11), size, 100)
    with conn.transaction(force_rollback=True):
        for history in histories:
            earn(conn, history)
            told = tried(conn, asked._replace(of_snapshot=True), periods)
            assert tried(conn, asked, periods) == told
        for spoil in spoilers:
            conn.execute(spoil.encode())
            told = tried(conn, asked._replace(of_snapshot=True), periods)
            assert tried(conn, asked, periods) == told


@settings(WITH_A_DATABASE, max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, -1]),
            st.sampled_from([False, False, True]),
            st.sampled_from(["EUR", "EUR", "EUR", "EUR", "USD", None]),
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 5),
    st.sampled_from([{}, {"by_product": True}, {"currency": "EUR"}]),
)
def test_a_trial_that_is_not_plain_is_told_from_its_changes(
    conn: psycopg.Connection,
    steps: list[tuple[int, bool, str | None]],
    hours: int,
    which: dict[str, Any],
) -> None:
    asked = mrr.Asked(SHOPS_BEGAN + timedelta(hours=hours), **which)
    periods = spans(SHOPS_BEGAN.date(), SHOPS_BEGAN.date(), "day", 1)
    with conn.transaction(force_rollback=True):
        for hour, (trial_change, converted, currency) in enumerate(steps):
            at = SHOPS_BEGAN + timedelta(hours=hour)
            conn.execute(STEP, [at, trial_change, converted, currency, f"pdt_{hour % 2}"])
            told = tried(conn, asked._replace(of_snapshot=True), periods)
            assert tried(conn, asked, periods) == told
        assert compare_kept(conn, "trials").none


@WITH_A_DATABASE
@given(shops(), st.permutations(SPOILERS + UNTOLD))
def test_days_are_what_the_rows_add_up_to_whoever_spoils_these(
    conn: psycopg.Connection, deliveries: list[Delivery], spoilers: list[str]
) -> None:
    with stored(conn, aggregates(deliveries).values()):
        for spoil in spoilers:
            conn.execute(spoil.encode())
            for table in kept_beside([RECURRING]):
                assert compare_kept(conn, table).none, (table, spoil)


def check(conninfo: str) -> None:
    """Compare at several instants, day by day."""
    with connected(conninfo) as conn:
        conn.execute("SET search_path = raphus; SET timezone = 'UTC'")
        for days in (100, 300, 420, 500):
            at = BEGAN + timedelta(days=days, hours=13)
            asked = takings.Asked(at, BEGAN, BEGAN + timedelta(days=450))
            told = net(conn, asked, "day", of_rows=True)
            assert net(conn, asked, "day", of_rows=False) == told
            assert told or days < 400
            for by_product in (False, True):
                of_rows = mrr.Asked(at, by_product=by_product, of_snapshot=True)
                periods = spans(BEGAN.date(), at.date(), "week", 100)
                moves = earned(conn, of_rows, periods)
                assert earned(conn, of_rows._replace(of_snapshot=False), periods) == moves
            check_cohorts(conn, mrr.Asked(at))
            months = spans(BEGAN.date(), at.date(), "month", 100)
            became = tried(conn, mrr.Asked(at, by_product=True, of_snapshot=True), months)
            assert tried(conn, mrr.Asked(at, by_product=True), months) == became


def check_cohorts(conn: psycopg.Connection, asked: mrr.Asked) -> None:
    """Compare by each size of period; of snapshots, each book's beginning is found anew."""
    for size, begin in (("month", BEGAN), ("week", BEGAN + timedelta(days=90))):
        periods = spans(begin.date(), asked.at.date(), cast("Size", size), 100)
        told = left(conn, asked._replace(of_snapshot=True), periods)
        assert left(conn, asked, periods) == told
        assert told[0] or size == "week"


def lived(conninfo: str) -> None:
    record(conninfo, simulated(30, seed=3))
    project(conninfo)


@pytest.fixture
def merchant(copy_of: CopyOf) -> Iterator[str]:
    """A database with what a simulated merchant was told."""
    with copy_of(lived) as conninfo:
        yield conninfo


def rewrite(conninfo: str) -> None:
    """Write the rows of all streams anew, as an erasure does, and an adoption."""
    with connected(conninfo) as conn:
        found = conn.execute("SELECT DISTINCT stream_id FROM raphus.timeline").fetchall()
        streams = sorted(stream for (stream,) in found)
        Projector(LedgerMapper()).rewrite(conn, streams, position(conninfo))


def test_days_are_kept_as_rows_are_followed_rewritten_spoilt_rebuilt_and_emptied(
    merchant: str,
) -> None:
    check(merchant)
    rewrite(merchant)
    check(merchant)
    execute(merchant, "UPDATE raphus.takings SET gross = 5, tax = 1, at = at + interval '2 days'")
    execute(merchant, "DELETE FROM raphus.takings WHERE kind = 'payment' AND at < '2026-04-01'")
    execute(merchant, LATER)
    execute(merchant, "DELETE FROM raphus.recurring WHERE kind = 'churn' AND at < '2026-06-01'")
    check(merchant)
    rebuilt(merchant)
    check(merchant)
    assert rebuilt(merchant, check=True).equal
    with connected(merchant) as conn:
        conn.execute("TRUNCATE raphus.takings, raphus.recurring")
        for table in KEPT:
            select = f"SELECT count(*) FROM raphus.{table}"
            assert conn.execute(select.encode()).fetchone() == (0,)


def test_what_no_trigger_has_seen_is_found_and_put_right_by_a_rebuild(merchant: str) -> None:
    assert rebuilt(merchant, check=True).equal
    spoilt = kept_beside([SUBSCRIPTIONS, TAKINGS, RECURRING])
    assert {*KEPT, "subscription_counts"} == {*spoilt}
    for table in spoilt:
        execute(merchant, f"DELETE FROM raphus.{table}")
    found = rebuilt(merchant)
    assert {one.table for one in found.differences if not one.none} == {*spoilt}
    assert rebuilt(merchant, check=True).equal
    check(merchant)


@pytest.mark.parametrize("first", ["0034", "0035", "0036"])
def test_a_migration_fills_them_from_what_stands_there(
    merchant: str, empty: str, tmp_path: Path, first: str
) -> None:
    for path in FOLDER.glob("00[0-3]*.sql"):
        if path.name < first:
            shutil.copy(path, tmp_path)
    migrate(empty, tmp_path)
    with connected(merchant) as told, connected(empty) as old:
        for table in ("takings", "recurring"):
            found = old.execute(f"SELECT * FROM raphus.{table}".encode()).description or []
            columns = ", ".join(column.name for column in found)
            put = f"COPY raphus.{table} ({columns}) FROM STDIN".encode()
            take = f"COPY (SELECT {columns} FROM raphus.{table}) TO STDOUT".encode()
            with told.cursor().copy(take) as source, old.cursor().copy(put) as target:
                for data in source:
                    target.write(data)
    migrate(empty)
    check(empty)
    with connected(merchant) as told, connected(empty) as conn:
        assert conn.execute(BEGINNINGS).fetchall() == told.execute(BEGINNINGS).fetchall()
        for table in KEPT:
            select = f"SELECT count(*) > 0 FROM raphus.{table}"
            assert conn.execute(select.encode()).fetchone() == (True,), table
            assert compare_kept(conn, table).none, table


def page_of(number: int) -> list[Delivery]:
    """Tell of payments and subscriptions of some customers, every other payment of which fails."""
    told: list[Delivery] = []
    for one in range(number * PAGE, (number + 1) * PAGE):
        names = {"subscription_id": f"sub_{one}", "customer": {"customer_id": f"cus_{one}"}}
        word = "failed" if one % 2 else "succeeded"
        told.append(said(f"payment.{word}", one, f"p_{one}", payment_id=f"pay_{one}", **names))
        told.append(said("subscription.active", one, f"s_{one}", **names))
    return told


def test_plans_of_when_there_was_nothing_read_what_belongs_to_what_is_written(
    database: str,
) -> None:
    with closing(connect(database, FOLLOWING, "test")) as conn:
        for table in (*KEPT, "takings", "recurring"):
            conn.execute(f"ALTER TABLE raphus.{table} SET (autovacuum_enabled = false)".encode())
        read = [0]
        with conn.transaction():  # in which what is read is counted on
            for number in range(PAGES):
                built = aggregates(page_of(number)).values()
                for model in (TAKINGS, RECURRING):
                    rows = [row for one in built for row in model.rows(one)]
                    Replacement(model, "raphus").write(conn, rows)
                ((fetched,),) = conn.execute(READ).fetchall()
                read.append(int(fetched))
    each = [after - before for before, after in pairwise(read)]
    assert 0 < each[-1] < 2 * max(each[1:4])
