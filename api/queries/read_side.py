"""What questions are answered from, over HTTP and on the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.queries.database import Database
    from api.queries.snapshot_cache import SnapshotCache
    from workflows.routes.routes_file import RoutesFile


@dataclass(frozen=True)
class ReadSide:
    """What is true now, what was known then, and the routes that there are."""

    database: Database
    snapshots: SnapshotCache
    routes: RoutesFile
    business_id: str | None = field(default=None, kw_only=True)
    """The business of which alone may be told; None: of all."""
