"""Benchmark: webhooks that are durable before the answer, against less work and against more."""

from __future__ import annotations

from tests.benchmarks.bodies import deliveries, request
from tests.benchmarks.load import drive
from tests.benchmarks.measure import Result, medians
from tests.benchmarks.servers import real, serving, transaction_a_request, verifying_only

CLIENTS = (8, 64)
_REQUESTS = 4_000
_REQUESTS_EACH_BY_ITSELF = 600


def against_verifying_only(conninfo: str) -> Result:
    """Measure what being durable costs the same server, with 64 clients."""
    with serving(real, conninfo) as durable, serving(verifying_only, conninfo) as forgetful:
        kept, verified = medians(
            lambda: _per_s(durable, 64, _REQUESTS), lambda: _per_s(forgetful, 64, _REQUESTS)
        )
    detail = f"{kept:,.0f} against {verified:,.0f} webhooks/s"
    what = "durable webhooks/s over HTTP ÷ verifying only"
    return Result(what, kept / verified, 0.6, False, detail)


def against_a_transaction_a_request(conninfo: str) -> Result:
    """Measure what the commits in groups gain, each way with the better number of clients."""
    with serving(real, conninfo) as grouped, serving(transaction_a_request, conninfo) as single:
        together = max(medians(*[lambda n=n: _per_s(grouped, n, _REQUESTS) for n in CLIENTS]))
        alone = max(
            medians(*[lambda n=n: _per_s(single, n, _REQUESTS_EACH_BY_ITSELF) for n in CLIENTS])
        )
    detail = f"{together:,.0f} against {alone:,.0f} webhooks/s"
    return Result("the same ÷ a transaction a request", together / alone, 10, False, detail)


def _per_s(port: int, clients: int, count: int) -> float:
    return drive(port, [request(one) for one in deliveries(count)], clients).requests_per_s
