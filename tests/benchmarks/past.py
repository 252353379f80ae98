"""Benchmark: which subscriptions were active on a date, against which are active now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from domain.delivery import Delivery
from tests.benchmarks.load import drive
from tests.benchmarks.measure import Result, medians
from tests.benchmarks.projected import project
from tests.benchmarks.servers import real, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUBSCRIPTIONS = 100_000
_DAYS = 700
_REQUESTS = 60
_FIRST = datetime(2024, 6, 1, tzinfo=UTC)
_LIST = "/v1/subscriptions?active=true&limit=50"


def active_on_a_date(conninfo: str) -> Result:
    """Measure the median latency of a page of both lists, over dates of two years."""
    project(conninfo, _deliveries())
    dates = [_FIRST + timedelta(days=number * 13 % _DAYS) for number in range(_REQUESTS)]
    then = [f"{_LIST}&as_of={_text(date)}" for date in dates]
    with serving(real, conninfo) as port:
        then_s, now_s = medians(
            lambda: _p50_s(port, then), lambda: _p50_s(port, [_LIST] * _REQUESTS), rounds=3
        )
    detail = f"{then_s * 1e3:.1f} against {now_s * 1e3:.1f} ms, of {_SUBSCRIPTIONS:,} subscriptions"
    what = "subscriptions active on a date ÷ active now, p50 of a page of 50"
    return Result(what, then_s / now_s, None, True, detail)


def _deliveries() -> Iterator[Delivery]:
    """Begin a subscription every ten minutes or so; half of them end within some weeks."""
    for number in range(_SUBSCRIPTIONS):
        began = _FIRST + timedelta(days=number * _DAYS / _SUBSCRIPTIONS)
        yield _said(number, "active", began)
        if number % 2:
            yield _said(number, "cancelled", began + timedelta(days=number % 90))


def _said(number: int, word: str, at: datetime) -> Delivery:
    data = {
        "subscription_id": f"sub_{number}",
        "status": word,
        "product_id": f"pdt_{number % 5}",
        "quantity": 1,
        "recurring_pre_tax_amount": 1_900,
        "currency": "USD",
        "payment_frequency_count": 1,
        "payment_frequency_interval": "Month",
        "customer": {"customer_id": f"cus_{number}", "email": f"customer{number}@example.com"},
    }
    type_ = f"subscription.{word}"
    body = {"business_id": "bus_1", "type": type_, "timestamp": _text(at), "data": data}
    return Delivery(f"msg_{number}_{word}", "1777636800", "v1,none", msgspec.json.encode(body))


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _p50_s(port: int, paths: list[str]) -> float:
    asked = [f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode() for path in paths]
    return drive(port, asked, 1).percentile_s(50)
