"""What questions are answered from, over HTTP and on the command line."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from api.queries.rates_file import RatesFile
from domain.identities import EXTERNAL_ID_KEYS
from workflows.policy_file import PolicyFile
from workflows.routes.routes_file import RoutesFile

if TYPE_CHECKING:
    from api.queries.database import Database
    from api.queries.product_names import ProductNames
    from api.queries.snapshot_cache import SnapshotCache
    from ledger.integrity.signatures import Check

_NOWHERE = Path(os.devnull)


@dataclass(frozen=True)
class Rules:
    """What the merchant decides: workflows, access, where his ids stand, rates of currencies.

    `external_id_keys` are the keys of metadata that hold the merchant's own ids, tried in order.
    """

    routes: RoutesFile = field(default_factory=lambda: RoutesFile(_NOWHERE))
    policy: PolicyFile = field(default_factory=lambda: PolicyFile(_NOWHERE))
    external_id_keys: tuple[str, ...] = EXTERNAL_ID_KEYS
    rates: RatesFile = field(default_factory=lambda: RatesFile(_NOWHERE))


@dataclass(frozen=True)
class ReadSide:
    """What is true now, what was known then, what products are called, and the merchant's rules."""

    database: Database
    snapshots: SnapshotCache
    names: ProductNames
    rules: Rules
    signatures: Check | None = field(default=None, kw_only=True)
    """Checks the signatures of what is stored; None where no secret is in hand."""
    business_id: str | None = field(default=None, kw_only=True)
    """The business of which alone may be told; None: of all."""

    def may_tell_of(self, business_id: str | None) -> bool:
        """Tell whether anything of a business may be told; None stands for any that may."""
        return self.business_id is None or business_id in (None, self.business_id)
