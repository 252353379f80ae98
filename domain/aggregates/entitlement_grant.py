"""What a purchase entitles a customer to: a licence, files, an invitation, a feature."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

import msgspec

from domain.aggregate import Aggregate
from domain.entity import Entity, Kind
from domain.field_readers import identity, plain
from domain.state_machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from domain.entity import Observation
    from domain.payload import Payload

STATES = {
    "pending": "Dodo, or the customer, has yet to do something.",
    "delivered": "The customer has it.",
    "failed": "It could not be delivered.",
    "revoked": "It was taken back.",
}
EVENTS = {
    "created": "Something is to be granted, or was granted at once.",
    "failed": "It could not be delivered.",
    "delivered": "It was delivered, also once more after it had been revoked.",
    "revoked": "It was taken back.",
}
RANKS = {"created": 700, "failed": 710, "delivered": 720, "revoked": 730}
# Source: docs/dodo.md, section 6. What is revoked with a subscription is granted again with it,
# under the same id.
MACHINE = Machine(
    kind="entitlement_grant",
    states=STATES,
    events=EVENTS,
    ranks=RANKS,
    at_once={"created": ("delivered", "delivered_at")},
    grid="""
           created   delivered   failed    revoked
(none)     pending   delivered?  failed?   revoked?
pending    =         delivered   failed    revoked
delivered  =         =           ✗         revoked
failed     =         delivered   =         revoked
revoked    =         delivered   failed    =
""",
)


class GrantedKey(msgspec.Struct, frozen=True):
    """The licence key inside a grant, without the key itself, which is a credential."""

    id: str | None
    status: str | None
    activations_used: int | None
    activations_limit: int | None
    expires_at: datetime | None


class GrantedFeature(msgspec.Struct, frozen=True):
    """The feature that a grant switches on."""

    feature_id: str | None
    feature_type: str | None


class EntitlementGrantEntity(Entity, kw_only=True):
    """A grant as it is known, without what opens something: keys, and links to files.

    `license_key_id` is of the licence key that was ever granted with it.
    """

    id: str
    entitlement_id: str | None
    integration_type: str | None
    payment_id: str | None
    subscription_id: str | None
    delivered_at: datetime | None
    revoked_at: datetime | None
    revocation_reason: str | None
    error_code: str | None
    error_message: str | None
    license_key: GrantedKey | None
    feature: GrantedFeature | None
    brand_id: str | None
    license_key_id: str | None
    metadata: dict[str, str]


ENTITLEMENT_GRANT = Kind(
    MACHINE,
    EntitlementGrantEntity,
    "id",
    dated_by="updated_at",
    as_word=str.lower,
    derived={"license_key_id": None},
)


class EntitlementGrant(Aggregate):
    """A grant's stream."""

    kinds: ClassVar[tuple[Kind, ...]] = (ENTITLEMENT_GRANT,)

    def derive(self, described: Mapping[tuple[str, str], Entity]) -> None:
        """Add the licence key that was granted last."""
        for named, entity in described.items():
            if isinstance(entity, EntitlementGrantEntity):
                newest_first = self.folded()[named].observations[::-1]
                entity.license_key_id = _key_of(newest_first, self)


class KeyBefore(msgspec.Struct, frozen=True):
    """The licence key that was granted last."""

    license_key_id: str | None = None


def key_up_to(aggregate: Aggregate) -> KeyBefore:
    """Return what is carried of the licence key of a grant."""
    (folded,) = aggregate.folded().values()
    return KeyBefore(_key_of(folded.observations[::-1], aggregate))


def _key_of(newest_first: Iterable[Observation], aggregate: Aggregate) -> str | None:
    before = aggregate.carried(KeyBefore) or KeyBefore()
    keys = (license_key_id(observation.payload) for observation in newest_first)
    return next(filter(None, keys), before.license_key_id)


def license_key_id(payload: Payload) -> str | None:
    """Read the id of the licence key in a grant's `data`."""
    key = plain(getattr(payload, "license_key", None))
    return identity(key.get("id")) if isinstance(key, dict) else None
