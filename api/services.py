"""Services: what the operations work with, put together in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.auth import Guard
    from api.database import Database
    from api.freshness import Freshness
    from api.known import Known
    from api.metrics import Metrics
    from api.webhooks import Waiting
    from ledger.batch_writer import Writer
    from projections.live.follower import Follower
    from workflows.routes.routes_file import RoutesFile


@dataclass(frozen=True)
class Reading:
    """What questions are answered from, over HTTP and on the command line."""

    database: Database
    known: Known
    routes: RoutesFile


@dataclass(frozen=True)
class Services(Reading):
    """The parts of one running server."""

    guard: Guard
    freshness: Freshness
    metrics: Metrics
    writer: Writer[Waiting]
    follower: Follower
