"""The read model of subscriptions, and the questions that it answers."""

from __future__ import annotations

from domain.subscription import SubscriptionEntity
from projections.listing import Listing
from projections.read_model import of_entities

SUBSCRIPTIONS = of_entities(
    "subscription", table="subscriptions", key=("subscription_id", "business_id")
)
LISTING = Listing(
    "subscriptions",
    SubscriptionEntity,
    "subscription_id",
    filters={
        "customer_id": "t.customer_id = %(customer_id)s",
        "product_id": "t.product_id = %(product_id)s",
        "active": "(t.status IS NOT DISTINCT FROM 'active') = %(active)s",
    },
)
