"""The composition root, where the parts are made, joined, started and stopped."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from starlette.exceptions import HTTPException
from starlette.responses import Response as StarletteResponse

from api.exports.sending import EXPORTS_MAX, RETRY_S
from api.http.errors import INTERNAL, ApiError
from api.http.front import Front
from api.http.places import Places
from api.keys.key_ring import KeyRing
from api.metrics import Metrics
from api.queries.database import Database
from api.queries.freshness import Freshness
from api.queries.product_names import ProductNames
from api.queries.read_side import Rules
from api.queries.snapshot_cache import SnapshotCache
from api.routes import routes
from api.services import Services
from api.share import whole
from api.upkeep import Upkeep
from api.webhooks.endpoint import PATH, Counting, Webhooks
from api.webhooks.request_body import BodyReader
from ledger.application import Ledger
from ledger.batch_writer import QUEUE_BYTES_MAX, QUEUE_MAX, Writer
from ledger.following.checkpoint import POSITION
from ledger.mapper import LedgerMapper
from projections.live.follower import Follower

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.routing import Route
    from starlette.types import ASGIApp

    from api.http.auth import Guard
    from api.share import Share
    from api.webhooks.verifier import Verifier


class Site(NamedTuple):
    """Pages for people, beside the API: their routes, and what answers where no route leads."""

    routes: list[Route]
    elsewhere: ASGIApp


def application(
    conninfo: str,
    verifier: Verifier,
    guard: Guard,
    rules: Rules | None = None,
    *,
    site: Callable[[Services], Site] | None = None,
    share: Share | None = None,
) -> Starlette:
    """Make the server on a migrated database; its parts run from startup to shutdown.

    `site` makes the pages that it serves, too. With a `share` it is one of several processes, and
    follows the log itself unless one of them is there for that.
    """
    share = share or whole()
    metrics = Metrics(share.board)
    ledger = Ledger(conninfo)
    writer = Writer(
        ledger,
        Counting(metrics).count,
        queue_max=share.of(QUEUE_MAX),
        queue_bytes_max=share.of(QUEUE_BYTES_MAX),
        show_queue=metrics.show_queue,
    )
    database = Database(conninfo, share.workers)
    services = Services(
        share=share,
        database=database,
        snapshots=SnapshotCache(conninfo, database),
        names=ProductNames(database),
        rules=rules or Rules(),
        signatures=verifier.of_stored,
        guard=guard,
        keys=KeyRing(database),
        freshness=Freshness(conninfo, POSITION),
        metrics=metrics,
        writer=writer,
        follower=share.follower or Follower(conninfo, LedgerMapper(), metrics.count_page),
        upkeep=Upkeep(conninfo, verifier.of_stored.secrets),
        exports=Places("exports", share.of(EXPORTS_MAX), RETRY_S),
    )
    pages = site(services) if site else None
    webhooks = Webhooks(verifier, writer, metrics, BodyReader(share.workers))
    app = Front(
        PATH,
        webhooks,
        routes=[*routes(webhooks, services), *(pages.routes if pages else ())],
        exception_handlers={ApiError: _refusal, HTTPException: _no_route, Exception: _defect},
        lifespan=_lifespan(services, ledger),
    )
    app.router.redirect_slashes = False
    if pages:
        app.router.default = pages.elsewhere
    return app


def _lifespan(
    services: Services, ledger: Ledger
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def running(_app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            # Stopped in reverse: first the writer, which commits what is queued.
            stack.callback(ledger.close)
            stack.push_async_callback(services.database.close)
            stack.push_async_callback(services.keys.stop)
            services.freshness.start()
            stack.push_async_callback(services.freshness.stop)
            stack.push_async_callback(services.upkeep.stop)
            services.snapshots.start()
            stack.push_async_callback(services.snapshots.stop)
            if isinstance(services.follower, Follower):
                services.follower.start()
                stack.push_async_callback(asyncio.to_thread, services.follower.stop)
            await services.writer.start()
            stack.push_async_callback(services.writer.stop)
            yield

    return running


def _refusal(_request: Request, error: Exception) -> StarletteResponse:
    assert isinstance(error, ApiError)
    response = error.response()
    sent = StarletteResponse(response.body, response.status)
    sent.raw_headers = response.headers
    return sent


def _no_route(request: Request, error: Exception) -> StarletteResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = ", ".join(sorted((error.headers or {})["Allow"].split(", ")))
        wrong = ApiError(405, "method_not_allowed", f"use {allowed}", headers={"allow": allowed})
        return _refusal(request, wrong)
    return _refusal(
        request, ApiError(error.status_code, "not_found", "there is nothing at this path")
    )


def _defect(request: Request, _error: Exception) -> StarletteResponse:
    return _refusal(request, INTERNAL)
