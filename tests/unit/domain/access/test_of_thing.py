"""The access that is told with a thing: of its customer, to its products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from domain.access.access import access
from domain.access.of_thing import ThingAccess, access_of, products_of
from domain.access.policy import Policy
from tests.support.histories import NOON, said
from tests.support.persons import held, in_days

if TYPE_CHECKING:
    from domain.access.holding import Holding

WHO: Final[dict[str, Any]] = {"customer": {"customer_id": "cus_1"}}
SUBSCRIPTION: Final = said(
    "subscription.cancelled",
    0,
    subscription_id="sub_1",
    product_id="pdt_1",
    next_billing_date=in_days(30),
    **WHO,
)
RENEWAL: Final = said(
    "payment.succeeded", 1, payment_id="pay_1", subscription_id="sub_1", total_amount=500, **WHO
)
CART: Final = [{"product_id": one} for one in ("pdt_2", "pdt_3", "pdt_2")]
PURCHASE: Final = said(
    "payment.succeeded", 2, payment_id="pay_2", product_cart=CART, total_amount=500, **WHO
)
OF_PAYMENT: Final[dict[str, Any]] = WHO | {"payment_id": "pay_2", "amount": 500}
REFUND: Final = said("refund.succeeded", 3, refund_id="ref_1", **OF_PAYMENT)
DISPUTE: Final = said("dispute.opened", 3, dispute_id="dis_1", **WHO, payment_id="pay_1")
GRANT: Final = said(
    "entitlement_grant.created", 4, id="grant_1", entitlement_id="ent_1", customer_id="cus_1"
)


def told(kind: str, holdings: list[Holding]) -> ThingAccess:
    (thing,) = (one.entity for one in holdings if one.kind == kind)
    found = access_of(thing, holdings, NOON, Policy())
    assert found is not None
    return found


def test_a_thing_is_told_with_what_its_customer_may_as_who_asks_for_its_product_is() -> None:
    holdings = held([SUBSCRIPTION, PURCHASE, GRANT])
    found, asked = told("subscription", holdings), access(holdings, NOON, Policy(), "pdt_1")
    assert (found.access, found.until, found.reason) == (asked.access, asked.until, asked.reason)
    assert (found.customer_id, found.at, asked.reason.code) == ("cus_1", NOON, "paid_through")
    assert [one.product_id for one in found.products] == ["pdt_1"]


def test_each_product_of_a_cart_is_told_once_and_one_that_gives_access_is_enough() -> None:
    key = said("license_key.created", 4, id="lic_1", product_id="pdt_3", status="active", **WHO)
    found = told("payment", held([PURCHASE, REFUND, key]))
    assert [(one.product_id, one.access) for one in found.products] == [
        ("pdt_2", False),
        ("pdt_3", True),
    ]
    assert (found.access, found.reason.code) == (True, "license")


@pytest.mark.parametrize(
    ("kind", "products"),
    [("dispute", ["pdt_1"]), ("payment", ["pdt_1"]), ("entitlement_grant", [])],
)
def test_a_thing_that_names_no_product_is_of_those_that_it_came_with(
    kind: str, products: list[str]
) -> None:
    holdings = held([SUBSCRIPTION, RENEWAL, DISPUTE, GRANT])
    (thing,) = (one.entity for one in holdings if one.kind == kind)
    assert products_of(thing, holdings) == products


def test_where_no_product_is_named_it_is_access_to_anything() -> None:
    found = told("entitlement_grant", held([GRANT, SUBSCRIPTION]))
    assert (found.access, found.reason.code, found.products) == (True, "granted", [])


def test_a_refund_is_told_with_what_it_took_away() -> None:
    found = told("refund", held([PURCHASE, REFUND]))
    assert (found.access, found.reason.code) == (False, "refunded")
    assert [one.product_id for one in found.products] == ["pdt_2", "pdt_3"]


def test_what_has_no_customer_is_told_with_no_access() -> None:
    (held_one,) = held([said("subscription.active", 0, subscription_id="sub_1")])
    assert access_of(held_one.entity, [held_one], NOON, Policy()) is None
