"""The read models as they stand in their tables, and what brings them there."""

from __future__ import annotations

import random
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeAlias

import psycopg
from psycopg.sql import SQL, Identifier

from domain.delivery import read_envelope
from ledger.application import Ledger
from ledger.following.checkpoint import POSITION
from ledger.mapper import LedgerMapper
from projections.live.follower import Follower
from projections.read_models.catalogue import READ_MODELS
from simulator.deliveries import as_dodo_delivers
from simulator.merchant import merchant
from tests.support.connected import connected
from tests.support.deliveries import receipts
from tests.support.histories import delivery

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from domain.delivery import Delivery
    from postgres.statement import Statement
    from projections.live.projector import Projected

Row: TypeAlias = "tuple[object, ...]"

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)


def simulated(customers: int, seed: int = 1) -> list[Delivery]:
    """Make what a merchant's customers cause, late, shuffled and repeated as Dodo may."""
    occurrences = merchant(seed, customers=customers, until=UNTIL)
    postings = as_dodo_delivers(occurrences, seed, window_s=3_000, repeated=0.2, delayed=0.2)
    return [delivery(posting.body, posting.webhook_id) for posting in postings]


def few_payouts(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Leave out the payouts that took the same course as an earlier one.

    The simulated merchant has one every few days, whoever buys: of few customers they are most of
    what is told.
    """
    payout_of: dict[str, str] = {}
    courses: dict[str, set[str]] = defaultdict(set)
    for one in deliveries:
        envelope = read_envelope(one.body)
        if envelope.type.startswith("payout."):
            payout_of[one.webhook_id] = payout = envelope.data["payout_id"]
            courses[payout].add(envelope.type)
    first = {frozenset(courses[payout]): payout for payout in reversed(courses)}
    kept = {None, *first.values()}
    return [one for one in deliveries if payout_of.get(one.webhook_id) in kept]


VARIED: Final = {779: 12, 368: 1}
"""So many customers of a seed, to whom as much happens as to forty of another."""


def varied() -> list[Delivery]:
    """Make what few customers cause: of each type, and judged in each way, as of many."""
    told = [simulated(customers, seed) for seed, customers in VARIED.items()]
    return few_payouts([*chain.from_iterable(told)])


def record(conninfo: str, deliveries: Sequence[Delivery], batch_max: int = 200) -> None:
    """Record deliveries, in this order, in batches of random sizes."""
    sizes, left = random.Random(len(deliveries)), list(deliveries)
    with Ledger(conninfo) as ledger:
        while left:
            size = sizes.randint(1, batch_max)
            receipts(ledger.record(left[:size]))
            del left[:size]


@contextmanager
def following(conninfo: str) -> Iterator[Follower]:
    """Open a follower whose pages are taken one by one, by `run_once`."""
    follower = Follower(conninfo, LedgerMapper())
    try:
        yield follower
    finally:
        follower.stop()


@contextmanager
def running(conninfo: str) -> Iterator[tuple[Follower, list[Projected]]]:
    """Run a follower in its thread, with the pages that it has taken."""
    pages: list[Projected] = []
    follower = Follower(conninfo, LedgerMapper(), pages.append)
    follower.start()
    try:
        yield follower, pages
    finally:
        follower.stop()


def project(conninfo: str) -> None:
    """Take the read models to the end of the log."""
    with following(conninfo) as follower:
        go_to_the_end(follower)


def go_to_the_end(follower: Follower) -> None:
    """Take the read models there by a follower that has planned its statements already."""
    while follower.run_once():
        pass


def forget(conninfo: str) -> None:
    """Empty the read models, and let them begin at the first event again."""
    with connected(conninfo) as conn:
        for model in READ_MODELS:
            # Of some hundred rows, to truncate takes thrice the time: all indexes are files anew.
            conn.execute(SQL("DELETE FROM {}").format(Identifier("raphus", model.table)))
        conn.execute(
            "UPDATE raphus.projections_tracking SET notification_id = 0, events = DEFAULT,"
            " hash = DEFAULT WHERE application_name = 'ledger'"
        )


NOT_BY_WEBHOOKS: Final = {"products", "customer_records", "joint_anomalies", "unfit_payments"}
"""The tables that have no rows where there are webhooks alone, and nothing goes wrong."""


def empty_tables(tables: Mapping[str, list[str]]) -> set[str]:
    """Return the tables that should have rows, of any merchant's webhooks, and have none."""
    return {name for name, found in tables.items() if not found} - NOT_BY_WEBHOOKS


def shown(conninfo: str) -> dict[str, list[str]]:
    """Read every row of every read model, as text, in an order of their own."""
    with connected(conninfo) as conn:
        return {model.table: sorted(_texts(conn, model.table)) for model in READ_MODELS}


def position(conninfo: str) -> int:
    """Read how far the read models are."""
    ((reached,),) = rows(conninfo, POSITION)
    return int(str(reached))


def rows(conninfo: str, statement: Statement) -> list[Row]:
    """Run a statement on the live read models, with times in UTC."""
    with connected(conninfo) as conn:
        conn.execute("SET timezone = 'UTC'; SET search_path = raphus")
        return conn.execute(statement.sql.encode(), statement.params).fetchall()


def _texts(conn: psycopg.Connection, table: str) -> list[str]:
    select = SQL("SELECT t::text FROM {} AS t").format(Identifier("raphus", table))
    return [text for (text,) in conn.execute(select)]
