"""The filters that the lists of several kinds have, asked of today and of the past."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from projections.listing import Filter
from projections.read_models.periods import OBJECTS_THEN

OWN_CUSTOMER: Final = "t.customer_id = %(customer_id)s"
"""The customer of what says its own."""
_OWN_PRODUCT_THEN: Final = "%(product_id)s = ANY (t.product_ids)"


def common(customer: str, status: Filter | None = None) -> tuple[Filter, ...]:
    """Return what every list of something that a customer has is filtered by.

    `customer` is the condition on its read model; `status` stands in place of the usual filter.
    """
    of_customer = Filter(
        "customer_id",
        str,
        "Only of this customer.",
        now=customer,
        then="(t.kind, t.stream_id, t.id) IN (SELECT kind, stream_id, id FROM objects)",
        then_with=OBJECTS_THEN,
    )
    of_business, usual, *created = WITHOUT_CUSTOMER
    return (of_business, status or usual, of_customer, *created)


def product(now: str, then: str) -> Filter:
    """Return the filter by product."""
    return Filter("product_id", str, "Only of this product.", now, then)


def flag(name: str, description: str, condition: str) -> Filter:
    """Return a filter by true or false, which is asked of the periods as of the read model."""
    return _alike(name, bool, description, f"{condition} = %({name})s")


OWN_PRODUCT: Final = product("t.product_id = %(product_id)s", _OWN_PRODUCT_THEN)
"""For what has one product, which it says itself."""


def _alike(
    name: str, type_: type[str] | type[bool] | type[datetime], description: str, condition: str
) -> Filter:
    """Return a filter on columns that the read model and the periods have under one name."""
    return Filter(name, type_, description, condition, condition)


WITHOUT_CUSTOMER: Final = (
    _alike("business_id", str, "Only of this business.", "t.business_id = %(business_id)s"),
    _alike("status", str, "Only with this status.", "t.status = %(status)s"),
    _alike(
        "created_at_gte",
        datetime,
        "Only created at this time or later.",
        "t.created_at >= %(created_at_gte)s",
    ),
    _alike(
        "created_at_lte",
        datetime,
        "Only created at this time or earlier.",
        "t.created_at <= %(created_at_lte)s",
    ),
)
"""What every list is filtered by, also that of things which belong to no customer."""
OF_SUBSCRIPTION: Final = _alike(
    "subscription_id",
    str,
    "Only of this subscription.",
    "t.subscription_id = %(subscription_id)s",
)
OF_PAYMENT: Final = _alike(
    "payment_id", str, "Only of this payment.", "t.payment_id = %(payment_id)s"
)
METADATA: Final = Filter(
    "metadata",
    dict,
    "Only with this value under this key of its own metadata, as `metadata[key]=value`; of several,"
    " with all.",
    # The second condition is the index's own.
    now="(t.metadata @> %(metadata)s::jsonb AND t.metadata <> '{}')",
    then="""(t.stream_id, t.kind, t.id) IN (
        SELECT i.stream_id, i.kind, i.id FROM identities AS i
        WHERE i.metadata @> %(metadata)s::jsonb AND i.metadata <> '{}'
        AND i.valid @> %(as_of)s::timestamptz
    )""",
)
"""For what has metadata of its own."""
