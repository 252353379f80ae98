"""The catalogue: every aggregate there is, and every kind of thing that they are about."""

from __future__ import annotations

from typing import Final

from domain.aggregates.dispute import Dispute
from domain.aggregates.license_key import LicenseKey
from domain.aggregates.payment import Payment
from domain.aggregates.subscription import Subscription

STREAMS: Final = {
    "payment": Payment,
    "subscription": Subscription,
    "dispute": Dispute,
    "license_key": LicenseKey,
}
"""The aggregates, by the first part of their streams' ids."""
KINDS: Final = {kind.name: kind for aggregate in STREAMS.values() for kind in aggregate.kinds}
THROUGH_PAYMENT: Final = frozenset({"refund", "dispute"})
"""The kinds whose customer is their payment's, where their own data does not say it."""
