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
_GIVES_ACCESS: Final = (
    "(t.status = 'active' OR t.status = 'past_due'"
    " AND coalesce(t.past_due_ends_at > coalesce(%(as_of)s, now()), true))"
)
"""`gives_access` of the aggregate, in SQL: at the instant that is asked about, or now."""
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
            "Only those that give access (true), or do not (false): active ones, and past_due ones"
            " until their grace ends, by now or by as_of.",
            f"coalesce({_GIVES_ACCESS}, false)",
        ),
    ),
)
