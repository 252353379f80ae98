"""Benchmark: access, state and look-ups of one of many customers, against a bare select."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from domain.delivery import Delivery
from tests.benchmarks.load import drive
from tests.benchmarks.measure import ROUNDS, Result
from tests.benchmarks.projected import project
from tests.benchmarks.queries import bare
from tests.benchmarks.servers import real, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

CUSTOMERS = 100_000
_REQUESTS = 1_500
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_GET = "GET of one subscription"
_ASKED = {
    _GET: "/v1/subscriptions/sub_{n}",
    "access": "/v1/access?customer_id=cus_{n}&product_id=pdt_{product}",
    "state": "/v1/customers/cus_{n}/state",
    "access by e-mail": "/v1/access?email=customer{n}@example.com",
    "access by external id": "/v1/access?external_id=user_{n}",
    "customers by e-mail": "/v1/customers?email=customer{n}@example.com",
    "customers by external id": "/v1/customers?external_id=user_{n}",
    "subscriptions by metadata": "/v1/subscriptions?metadata[user_id]=user_{n}",
}


def of_one_of_many_customers(conninfo: str) -> list[Result]:
    """Measure p50 and p99 of each, one request at a time, against the bare select and one GET."""
    project(conninfo, deliveries())
    numbers = [number * 7919 % CUSTOMERS for number in range(_REQUESTS)]
    with serving(real, conninfo) as ours, serving(bare, conninfo) as bare_port:
        targets = {
            what: (ours, [path.format(n=n, product=n % 5) for n in numbers])
            for what, path in _ASKED.items()
        }
        targets["bare"] = bare_port, [f"/bare/sub_{n}" for n in numbers]
        rounds = [
            {what: _percentiles_s(*target) for what, target in targets.items()}
            for _ in range(ROUNDS)
        ]
    taken = {
        what: [statistics.median(one[what][place] for one in rounds) for place in (0, 1)]
        for what in targets
    }
    results = []
    for what in _ASKED:
        if what == _GET:
            continue
        for place, percentile in enumerate(("p50", "p99")):
            results.append(_against(what, "bare", taken, place, percentile, None))
        target = 2 if what in ("access", "state") else None
        results.append(_against(what, _GET, taken, 0, "p50", target))
    return results


def _against(
    what: str,
    other: str,
    taken: dict[str, list[float]],
    place: int,
    percentile: str,
    target: float | None,
) -> Result:
    ours_s, others_s = taken[what][place], taken[other][place]
    detail = f"{ours_s * 1e3:.2f} against {others_s * 1e3:.2f} ms, of {CUSTOMERS:,} customers"
    named = "the bare select" if other == "bare" else other
    return Result(f"{what} ÷ {named}, {percentile}", ours_s / others_s, target, True, detail)


def _percentiles_s(port: int, paths: list[str]) -> tuple[float, float]:
    asked = [f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode() for path in paths]
    driven = drive(port, asked, 1)
    return driven.percentile_s(50), driven.percentile_s(99)


def deliveries() -> Iterator[Delivery]:
    """Let each customer have a subscription with two payments; every tenth has a key, too."""
    for n in range(CUSTOMERS):
        whose: dict[str, object] = {
            "customer": {"customer_id": f"cus_{n}", "email": f"customer{n}@example.com"}
        }
        bought = {
            "subscription_id": f"sub_{n}",
            "metadata": {"user_id": f"user_{n}"},
            "product_id": f"pdt_{n % 5}",
            "recurring_pre_tax_amount": 1_900,
            "currency": "USD",
            "payment_frequency_count": 1,
            "payment_frequency_interval": "Month",
            "next_billing_date": "2099-01-01T00:00:00Z",
        }
        yield _said(n, "subscription.active", 0, whose | bought)
        for number in (1, 2):
            paid: dict[str, object] = {"payment_id": f"pay_{n}_{number}"}
            paid |= {"subscription_id": f"sub_{n}", "total_amount": 1_900, "currency": "USD"}
            yield _said(n, "payment.succeeded", number, whose | paid)
        if n % 10 == 0:
            key: dict[str, object] = {
                "id": f"lic_{n}",
                "customer_id": f"cus_{n}",
                "subscription_id": f"sub_{n}",
            }
            yield _said(n, "license_key.created", 3, key)


def _said(n: int, type_: str, minute: int, data: dict[str, object]) -> Delivery:
    at = (_FIRST + timedelta(seconds=n, minutes=minute)).isoformat().replace("+00:00", "Z")
    body = {"business_id": "bus_1", "type": type_, "timestamp": at, "data": data}
    webhook_id = f"msg_{n}_{type_}_{minute}"
    return Delivery(webhook_id, "1777636800", "v1,none", msgspec.json.encode(body))
