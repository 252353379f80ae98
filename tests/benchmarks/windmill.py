"""Benchmark: what is sent to a target against what that takes, and how soon it is there."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from api.webhooks.endpoint import PATH
from ledger.application import Ledger
from tests.benchmarks.bodies import deliveries
from tests.benchmarks.load import drive
from tests.benchmarks.measure import Result
from tests.benchmarks.servers import real, serving
from tests.support.histories import said
from tests.support.windmill import starting_jobs, write_hook, write_routes
from tests.support.windmill_stand_in import (
    SECRET,
    TOKEN,
    WORKSPACE,
    EndpointProcess,
    StandInProcess,
)
from workflows.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from domain.delivery import Delivery

_AGGREGATES = 1_000
_EVENTS_EACH = 4
_DELAY_S = 0.02
_WEBHOOKS = 300
_FIRST = 3
"""Webhooks before all has begun to run."""
_PAUSE_S = 0.03
_PATIENCE_S = 100.0


def against_windmills_limit(conninfo: str) -> Result:
    """Measure jobs/s from a full outbox, and what Windmill takes over as many connections."""
    with StandInProcess(delay_s=_DELAY_S) as windmill, _routes() as routes:
        per_s, limit = _against_the_limit(conninfo, windmill, routes, _starts())
    detail = f"{per_s:,.0f} against {limit:,.0f} jobs/s, {LIMITS.concurrency} at once, 20 ms each"
    what = "jobs/s started in Windmill ÷ its endpoint's limit"
    return Result(what, per_s / limit, 0.8, False, detail)


def against_an_endpoints_limit(conninfo: str) -> Result:
    """Measure webhooks/s from a full outbox, and what an endpoint takes over as many."""
    with (
        EndpointProcess(delay_s=_DELAY_S) as endpoint,
        tempfile.TemporaryDirectory() as folder,
    ):
        routes = write_hook(Path(folder), endpoint.url)
        per_s, limit = _against_the_limit(conninfo, endpoint, routes, _webhooks())
    detail = f"{per_s:,.0f} against {limit:,.0f} a second, {LIMITS.concurrency} at once, 20 ms each"
    return Result("webhooks/s to an endpoint ÷ its limit", per_s / limit, 0.8, False, detail)


def _against_the_limit(
    conninfo: str, target: StandInProcess, routes: Path, requests: list[bytes]
) -> tuple[float, float]:
    """Return what is sent a second, and what the target takes of as many connections."""
    limit = drive(_port(target.url), requests, LIMITS.concurrency).requests_per_s
    began = len(target.jobs())
    with starting_jobs(conninfo, routes, target):
        with Ledger(conninfo) as ledger:
            for minute in range(_EVENTS_EACH):
                ledger.record([_event(number, minute) for number in range(_AGGREGATES)])
        _wait(lambda: len(target.jobs()) - began == _AGGREGATES * _EVENTS_EACH)
    accepted = [job.accepted_at_s for job in target.jobs()[began:]]
    # The first tenth is the way there, and the last one the lanes that are left.
    tenth = len(accepted) // 10
    return (len(accepted) - 2 * tenth) / (accepted[-tenth - 1] - accepted[tenth]), limit


def from_webhook_to_job(conninfo: str) -> Result:
    """Measure how long after a webhook was sent its job has been accepted, one at a time."""
    arrived = deliveries(_WEBHOOKS)
    sent: dict[str, float] = {}
    with (
        serving(real, conninfo) as port,
        StandInProcess() as windmill,
        _routes() as routes,
        starting_jobs(conninfo, routes, windmill),
        closing(HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)) as connection,
    ):
        for delivery in arrived[:_FIRST]:
            _post(connection, delivery)
        _wait(lambda: len(windmill.jobs()) == _FIRST)
        for delivery in arrived[_FIRST:]:
            sent[delivery.webhook_id] = time.monotonic()
            _post(connection, delivery)
            time.sleep(_PAUSE_S)
        _wait(lambda: len(windmill.jobs()) == _WEBHOOKS)
        jobs = windmill.jobs()[_FIRST:]
    took_s = [job.accepted_at_s - sent[job.arguments["event"]["webhook_id"]] for job in jobs]
    hundredths = statistics.quantiles(took_s, n=100)
    p50_ms, p99_ms = hundredths[49] * 1e3, hundredths[98] * 1e3
    detail = f"p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms"
    return Result("from webhook to job start, p99 in s", p99_ms / 1e3, None, True, detail)


@contextmanager
def _routes() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield write_routes(Path(folder))


def _event(number: int, minute: int) -> Delivery:
    type_ = "subscription.updated" if minute else "subscription.active"
    about: dict[str, Any] = {
        "subscription_id": f"sub_{number}",
        "status": "active",
        "quantity": minute,
    }
    return said(type_, minute, f"msg_{number}_{minute}", **about)


def _post(connection: HTTPConnection, delivery: Delivery) -> None:
    connection.request("POST", PATH, delivery.body, _headers(delivery))
    if b'"position"' not in connection.getresponse().read():
        raise RuntimeError("a webhook was not accepted")


def _headers(delivery: Delivery) -> dict[str, str]:
    return {
        "webhook-id": delivery.webhook_id,
        "webhook-timestamp": delivery.webhook_timestamp,
        "webhook-signature": delivery.webhook_signature,
    }


def _starts() -> list[bytes]:
    path = f"/api/w/{WORKSPACE}/jobs/run/p/f/raphus/all"
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n"
    return [f"{head}content-length: 2\r\n\r\n{{}}".encode()] * (_AGGREGATES * 2)


def _webhooks() -> list[bytes]:
    sent_at, webhook = datetime.now(UTC), Webhook(SECRET)
    head = (
        f"POST /limit HTTP/1.1\r\nhost: 127.0.0.1\r\nwebhook-timestamp: {int(sent_at.timestamp())}"
    )
    told = "raphus-job: none\r\ncontent-length: 2\r\n\r\n{}"
    ids = [f"limit_{number}" for number in range(_AGGREGATES * 2)]
    signed = {id_: webhook.sign(id_, sent_at, "{}") for id_ in ids}
    return [
        f"{head}\r\nwebhook-id: {id_}\r\nwebhook-signature: {signature}\r\n{told}".encode()
        for id_, signature in signed.items()
    ]


def _port(url: str) -> int:
    return urlsplit(url).port or 0


def _wait(done: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + _PATIENCE_S
    while not done():
        if time.monotonic() > give_up_at:
            raise RuntimeError("the jobs were not started in time")
        time.sleep(0.5)
