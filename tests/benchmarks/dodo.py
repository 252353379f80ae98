"""Benchmark: an import and a reconciliation of many objects, against reading them alone."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from bisect import bisect_left
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from dodo.client import Dodo
from dodo.endpoints import PAYMENTS
from dodo.pace import Pace
from dodo.walk import Place, Walk
from reconciliation.finding import Outcome
from reconciliation.import_state import ImportState
from reconciliation.importing import import_all
from reconciliation.reconciling import reconcile
from reconciliation.session import Source, opened
from telemetry.progress import silent
from tests.benchmarks.measure import Result, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

OBJECTS: Final = int(os.environ.get("BENCH_OBJECTS", "100000"))
DIFFERENCES: Final = 100
DAYS: Final = 3_650
PER_MINUTE: Final = 10_000_000
"""So that nothing is waited for."""
_NEWEST: Final = datetime(2026, 5, 1, tzinfo=UTC)
_APART: Final = timedelta(minutes=5)
_KEY: Final = "a-key-of-the-benchmark"
_READY: Final = b"."


def import_against_reading(conninfo: str) -> list[Result]:
    """Measure an import, then a reconciliation that finds some differences, and reading alone."""
    with _serving() as url:
        source = Source(_KEY, "test_mode", Pace(PER_MINUTE), url)
        alone_s = seconds(lambda: _read(source))
        imported_s = seconds(lambda: _import(conninfo, source))
    with _serving(differences=DIFFERENCES) as url:
        source = source._replace(base_url=url)
        found: list[int] = []
        reconciled_s = seconds(lambda: found.append(_reconcile(conninfo, source)))
    if found != [DIFFERENCES]:
        raise RuntimeError(f"{found} differences were found")
    rates = [OBJECTS / took_s for took_s in (alone_s, imported_s, reconciled_s)]
    alone, imported, reconciled = (f"{rate:,.0f}" for rate in rates)
    of = f"of {OBJECTS:,} payments by pages of 100, on loopback"
    return [
        Result(
            "import from Dodo's API ÷ reading its pages alone",
            alone_s / imported_s,
            None,
            False,
            f"{imported} against {alone} objects/s {of}",
        ),
        Result(
            f"reconciliation that finds {DIFFERENCES} differences ÷ reading the pages alone",
            alone_s / reconciled_s,
            None,
            False,
            f"{reconciled} against {alone} objects/s {of}",
        ),
    ]


def _read(source: Source) -> None:
    with Dodo(source.api_key, source.mode, base_url=source.base_url, pace=source.pace) as dodo:
        read = sum(len(step.items) for step in Walk(dodo, PAYMENTS, place=Place(datetime.now(UTC))))
    if read < OBJECTS:
        raise RuntimeError(f"{read} objects were read")


def _import(conninfo: str, source: Source) -> None:
    with opened(conninfo, source) as session:
        state = ImportState(session.conn, session.taker.account, silent)
        counts = dict(import_all(session, state, with_details=False))
        session.catch_up()
    if counts["payments"].news != OBJECTS:
        raise RuntimeError(f"{counts['payments'].news} objects were imported")


def _reconcile(conninfo: str, source: Source) -> int:
    with opened(conninfo, source) as session:
        outcomes = reconcile(session, DAYS, silent).outcomes
        # They were read a moment ago, so what differs has just happened.
        return outcomes[Outcome.LOST.value] + outcomes[Outcome.AWAITED.value]


@contextmanager
def _serving(differences: int = 0) -> Iterator[str]:
    """Serve so many payments in another process, of which some differ from the others."""
    reading, writing = os.pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_serve, args=(writing, differences)
    )
    process.start()
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as told:
            port = int(told.read() or b"0")
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGTERM)
        process.join()


def _serve(writing: int, differences: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    asyncio.run(_serve_until_killed(writing, differences))


async def _serve_until_killed(writing: int, differences: int) -> None:
    from aiohttp import web  # noqa: PLC0415 -- it loads slowly

    async def handle(request: web.BaseRequest) -> web.Response:
        body = _answer(request, differences)
        return web.Response(body=body, content_type="application/json", status=200 if body else 404)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    os.write(writing, str(runner.addresses[0][1]).encode())
    os.close(writing)
    await asyncio.Event().wait()


def _answer(request: web.BaseRequest, differences: int) -> bytes:
    if request.path == "/brands":
        return b'{"items": [{"brand_id": "brd_1", "business_id": "bus_1"}]}'
    if request.path == "/webhooks":
        return b'{"data": [], "done": true}'
    if request.path.startswith("/payments/"):
        return _payment(int(request.path.rpartition("_")[2]), differences)
    if request.path != "/payments":
        return b'{"items": []}'
    until = datetime.fromisoformat(request.query["created_at_lte"])
    # The newest is number 0, and each one is older than the one before it.
    first = bisect_left(range(OBJECTS), True, key=lambda n: _NEWEST - n * _APART <= until)
    first += int(request.query["page_number"]) * 100
    numbers = range(first, min(first + 100, OBJECTS))
    return b'{"items": [' + b",".join(_payment(n, differences) for n in numbers) + b"]}"


def _payment(number: int, differences: int) -> bytes:
    differs = differences and number % (OBJECTS // differences) == 0
    return _ITEM % (
        number,
        msgspec.json.encode(_NEWEST - number * _APART),
        b"succeeded" if differs else b"processing",
        number % 10_000,
        number % 10_000,
    )


_ITEM: Final = (
    b'{"payment_id":"pay_%d","created_at":%b,"status":"%b","brand_id":"brd_1","currency":"USD",'
    b'"total_amount":1900,"charge_type":"renewal","subscription_id":"sub_%d","subscription_ids":[],'
    b'"customer":{"customer_id":"cus_%d","email":"customer@example.com","name":"A customer",'
    b'"phone_number":null,"metadata":{}},"metadata":{},"includes_usage":false,'
    b'"is_multi_subscription":false,"retry_attempt":0,"refund_status":null,'
    b'"payment_method":"card","payment_method_type":null,"card_network":"visa",'
    b'"card_last_four":"4242","card_type":"credit","invoice_id":"inv_1","service_periods":[],'
    b'"digital_products_delivered":false,"has_license_key":false,"payment_provider":"dodo"}'
)
