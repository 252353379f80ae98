"""Benchmark: GET of one subscription against the bare select through the same server."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from api.queries.database import Database
from ledger.mapper import LedgerMapper
from postgres.statement import Statement
from projections.live.follower import Follower
from tests.benchmarks.load import drive
from tests.benchmarks.measure import Result, medians
from tests.benchmarks.projections import fill
from tests.benchmarks.servers import real, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp

_CUSTOMERS = 100
_REQUESTS = 1_500
_SELECT = "SELECT status FROM raphus.subscriptions WHERE subscription_id = %(id)s"


def against_a_bare_select(conninfo: str) -> Result:
    """Measure the median latency of both, one request at a time."""
    fill(conninfo, _CUSTOMERS)
    follower = Follower(conninfo, LedgerMapper())
    while follower.run_once():
        pass
    follower.stop()
    with psycopg.connect(conninfo) as conn:
        rows = conn.execute("SELECT subscription_id FROM raphus.subscriptions").fetchall()
    ids = [str(rows[number % len(rows)][0]) for number in range(_REQUESTS)]
    with serving(real, conninfo) as ours, serving(bare, conninfo) as bare_port:
        answered_s, selected_s = medians(
            lambda: _p50_s(ours, "/v1/subscriptions", ids), lambda: _p50_s(bare_port, "/bare", ids)
        )
    detail = f"{answered_s * 1e3:.2f} against {selected_s * 1e3:.2f} ms"
    what = "GET of one subscription ÷ the bare select, p50"
    return Result(what, answered_s / selected_s, 1.5, True, detail)


def bare(conninfo: str) -> ASGIApp:
    """Make a server that selects one column by its key, and does nothing else."""
    database = Database(conninfo)

    async def select(request: Request) -> PlainTextResponse:
        row = await database.row(Statement(_SELECT, {"id": request.path_params["id"]}))
        return PlainTextResponse(str(row))

    @asynccontextmanager
    async def opened(_app: Starlette) -> AsyncIterator[None]:
        yield
        await database.close()

    return Starlette(routes=[Route("/bare/{id}", select)], lifespan=opened)


def _p50_s(port: int, path: str, ids: list[str]) -> float:
    asked = [f"GET {path}/{one} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode() for one in ids]
    return drive(port, asked, 1).percentile_s(50)
