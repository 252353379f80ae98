"""A key that unlocks what was bought."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from domain.aggregate import Aggregate
from domain.entity import Entity, Kind
from domain.state_machine import Machine

STATES = {
    "active": "It can be used.",
    "disabled": "Switched off: by the merchant, or with the grant that it came by.",
    "expired": "Its time is over.",
}
EVENTS = {"created": "The key was made."}
RANKS = {"created": 600}
# Source: docs/dodo.md, sections 4 and 5. Dodo announces the creation only; what comes later is
# seen in the data, so the status follows it in any direction.
MACHINE = Machine(
    kind="license_key",
    states=STATES,
    events=EVENTS,
    ranks=RANKS,
    observed_freely=True,
    unheralded=frozenset({"disabled", "expired"}),
    grid="""
          created
(none)    active
active    =
disabled  =
expired   =
""",
)


class LicenseKeyEntity(Entity, kw_only=True):
    """A licence key as it is known, without the key itself, which is a credential."""

    id: str
    product_id: str | None
    payment_id: str | None
    subscription_id: str | None
    activations_limit: int | None
    instances_count: int | None
    expires_at: datetime | None
    source: str | None


LICENSE_KEY = Kind(MACHINE, LicenseKeyEntity, "id")


class LicenseKey(Aggregate):
    """A licence key's stream."""

    kinds: ClassVar[tuple[Kind, ...]] = (LICENSE_KEY,)


def followed(status: str | None, grant_status: str | None) -> str | None:
    """Return the status of a key that came by a grant: what is revoked cannot be used.

    Source: docs.dodopayments.com/developer-resources/webhooks/intents/entitlement-grant, "The
    grant's top-level status is the source of truth".
    """
    return "disabled" if status == "active" and grant_status == "revoked" else status
