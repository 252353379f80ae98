"""The read model of subscriptions, and the questions that it answers."""

from __future__ import annotations

from typing import Final

from domain.aggregates.subscription import SubscriptionEntity
from projections.listing import Listing
from projections.read_model import of_entities
from projections.read_models.filters import METADATA, OWN_CUSTOMER, OWN_PRODUCT, common, flag

SUBSCRIPTIONS = of_entities(
    "subscription", table="subscriptions", key=("subscription_id", "business_id")
)
GRACE_LASTS: Final = "coalesce(t.past_due_ends_at > coalesce(%(as_of)s, now()), true)"
"""Of one that is past_due: its grace has not ended by the instant that is asked about, or now."""
_COUNTS_AS_ACTIVE: Final = f"(t.status = 'active' OR t.status = 'past_due' AND {GRACE_LASTS})"
"""`counts_as_active` of the aggregate, in SQL: at the instant that is asked about, or now."""
LISTING = Listing(
    "subscriptions",
    SubscriptionEntity,
    "subscription_id",
    filters=(
        *common(OWN_CUSTOMER),
        OWN_PRODUCT,
        METADATA,
        flag(
            "active",
            "Only those that are active by status, or past_due until their grace ends (true), or"
            " neither (false), by now or by as_of. Access is asked at /v1/access.",
            f"coalesce({_COUNTS_AS_ACTIVE}, false)",
        ),
    ),
)
