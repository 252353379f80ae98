"""What questions are answered from, over HTTP and on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.identities import EXTERNAL_ID_KEYS

if TYPE_CHECKING:
    from api.queries.database import Database
    from api.queries.snapshot_cache import SnapshotCache
    from workflows.routes.routes_file import RoutesFile


@dataclass(frozen=True)
class ReadSide:
    """What is true now, what was known then, and the routes that there are.

    `external_id_keys` are the keys of metadata that hold the merchant's own ids, tried in order.
    """

    database: Database
    snapshots: SnapshotCache
    routes: RoutesFile
    external_id_keys: tuple[str, ...] = EXTERNAL_ID_KEYS
