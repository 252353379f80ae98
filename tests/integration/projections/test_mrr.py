"""MRR from PostgreSQL: it adds up, and is what the facts of any shop add up to by hand."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.revenue.calendar import SIZES, Size, Span, spans
from domain.revenue.mrr import Moved, MrrFigures, figures
from domain.revenue.recurring import KINDS
from projections.read_models import mrr
from projections.read_models.mrr import Asked, Movement, MovementKey, Stands
from tests.support.histories import aggregates
from tests.support.http_server import copied
from tests.support.revenue import (
    DAYS,
    FIRST,
    Moves,
    changes_of,
    earned_at,
    moved_by_hand,
    selected,
    shops,
    stored,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domain.delivery import Delivery

WITH_A_DATABASE: Final = settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)
LATER: Final = FIRST + timedelta(days=400)
MICROSECOND: Final = timedelta(microseconds=1)
LOSING: Final = ("contraction", "churn")
RATES: Final = {"USD": Decimal(1), "EUR": Decimal("1.0873")}


@pytest.fixture(scope="module")
def conn(cluster: str, template: str) -> Iterator[psycopg.Connection]:
    with copied(cluster, template) as conninfo, psycopg.connect(conninfo) as opened:
        yield opened


def told_by(size: Size, *, first_day: int = 2) -> list[Span]:
    """Periods that begin when some has happened already, and end when all has."""
    begin = FIRST.date() + timedelta(days=first_day)
    return spans(begin, FIRST.date() + timedelta(days=DAYS + 1), size, 100)


def report(
    conn: psycopg.Connection, asked: Asked, periods: Sequence[Span]
) -> list[list[MrrFigures]]:
    statement = mrr.sums(asked, [one.begin for one in periods], periods[-1].end)
    return figures(map(mrr.read_sums, selected(conn, statement)), len(periods))


def movements_of(one: MrrFigures) -> dict[str, Moved]:
    return {kind: getattr(one, kind) for kind in KINDS}


@WITH_A_DATABASE
@given(shops(), st.sampled_from(SIZES), st.booleans(), st.booleans())
def test_start_and_movements_are_the_end_in_every_cell(
    conn: psycopg.Connection,
    deliveries: list[Delivery],
    size: Size,
    by_product: bool,
    converts: bool,
) -> None:
    periods = told_by(size)
    asked = Asked(LATER, by_product=by_product)
    if converts:
        asked = asked._replace(into="USD", rates=RATES)
    with stored(conn, aggregates(deliveries).values()):
        told = report(conn, asked, periods)
    ends: dict[tuple[str | None, str | None], MrrFigures] = {}
    for own in told:
        for one in own:
            moved = movements_of(one)
            assert one.start + sum(each.amount for each in moved.values()) == one.end
            assert all(each.amount >= 0 for kind, each in moved.items() if kind not in LOSING)
            assert all(moved[kind].amount <= 0 for kind in LOSING)
            assert all((each.amount == 0) == (each.count == 0) for each in moved.values())
            assert 0 <= one.customers.end <= one.paying_subscriptions.end
            assert one.paying_subscriptions.end <= one.active_subscriptions.end
            assert (one.end > 0) == (one.customers.end > 0)
            before = ends.get((one.currency, one.product_id))
            if before is not None:
                assert (before.end, before.customers.end) == (one.start, one.customers.start)
            ends[one.currency, one.product_id] = one


@WITH_A_DATABASE
@given(shops(), st.sampled_from(SIZES))
def test_it_is_what_each_book_moves_by_hand_and_what_a_log_adds_up_to_that_is_cut_there(
    conn: psycopg.Connection, deliveries: list[Delivery], size: Size
) -> None:
    periods = told_by(size)
    with stored(conn, aggregates(deliveries).values()):
        told = report(conn, Asked(LATER), periods)
    by_hand = moved_by_hand(changes_of(deliveries), periods)
    found = {
        (one.currency, number, kind): Moves(moved.amount, moved.count)
        for number, own in enumerate(told, start=1)
        for one in own
        for kind, moved in movements_of(one).items()
        if moved.count
    }
    assert found == {key: moves for key, moves in by_hand.items() if key[1]}
    for period, own in zip(periods, told, strict=True):
        earned = earned_at(deliveries, period.end - MICROSECOND)
        by_currency: Counter[str | None] = Counter()
        for (currency, _), amount in earned.items():
            by_currency[currency] += amount
        customers = Counter(currency for (currency, _), amount in earned.items() if amount)
        for one in own:
            assert one.end == by_currency.pop(one.currency, 0)
            assert one.customers.end == customers[one.currency]
        assert not any(by_currency.values())


@WITH_A_DATABASE
@given(shops(), st.sampled_from(SIZES))
def test_products_add_up_to_the_total(
    conn: psycopg.Connection, deliveries: list[Delivery], size: Size
) -> None:
    periods = told_by(size)
    with stored(conn, aggregates(deliveries).values()):
        total = report(conn, Asked(LATER), periods)
        parts = report(conn, Asked(LATER, by_product=True), periods)
    for own, of_products in zip(total, parts, strict=True):
        for one in own:
            mine = [part for part in of_products if part.currency == one.currency]
            for name in ("start", "end", "arr"):
                assert sum(getattr(part, name) for part in mine) == getattr(one, name)
            for kind in ("new", "churn", "reactivation"):
                assert sum(movements_of(part)[kind].amount for part in mine) == (
                    movements_of(one)[kind].amount
                )
            net = one.expansion.amount + one.contraction.amount
            assert sum(part.expansion.amount + part.contraction.amount for part in mine) == net
            for name in ("paying_subscriptions", "active_subscriptions", "trials"):
                assert sum(getattr(part, name).end for part in mine) == getattr(one, name).end


@WITH_A_DATABASE
@given(shops(), st.integers(0, DAYS * 24), st.sampled_from(SIZES))
def test_as_of_an_instant_it_is_what_a_log_says_that_is_cut_there(
    conn: psycopg.Connection, deliveries: list[Delivery], hour: int, size: Size
) -> None:
    at = FIRST + timedelta(hours=hour)
    periods = [one for one in told_by(size, first_day=0) if one.begin <= at]
    with stored(conn, aggregates(deliveries).values()):
        whole = report(conn, Asked(at, by_product=True), periods)
    cut = [one.at(as_of=at) for one in aggregates(deliveries).values()]
    with stored(conn, cut):
        assert report(conn, Asked(at, by_product=True), periods) == whole


@WITH_A_DATABASE
@given(shops(), st.booleans(), st.booleans(), st.sampled_from(["pdt_1", None]))
def test_every_figure_is_the_sum_of_the_list_that_it_leads_to(
    conn: psycopg.Connection,
    deliveries: list[Delivery],
    by_product: bool,
    converts: bool,
    product_id: str | None,
) -> None:
    periods = told_by("week")
    asked = Asked(LATER, by_product=by_product or product_id is not None, product_id=product_id)
    if converts:
        asked = asked._replace(into="USD", rates=RATES)
    with stored(conn, aggregates(deliveries).values()):
        told = report(conn, asked, periods)
        for period, own in zip(periods, told, strict=True):
            for one in own:
                this = asked._replace(
                    currency=one.currency, product_id=one.product_id or product_id
                )
                assert listed(conn, this, period) == {
                    kind: (moved.amount, moved.count)
                    for kind, moved in movements_of(one).items()
                    if moved.count
                }
                at = this._replace(at=period.end - MICROSECOND)
                stands = standing(conn, at, "paying")
                assert sum(each.monthly for each in stands) == one.end
                assert sum(each.yearly for each in stands) == one.arr
                assert len(stands) == one.paying_subscriptions.end
                assert len(standing(conn, at, "active")) == one.active_subscriptions.end
                assert len(standing(conn, at, "trial")) == one.trials.end


def listed(conn: psycopg.Connection, asked: Asked, period: Span) -> dict[str, tuple[int, int]]:
    """Read the movements of a period, two by two, and add them up by kind."""
    found: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    after = None
    while True:
        statement = mrr.movements(asked, (period.begin, period.end), None, after, 2)
        page = [Movement(*row) for row in selected(conn, statement)]
        for one in page:
            amount, count = found[one.kind]
            found[one.kind] = amount + int(one.change), count + 1
        if len(page) < 2:
            return dict(found)
        after = MovementKey(page[-1].at, page[-1].book, page[-1].product_id or "")


def standing(conn: psycopg.Connection, asked: Asked, counts: str) -> list[Stands]:
    statement = mrr.standing(asked, counts, None, None, 100)
    return [Stands(*row) for row in selected(conn, statement)]


@WITH_A_DATABASE
@given(shops())
def test_cohorts_keep_what_their_customers_have(
    conn: psycopg.Connection, deliveries: list[Delivery]
) -> None:
    periods = told_by("day", first_day=0)
    with stored(conn, aggregates(deliveries).values()):
        total = report(conn, Asked(LATER), periods)
        statement = mrr.cohorts(Asked(LATER), [one.begin for one in periods], periods[-1].end)
        moved = [mrr.read_cohort(row)[0] for row in selected(conn, statement)]
    # Nobody began before the first period, so the cohorts together are everybody.
    for number, own in enumerate(total, start=1):
        for one in own:
            until = [s for s in moved if s.currency == one.currency and s.span <= number]
            assert sum(each.monthly for each in until) == one.end
            assert sum(each.customers for each in until) == one.customers.end
