"""Benchmark: what is wrong among many subscriptions, against a GET of one of them."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from domain.delivery import Delivery
from tests.benchmarks.load import drive
from tests.benchmarks.measure import ROUNDS, Result
from tests.benchmarks.projected import project
from tests.benchmarks.servers import real, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUBSCRIPTIONS = 100_000
_WRONG = 100
"""So many of them are overdue, and so many of each other sort are wrong."""
_REQUESTS = 300
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_FAR, _PASSED = "2099-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
_GET = "GET of one subscription"
_ASKED = {
    _GET: "/v1/subscriptions/sub_7919",
    "anomalies": "/v1/anomalies",
    "anomalies of a code": "/v1/anomalies?code=overdue",
    "anomalies of a customer": "/v1/anomalies?customer_id=cus_0",
    "anomalies as of a time": "/v1/anomalies?as_of=2026-03-01T00:00:00Z",
    "metrics": "/metrics",
}


def of_many_subscriptions(conninfo: str) -> list[Result]:
    """Measure p50 of each, one request at a time, against the GET of one subscription."""
    project(conninfo, _deliveries())
    with serving(real, conninfo) as port:
        rounds = [
            {what: _p50_s(port, path) for what, path in _ASKED.items()} for _ in range(ROUNDS)
        ]
    taken = {what: statistics.median(one[what] for one in rounds) for what in _ASKED}
    return [
        Result(
            f"{what} ÷ {_GET}, p50",
            taken[what] / taken[_GET],
            None,
            True,
            f"{taken[what] * 1e3:.2f} against {taken[_GET] * 1e3:.2f} ms,"
            f" of {_SUBSCRIPTIONS:,} subscriptions",
        )
        for what in _ASKED
        if what != _GET
    ]


def _p50_s(port: int, path: str) -> float:
    asked = [f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()] * _REQUESTS
    return drive(port, asked, 1).percentile_s(50)


def _deliveries() -> Iterator[Delivery]:
    """Let each customer have a subscription with a payment; of few, something is wrong."""
    for n in range(_SUBSCRIPTIONS):
        whose: dict[str, object] = {"customer": {"customer_id": f"cus_{n}"}}
        bought = {
            "product_id": f"pdt_{n % 5}",
            "recurring_pre_tax_amount": 1_900,
            "currency": "USD",
            "status": "active",
            "next_billing_date": _PASSED if n < _WRONG else _FAR,
        }
        paid = {"subscription_id": f"sub_{n}", "total_amount": 1_900, "currency": "USD"}
        paid |= {"payment_id": f"pay_{n}", "status": "succeeded"}
        if n % (_SUBSCRIPTIONS // _WRONG) == 1:  # paid for what is never heard of, and two live
            paid |= {"subscription_id": f"sub_none_{n}"}
            second = {**whose, **bought, "subscription_id": f"sub_second_{n}"}
            yield _said(n, "subscription.active", 1, second)
        yield _said(n, "subscription.active", 0, whose | bought | {"subscription_id": f"sub_{n}"})
        yield _said(n, "payment.succeeded", 2, whose | paid)


def _said(n: int, type_: str, minute: int, data: dict[str, object]) -> Delivery:
    at = (_FIRST + timedelta(seconds=n, minutes=minute)).isoformat().replace("+00:00", "Z")
    body = {"business_id": "bus_1", "type": type_, "timestamp": at, "data": data}
    webhook_id = f"msg_{n}_{type_}_{minute}"
    return Delivery(webhook_id, "1777636800", "v1,none", msgspec.json.encode(body))
