"""How the API writes an object: whole, or as an item of a list, which lacks some fields.

The fields of items are those of the SDK's models of lists, release 1.123.
"""

from __future__ import annotations

from collections.abc import Mapping

from simulator.dodo_api.business import named_customer

Object = dict[str, object]

OF_WEBHOOKS_ALONE = {
    "subscription": ("past_due_ends_at", "payment_id"),
}
"""Fields that only webhooks have, besides `payload_type`."""

ITEM_FIELDS: Mapping[str, frozenset[str]] = {
    "subscription": frozenset(
        """
        billing cancel_at_next_billing_date cancelled_at cancelled_by created_at currency customer
        customer_business_name discount_cycles_remaining discount_id discounts has_payment_method
        metadata next_billing_date on_demand paused_at payment_frequency_count
        payment_frequency_interval payment_method_id previous_billing_date product_id product_name
        quantity recurring_pre_tax_amount scheduled_change status subscription_id
        subscription_period_count subscription_period_interval tax_id tax_inclusive trial_amount
        trial_period_days
        """.split()
    ),
    "payment": frozenset(
        """
        brand_id card_exp_month card_exp_year card_last_four card_network card_type charge_type
        checkout_session_id created_at currency customer digital_products_delivered dispute_status
        has_license_key includes_usage invoice_id invoice_url is_multi_subscription metadata
        payment_id payment_method payment_method_type payment_provider refund_status retry_attempt
        service_periods status subscription_id subscription_ids three_ds_flow three_ds_status
        three_ds_version total_amount
        """.split()
    ),
    "refund": frozenset(
        """
        amount business_id created_at currency is_partial network_reference network_reference_type
        network_reference_updated_at payment_id reason refund_id status
        """.split()
    ),
    "dispute": frozenset(
        """
        amount business_id created_at currency dispute_id dispute_stage dispute_status
        is_resolved_by_rdr payment_id payment_provider
        """.split()
    ),
}
"""What an item of a list has. Lists of other kinds have whole objects."""


def whole(kind: str, data: Object, brand_id: str) -> Object:
    """An object with all that the API always says of it, also where a webhook left it out."""
    data.pop("payload_type", None)
    for name in OF_WEBHOOKS_ALONE.get(kind, ()):
        data.pop(name, None)
    for name, value in _always(kind, data, brand_id).items():
        data.setdefault(name, value)
    if isinstance(data.get("customer"), dict):
        data["customer"] = named_customer(data["customer"])  # type: ignore[arg-type]
    if kind == "dispute":
        data["amount"] = str(data["amount"])
    if kind == "subscription":
        for name in ("payment_frequency_interval", "subscription_period_interval"):
            data[name] = str(data[name]).capitalize()
    return data


def _always(kind: str, data: Object, brand_id: str) -> Object:
    """What the API says of every object of a kind."""
    if kind == "payment":
        of = data.get("subscription_id")
        ours = {"subscription_ids": [of] if of else [], "retry_attempt": 0}
        return {"brand_id": brand_id, "payment_provider": "dodo", **ours}
    if kind == "subscription":
        carts: Object = {"credit_entitlement_cart": [], "meter_credit_entitlement_cart": []}
        return {"brand_id": brand_id, "has_payment_method": True, "discounts": [], **carts}
    if kind == "refund":
        return {"brand_id": brand_id, "metadata": {}}
    if kind == "dispute":
        return {"brand_id": brand_id, "payment_provider": "dodo"}
    if kind == "license_key":
        return {"brand_id": brand_id, "source": "auto"}
    return {}


def item(kind: str, data: Object) -> Object:
    """An object as an item of a list."""
    fields = ITEM_FIELDS.get(kind)
    return data if fields is None else {key: data[key] for key in data if key in fields}
