"""What questions are answered from, over HTTP and on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.queries.database import Database
    from api.queries.policy_file import PolicyFile
    from api.queries.snapshot_cache import SnapshotCache
    from workflows.routes.routes_file import RoutesFile


@dataclass(frozen=True)
class ReadSide:
    """What is true now, what was known then, the routes that there are, and who gets access."""

    database: Database
    snapshots: SnapshotCache
    routes: RoutesFile
    policy: PolicyFile
