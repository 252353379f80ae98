"""What the API says of what the simulated merchant sells, and of the merchant itself."""

from __future__ import annotations

from datetime import datetime

from simulator.catalogue import GOODS, PLANS, RETIRED, Good, Plan
from simulator.credits import ENTITLEMENT_ID
from simulator.dodo_api.shapes import Object

ON_SALE: tuple[Plan | Good, ...] = (*PLANS, *GOODS)


class Shop:
    """The products, the brand, and what purchases entitle to; all of it from the first day on."""

    def __init__(self, business_id: str, brand_id: str, began_at: datetime) -> None:
        self._of = {"business_id": business_id}
        self._since = {"created_at": began_at, "updated_at": began_at}
        self.brand_id = brand_id
        self.names = {sold.product_id: sold.name for sold in ON_SALE}

    def products(self, *, archived: bool) -> list[Object]:
        """The products whole, those on sale or those that are not any more."""
        return [self._product(sold) for sold in ((RETIRED,) if archived else ON_SALE)]

    def product(self, product_id: str) -> Object | None:
        """One product, on sale or not."""
        everything = [*self.products(archived=False), *self.products(archived=True)]
        return next((one for one in everything if one["product_id"] == product_id), None)

    def _product(self, sold: Plan | Good) -> Object:
        entitlements = [
            {key: entitlement[key] for key in SUMMARISED}
            for entitlement in self.entitlements()
            if sold.licensed and entitlement["id"] == entitlement_id(sold)
        ]
        return {
            **self._of,
            **self._since,
            "brand_id": self.brand_id,
            "product_id": sold.product_id,
            "name": sold.name,
            "description": None,
            "is_recurring": isinstance(sold, Plan),
            "tax_category": "saas" if isinstance(sold, Plan) else "digital_products",
            "price": _price(sold),
            "pricing_mode": None,
            "entitlements": entitlements,
            "credit_entitlements": [],
            "license_key_enabled": sold.licensed,
            "metadata": {},
        }

    def brands(self) -> list[Object]:
        """The one brand."""
        state = {"enabled": True, "verification_enabled": True, "verification_status": "Success"}
        named = {"brand_id": self.brand_id, "name": "Demo", "statement_descriptor": "DEMO"}
        return [{**self._of, **named, **state}]

    def entitlements(self) -> list[Object]:
        """What purchases entitle to, besides credits: a licence key for each licensed product."""
        return [
            {
                **self._of,
                **self._since,
                "id": entitlement_id(sold),
                "name": f"Licence of {sold.name}",
                "description": None,
                "integration_type": "license_key",
                "integration_config": {"fulfillment_mode": "auto", "activations_limit": None},
                "is_active": True,
                "metadata": {},
            }
            for sold in ON_SALE
            if sold.licensed
        ]

    def credit_entitlements(self) -> list[Object]:
        """The sorts of credits that there are."""
        rules = {"overage_enabled": True, "overage_behavior": "invoice_at_billing"}
        return [
            {
                **self._of,
                **self._since,
                "id": ENTITLEMENT_ID,
                "name": "API calls",
                "unit": "calls",
                "precision": 0,
                "rollover_enabled": True,
                **rules,
            }
        ]


SUMMARISED = ("id", "name", "description", "integration_type", "integration_config")


def entitlement_id(sold: Plan | Good) -> str:
    """The id of what a product entitles to, as grants name it."""
    return f"ent_{sold.product_id.removeprefix('pdt_')}"


def listed_product(product: Object) -> Object:
    """A product as an item of a list: its price is a number there, and told in full beside it."""
    price = product["price"]
    only_whole = ("brand_id", "credit_entitlements", "license_key_enabled", "price")
    data = {key: value for key, value in product.items() if key not in only_whole}
    if isinstance(price, dict):
        told = {"currency": price["currency"], "tax_inclusive": price["tax_inclusive"]}
        data |= {"price": price["price"], "price_detail": price, **told}
    return data


def _price(sold: Plan | Good) -> Object:
    once: Object = {
        "type": "one_time_price",
        "price": sold.price_cents,
        "currency": "USD",
        "discount": 0,
        "discount_bps": 0,
        "tax_inclusive": False,
        "purchasing_power_parity": False,
    }
    if isinstance(sold, Good):
        return {**once, "pay_what_you_want": False, "suggested_price": None}
    years, months = divmod(sold.term_months, 12)
    return {
        **once,
        "type": "recurring_price",
        "payment_frequency_count": 1,
        "payment_frequency_interval": sold.interval,
        "subscription_period_count": months or years,
        "subscription_period_interval": "Month" if months else "Year",
        "trial_period_days": sold.trial_days,
        "trial_amount": None,
    }
