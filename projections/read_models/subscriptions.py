"""The read model of subscriptions, and the questions that it answers."""

from __future__ import annotations

from typing import Final

from domain.aggregates.subscription import SubscriptionEntity
from projections.listing import Listing
from projections.read_model import of_entities

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
    filters={
        "customer_id": "t.customer_id = %(customer_id)s",
        "product_id": "t.product_id = %(product_id)s",
        "active": f"coalesce({_GIVES_ACCESS}, false) = %(active)s",
    },
)
