"""Shops whose subscriptions change often, at few instants; and what they earn, added up by hand."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hypothesis import strategies as st

from domain.revenue.recurring import RecurringChange, recurring_changes
from projections.live.upsert import Replacement
from projections.read_models.recurring import RECURRING
from tests.support.histories import aggregates, delivery

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import psycopg
    from hypothesis.strategies import DrawFn

    from domain.aggregate import Aggregate
    from domain.delivery import Delivery
    from domain.revenue.calendar import Span
    from postgres.statement import Statement

FIRST: Final = datetime(2026, 1, 28, tzinfo=UTC)
DAYS: Final = 12
"""So many days are drawn from, about the end of a month and of two weeks."""
_WORDS: Final = (
    "active",
    "renewed",
    "plan_changed",
    "updated",
    "past_due",
    "on_hold",
    "paused",
    "unpaused",
    "cancelled",
)
_HOURS: Final = st.integers(0, DAYS * 4).map(lambda quarter: quarter * 6)


@st.composite
def subscriptions(draw: DrawFn, number: int) -> list[Delivery]:
    """Draw what is said of one subscription; other ones may share its customer and its instants."""
    said: list[Delivery] = []
    data: dict[str, object] = {
        "subscription_id": f"sub_{number}",
        "product_id": draw(_PRODUCTS),
        "quantity": 1,
        "currency": draw(_CURRENCIES),
        "recurring_pre_tax_amount": draw(_AMOUNTS),
        "payment_frequency_count": draw(_COUNTS),
        "payment_frequency_interval": draw(_INTERVALS),
        "trial_period_days": draw(_TRIALS),
        "on_demand": False,
        "customer": {"customer_id": draw(_CUSTOMERS)},
    }
    hours = sorted(draw(_SOME_HOURS))
    data["created_at"] = _text(FIRST + timedelta(hours=hours[0]))
    for turn, hour in enumerate(hours):
        word = "active" if turn == 0 else draw(_LATER_WORDS)
        if turn:
            data |= draw(_CHANGES)
        body = {
            "business_id": "bus_1",
            "type": f"subscription.{word}",
            "timestamp": _text(FIRST + timedelta(hours=hour)),
            "data": dict(data),
        }
        said.append(delivery(body, f"msg_{number}_{turn}"))
    return said


# To make a strategy takes longer than to draw from it, and so each is made once.
_PRODUCTS: Final = st.sampled_from(["pdt_1", "pdt_2"])
_CURRENCIES: Final = st.sampled_from(["USD", "EUR"])
_AMOUNTS: Final = st.sampled_from([0, 100, 1000, 12_345])
_COUNTS: Final = st.sampled_from([1, 1, 1, 3])
_INTERVALS: Final = st.sampled_from(["Month", "Year", "Week"])
_TRIALS: Final = st.sampled_from([0, 0, 3])
_CUSTOMERS: Final = st.sampled_from(["cus_1", "cus_2", "cus_3"])
_SOME_HOURS: Final = st.lists(_HOURS, min_size=1, max_size=6, unique=True)
_LATER_WORDS: Final = st.sampled_from(_WORDS)
_CHANGES: Final = st.fixed_dictionaries(
    {},
    optional={
        "product_id": _PRODUCTS,
        "recurring_pre_tax_amount": st.sampled_from([0, 100, 1000, 7]),
        "currency": _CURRENCIES,
        "customer": st.sampled_from([{"customer_id": "cus_1"}, {"customer_id": "cus_4"}]),
        "past_due_ends_at": _HOURS.map(lambda hour: _text(FIRST + timedelta(hours=hour))),
        "on_demand": st.booleans(),
        "payment_frequency_interval": st.sampled_from(["Month", "Fortnight"]),
    },
)


def shops() -> st.SearchStrategy[list[Delivery]]:
    """Draw what is said of up to four subscriptions, in any order of arrival."""
    some = {count: st.tuples(*map(subscriptions, range(count))) for count in range(1, 5)}
    several = st.integers(1, 4).flatmap(some.__getitem__)
    return several.map(lambda each: [one for own in each for one in own]).flatmap(st.permutations)


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def changes_of(deliveries: Iterable[Delivery]) -> list[RecurringChange]:
    """Return all changes of what subscriptions earn."""
    return [one for each in aggregates(deliveries).values() for one in recurring_changes(each)]


@contextmanager
def stored(conn: psycopg.Connection, built: Iterable[Aggregate]) -> Iterator[None]:
    """Have the rows of aggregates in their table until the block ends."""
    with conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL search_path = raphus")
        conn.execute("SET LOCAL timezone = 'UTC'")
        rows = [row for one in built for row in RECURRING.rows(one)]
        Replacement(RECURRING, "raphus").write(conn, rows)
        yield


def selected(conn: psycopg.Connection, statement: Statement) -> list[Any]:
    """Run a statement."""
    return conn.execute(statement.sql.encode(), statement.params).fetchall()


class Moves(NamedTuple):
    """What movements of a kind come to, and how many there are."""

    amount: int
    number: int


def moved_by_hand(
    changes: Sequence[RecurringChange], spans: Sequence[Span]
) -> Mapping[tuple[str | None, int, str], Moves]:
    """Classify every change of every book, one instant after the other, by currency and period."""
    books: dict[str, dict[datetime, int]] = defaultdict(Counter)
    currencies = {one.book: one.currency for one in changes}
    for one in changes:
        books[one.book][one.at] += one.monthly_change
    found: dict[tuple[str | None, int, str], Moves] = defaultdict(lambda: Moves(0, 0))
    for book, by_instant in books.items():
        stands, had = 0, False
        for at in sorted(by_instant):
            before, stands = stands, stands + by_instant[at]
            if before == stands:
                continue
            kind = "expansion" if stands > before else "contraction"
            if before == 0:
                kind = "reactivation" if had else "new"
            elif stands == 0:
                kind = "churn"
            had = True
            span = sum(one.begin <= at for one in spans)
            amount, count = found[currencies[book], span, kind]
            found[currencies[book], span, kind] = Moves(amount + stands - before, count + 1)
    return found


def earned_at(deliveries: Iterable[Delivery], at: datetime) -> Counter[tuple[str | None, str]]:
    """Add up by currency and book what subscriptions earn, from a log that is cut at an instant."""
    earned: Counter[tuple[str | None, str]] = Counter()
    for whole in aggregates(deliveries).values():
        cut = whole.at(as_of=at)
        for one in recurring_changes(cut):
            if one.at <= at and (one.until is None or one.until > at):
                earned[one.currency, one.book] += one.monthly
    return earned
