"""What a subscription grants is taken back when it is not paid for, and granted again."""

from __future__ import annotations

from datetime import datetime

from simulator.life import Happening, Story
from simulator.side_bodies import EntitlementGrant

REVOKED_BY = {
    "subscription.on_hold": "subscription_on_hold",
    "subscription.paused": "SubscriptionPaused",
    "subscription.cancelled": "subscription_cancelled",
    "subscription.expired": "subscription_expired",
}
"""The reason, in the spelling that Dodo documents, by what takes a grant back."""
GRANTED_AGAIN_BY = ("subscription.active", "subscription.unpaused")


def following(grant: EntitlementGrant, story: Story) -> Story:
    """Tell a subscription's story, and what becomes of its grant with it."""
    for type_, at, body in story:
        yield type_, at, body
        if type_ in REVOKED_BY and grant.status == "Delivered":
            yield _revoked(grant, at, REVOKED_BY[type_])
        elif type_ in GRANTED_AGAIN_BY and grant.status == "Revoked":
            yield _granted_again(grant, at)


def _revoked(grant: EntitlementGrant, at: datetime, reason: str) -> Happening:
    grant.status, grant.revocation_reason = "Revoked", reason
    grant.updated_at = grant.revoked_at = at
    if grant.license_key:
        grant.license_key.status = "disabled"
    return "entitlement_grant.revoked", at, grant


def _granted_again(grant: EntitlementGrant, at: datetime) -> Happening:
    grant.status, grant.revocation_reason, grant.revoked_at = "Delivered", None, None
    grant.updated_at = grant.delivered_at = at
    if grant.license_key:
        grant.license_key.status = "active"
    return "entitlement_grant.delivered", at, grant
