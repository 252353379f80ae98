"""What Dodo's API can be asked, as data. Its source is the SDK 1.123: see docs/dodo-api.md.

`method` is the SDK's own, by its dotted name, so that paths and the quoting of ids are the SDK's;
`path` is what a look says of where it was read, with the names of the SDK's parameters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A GET. `kind` is what the things that it has are called in the domain; "" for none there."""

    kind: str = ""
    path: str
    method: str

    @property
    def source(self) -> str:
        """Where a look at it was read, such as `GET /subscriptions`."""
        return f"GET {self.path}"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that the path takes, in its order."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))


class OneEndpoint(Endpoint, frozen=True, kw_only=True):
    """One thing by its id, with all of its fields."""


class ListEndpoint(Endpoint, frozen=True, kw_only=True):
    """A list, page by page. `only` are parameters that choose a part of it.

    An item is named by `id_field`. `since` and `until` are the parameters that bound `created_at`,
    None where the list knows none. A field of an item that `left_out` names means something else
    than in the whole object, or nothing, and must not be taken for it.
    """

    id_field: str = "id"
    only: Mapping[str, bool] = msgspec.field(default_factory=dict)
    since: str | None = None
    until: str | None = None
    left_out: frozenset[str] = frozenset()


class _Windowed(ListEndpoint, frozen=True, kw_only=True):
    since: str | None = "created_at_gte"
    until: str | None = "created_at_lte"


BRANDS: Final = Endpoint(path="/brands", method="brands.list")
WEBHOOKS: Final = Endpoint(path="/webhooks", method="webhooks.list")

CUSTOMERS: Final = _Windowed(
    kind="customer",
    path="/customers",
    method="customers.list",
    id_field="customer_id",
    # The list leaves them empty, also of a customer who is blocked (`customer.py`).
    left_out=frozenset({"blocked_at", "blocklist_entry_id"}),
)
SUBSCRIPTIONS: Final = _Windowed(
    kind="subscription",
    path="/subscriptions",
    method="subscriptions.list",
    id_field="subscription_id",
    # Of another shape than in the whole object (`subscription_list_response.py`).
    left_out=frozenset({"discounts"}),
)
PAYMENTS: Final = _Windowed(
    kind="payment", path="/payments", method="payments.list", id_field="payment_id"
)
REFUNDS: Final = _Windowed(
    kind="refund", path="/refunds", method="refunds.list", id_field="refund_id"
)
DISPUTES: Final = _Windowed(
    kind="dispute", path="/disputes", method="disputes.list", id_field="dispute_id"
)
LICENSE_KEYS: Final = _Windowed(
    kind="license_key", path="/license_keys", method="license_keys.list"
)
PAYOUTS: Final = _Windowed(
    kind="payout", path="/payouts", method="payouts.list", id_field="payout_id"
)
PRODUCTS: Final = ListEndpoint(
    kind="product",
    path="/products",
    method="products.list",
    id_field="product_id",
    only={"archived": False},
    # An integer here, an object in the whole product, which the list calls `price_detail`.
    left_out=frozenset({"price"}),
)
PRODUCTS_ARCHIVED: Final = msgspec.structs.replace(PRODUCTS, only={"archived": True})

ENTITLEMENTS: Final = ListEndpoint(path="/entitlements", method="entitlements.list")
"""What can be granted; those that were deleted are not in it, and their grants live on."""
GRANTS: Final = ListEndpoint(
    kind="entitlement_grant", path="/entitlements/{id}/grants", method="entitlements.grants.list"
)
GRANTS_OF_CUSTOMER: Final = ListEndpoint(
    kind="entitlement_grant",
    path="/customers/{customer_id}/entitlement-grants",
    method="customers.list_entitlement_grants",
)
"""Also those of entitlements that were deleted, at one request a customer."""

CREDIT_ENTITLEMENTS: Final = ListEndpoint(
    path="/credit-entitlements", method="credit_entitlements.list", only={"deleted": False}
)
CREDIT_ENTITLEMENTS_DELETED: Final = msgspec.structs.replace(
    CREDIT_ENTITLEMENTS, only={"deleted": True}
)
BALANCES: Final = ListEndpoint(
    kind="credit",
    path="/credit-entitlements/{credit_entitlement_id}/balances",
    method="credit_entitlements.balances.list",
)
LEDGER: Final = ListEndpoint(
    kind="credit",
    path="/credit-entitlements/{credit_entitlement_id}/balances/{customer_id}/ledger",
    method="credit_entitlements.balances.list_ledger",
    since="start_date",
    until="end_date",
)

CUSTOMER: Final = OneEndpoint(
    kind="customer", path="/customers/{customer_id}", method="customers.retrieve"
)
PRODUCT: Final = OneEndpoint(kind="product", path="/products/{id}", method="products.retrieve")
SUBSCRIPTION: Final = OneEndpoint(
    kind="subscription",
    path="/subscriptions/{subscription_id}",
    method="subscriptions.retrieve",
)
PAYMENT: Final = OneEndpoint(
    kind="payment", path="/payments/{payment_id}", method="payments.retrieve"
)
REFUND: Final = OneEndpoint(kind="refund", path="/refunds/{refund_id}", method="refunds.retrieve")
DISPUTE: Final = OneEndpoint(
    kind="dispute", path="/disputes/{dispute_id}", method="disputes.retrieve"
)
LICENSE_KEY: Final = OneEndpoint(
    kind="license_key", path="/license_keys/{id}", method="license_keys.retrieve"
)

ONE_BY_KIND: Final[Mapping[str, OneEndpoint]] = {
    one.kind: one
    for one in (CUSTOMER, PRODUCT, SUBSCRIPTION, PAYMENT, REFUND, DISPUTE, LICENSE_KEY)
}
"""Where one thing is read by its own id. Grants, payouts and ledger entries are only in lists."""
