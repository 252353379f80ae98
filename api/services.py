"""What the operations work with, put together in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api.queries.read_side import ReadSide

if TYPE_CHECKING:
    from api.http.auth import Guard
    from api.http.places import Places
    from api.keys.key_ring import KeyRing
    from api.metrics import Metrics
    from api.queries.freshness import Freshness
    from api.share import FollowerElsewhere, Share
    from api.upkeep import Upkeep
    from ledger.batch_writer import Writer
    from projections.live.follower import Follower


@dataclass(frozen=True, kw_only=True)
class Services(ReadSide):
    """The parts of one running server, or of one of its processes that take requests."""

    share: Share
    guard: Guard
    keys: KeyRing
    freshness: Freshness
    metrics: Metrics
    writer: Writer
    follower: Follower | FollowerElsewhere
    upkeep: Upkeep
    exports: Places
    asked_by: str | None = field(default=None)
    """The name of the key with which a change is asked for; None: the key of everything."""
