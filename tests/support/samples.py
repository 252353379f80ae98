"""Sample webhook bodies: one or more for every type, and one merchant's rehearsals of them all."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TypeAlias, TypedDict, cast

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "tests" / "samples"
REHEARSED_AT = "2026-03-20T10:00:00.000Z"


class Body(TypedDict):
    """A webhook's body; a sample may carry keys beyond these four."""

    business_id: str
    type: str
    timestamp: str
    data: dict[str, Json]


def samples() -> dict[str, bytes]:
    """Give the bodies of the folder verbatim, by file name without `.json`.

    A name is the event's type, or `type--what-is-odd-about-it`.
    """
    return dict(_read())


@cache
def _read() -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.json"))}


def sample(type_: str) -> Body:
    """Decode the ordinary body of a type, anew at each call, so that a test may change it.

    Raises `FileNotFoundError` for a type that has no sample.
    """
    return cast(Body, json.loads((FOLDER / f"{type_}.json").read_bytes()))


def rehearsals() -> dict[str, bytes]:
    """Give each type as a tool for testing webhooks sends it, by `type--rehearsed`.

    Such a tool fills in templates. So all bodies are of one instant and of the same few objects,
    whose facts contradict each other; a payment or refund is `succeeded` whatever the type says;
    a dispute's amount is a number; and keys that were added later are missing.
    """
    return {
        f"{name}--rehearsed": json.dumps(_rehearsed(name), indent=2, sort_keys=True).encode()
        for name in samples()
        if "--" not in name
    }


_ADDED_LATER = frozenset(
    "brand_id card_exp_month card_exp_year card_holder_name cancellation_comment"
    " cancellation_feedback cancelled_by charge_type credit_entitlement_cart"
    " custom_field_responses customer_business_name discounts has_payment_method includes_usage"
    " invoice_url is_multi_subscription is_resolved_by_rdr is_update_payment_method"
    " meter_credit_entitlement_cart network_reference network_reference_type"
    " network_reference_updated_at past_due_ends_at paused_at payment_method_id payment_provider"
    " refund_status retry_attempt scheduled_change service_periods source subscription_ids tax_id"
    " three_ds_flow three_ds_status three_ds_version trial_amount".split()
)
_WITH_A_SCHEMA_THAT_GREW = frozenset("payment refund dispute subscription license_key".split())


def _rehearsed(type_: str) -> Body:
    body = sample(type_)
    kind, data = type_.partition(".")[0], body["data"]
    if kind in _WITH_A_SCHEMA_THAT_GREW:
        data = {key: value for key, value in data.items() if key not in _ADDED_LATER}
    if kind in {"payment", "refund"}:
        data["status"] = "succeeded"
    if kind == "dispute":
        data["amount"] = 400
    return cast(Body, _of_the_same(cast(Json, body | {"data": data, "timestamp": REHEARSED_AT})))


def _of_the_same(node: Json, key: str = "") -> Json:
    """Replace every id in a tree by the one of its kind."""
    if isinstance(node, dict):
        return {name: _of_the_same(part, name) for name, part in node.items()}
    if isinstance(node, list):
        return [_of_the_same(part) for part in node]
    if isinstance(node, str) and (key == "id" or key.endswith("_id")):
        return f"{node.partition('_')[0]}_rehearsed"
    return node
