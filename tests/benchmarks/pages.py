"""Benchmark: the console's pages, of 100,000 subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.benchmarks.access import CUSTOMERS, deliveries
from tests.benchmarks.load import drive
from tests.benchmarks.measure import Result
from tests.benchmarks.projected import project
from tests.benchmarks.servers import real, serving

if TYPE_CHECKING:
    from collections.abc import Mapping

TARGET_S: Final = 0.05
_REQUESTS: Final = 200
_LATER: Final = "2026-01-02T00:00:00Z"
_PAGES: Final[Mapping[str, str]] = {
    "today": "/",
    "list of subscriptions": "/subscriptions",
    "list of active subscriptions": "/subscriptions?status=active",
    "list of a customer's payments": "/payments?customer_id=cus_{n}",
    "list of customers": "/customers",
    "list of subscriptions as of a day": f"/subscriptions?as_of={_LATER}",
    "a subscription": "/subscriptions/sub_{n}",
    "a customer": "/customers/cus_{n}",
    "search for nothing": "/search?q=nothing_{n}",
}


def of_many_subscriptions(conninfo: str) -> list[Result]:
    """Measure p50 and p99 of each page, one request at a time."""
    project(conninfo, deliveries())
    numbers = [number * 7919 % CUSTOMERS for number in range(_REQUESTS)]
    results = []
    with serving(real, conninfo) as port:
        for what, path in _PAGES.items():
            asked = [
                f"GET {path.format(n=n)} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()
                for n in numbers
            ]
            driven = drive(port, asked, 1)
            p50_s, p99_s = driven.percentile_s(50), driven.percentile_s(99)
            detail = f"p50 {p50_s * 1e3:.1f} ms, p99 {p99_s * 1e3:.1f} ms"
            name = f"console, {what} ÷ {TARGET_S * 1e3:.0f} ms, p50"
            results.append(Result(name, p50_s / TARGET_S, 1, True, detail))
    return results
