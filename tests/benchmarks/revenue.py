"""Benchmark: reports of revenue, and a year of MRR against one indexed pass over the periods."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import psycopg

from domain.delivery import Delivery
from tests.benchmarks.load import drive
from tests.benchmarks.measure import Result, medians
from tests.benchmarks.multiplied import multiply
from tests.benchmarks.pages import TARGET_S, THEN, measured, request, signed_in
from tests.benchmarks.projected import project
from tests.benchmarks.servers import real, serving
from tests.support.program import serving as program

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUBSCRIPTIONS: Final = 100_000
_DAYS: Final = 730
_REQUESTS: Final = 15
_FIRST: Final = datetime(2024, 6, 1, tzinfo=UTC)
_YEAR: Final = "/v1/revenue/mrr?start=2025-06-01&end=2026-05-31&as_of=2026-06-01T00:00:00Z"
_TARGET_S: Final = 0.2
# What any answer must do at the least: read every period by an index, and add up by month.
_PASS: Final = """
    SELECT currency, date_trunc('month', valid_from), sum(amount), count(*)
    FROM raphus.periods
    WHERE kind = 'subscription' AND valid_from < '2026-06-01Z' GROUP BY 1, 2
"""


_PAGES: Final = (
    "/revenue/net",
    "/revenue/mrr",
    "/revenue/mrr?by=product",
    "/revenue/cohorts",
    "/revenue/movements",
    "/revenue/trials",
    "/revenue/trials/subscriptions",
    f"/credits?as_of={THEN}",
    f"/?as_of={THEN}",
)


def of_many_subscriptions(conninfo: str) -> list[Result]:
    """Measure the page of each report, and the dearest of the past, one request at a time."""
    multiply(conninfo)
    with (
        tempfile.TemporaryDirectory() as home,
        psycopg.connect(conninfo, autocommit=True) as conn,
        program(Path(home), DATABASE_URL=conninfo) as server,
    ):
        cookie = signed_in(server)
        each = [(one, [request(one, cookie)] * _REQUESTS) for one in _PAGES]
        taken = [measured(server, conn, page, requests) for page, requests in each]
    what = "processor time ÷ 50 ms, rows made by SQL"
    return [
        Result(f"page {one.page}: {what}", one.processor_s / TARGET_S, 1, True, str(one))
        for one in taken
    ]


def a_year_by_months(conninfo: str) -> list[Result]:
    """Measure the median latency over HTTP; by currency, and by product."""
    project(conninfo, _deliveries())
    with psycopg.connect(conninfo) as conn, serving(real, conninfo) as port:
        conn.execute("SET enable_seqscan = off")
        conn.execute("SET timezone = 'UTC'")
        told_s, by_product_s, passed_s = medians(
            lambda: _p50_s(port, _YEAR),
            lambda: _p50_s(port, f"{_YEAR}&by=product"),
            lambda: _pass_s(conn),
            rounds=5,
        )
        rows = conn.execute("SELECT count(*) FROM raphus.recurring").fetchone()
    assert rows is not None
    of = f"of {_SUBSCRIPTIONS:,} subscriptions with {rows[0]:,} changes"
    against = f"{told_s * 1e3:.0f} against {passed_s * 1e3:.0f} ms"
    what = "a year of MRR by months ÷ one indexed pass over the periods, p50"
    return [
        Result(what, told_s / passed_s, 3, True, f"{against}, {of}"),
        Result(
            "a year of MRR by months, p50 ÷ 200 ms",
            told_s / _TARGET_S,
            1,
            True,
            f"{told_s * 1e3:.0f} ms; {by_product_s * 1e3:.0f} ms by product",
        ),
    ]


def _deliveries() -> Iterator[Delivery]:
    """Begin a subscription every ten minutes or so, of 24 months; every tenth customer has two.

    A third change their plan, a fifth fail to renew and recover within their grace, and half end.
    """
    for number in range(_SUBSCRIPTIONS):
        began = _FIRST + timedelta(days=number * _DAYS / _SUBSCRIPTIONS)
        yield _said(number, "active", began)
        if number % 3 == 0:
            yield _said(number, "plan_changed", began + timedelta(days=20 + number % 70), 2_900)
        if number % 5 == 0:
            failed = began + timedelta(days=100 + number % 30)
            yield _said(number, "past_due", failed, grace=failed + timedelta(days=7))
            yield _said(number, "active", failed + timedelta(days=3))
        if number % 2:
            yield _said(number, "cancelled", began + timedelta(days=140 + number % 400))


def _said(
    number: int, word: str, at: datetime, amount: int = 1_900, grace: datetime | None = None
) -> Delivery:
    payer = number - (number % 10 == 9)
    data = {
        "subscription_id": f"sub_{number:020}",
        "status": "active" if word == "plan_changed" else word,
        "product_id": f"pdt_{number % 5}",
        "quantity": 1,
        "recurring_pre_tax_amount": amount,
        "currency": ("USD", "EUR", "USD", "INR")[payer % 4],
        "payment_frequency_count": 1,
        "payment_frequency_interval": "Month" if number % 7 else "Year",
        "past_due_ends_at": None if grace is None else _text(grace),
        "customer": {"customer_id": f"cus_{payer:020}"},
    }
    type_ = f"subscription.{word}"
    body = {"business_id": "bus_1", "type": type_, "timestamp": _text(at), "data": data}
    return Delivery(f"msg_{number}_{at:%y%m%d}", "1777636800", "v1,none", msgspec.json.encode(body))


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _p50_s(port: int, path: str) -> float:
    asked = [f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()] * _REQUESTS
    return drive(port, asked, 1).percentile_s(50)


def _pass_s(conn: psycopg.Connection) -> float:
    began = time.perf_counter()
    for _ in range(_REQUESTS):
        conn.execute(_PASS).fetchall()
    return (time.perf_counter() - began) / _REQUESTS
