"""Lives of one aggregate in which instants, ids and odd values coincide often."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import strategies as st

from domain.aggregates.catalogue import KINDS, STREAMS
from tests.support.histories import NOON, aggregates, missed, said, seen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypothesis.strategies import DrawFn

    from domain.aggregate import Aggregate
    from domain.delivery import Delivery
    from domain.entity import Kind

LIVES = tuple(tuple(kind.name for kind in stream.kinds) for stream in STREAMS.values())
"""The kinds that share a stream."""
MINUTES = 4
"""Everything occurs within so many minutes after noon."""
_FLAGS = st.sampled_from([True, False, "true", None])
_INTEGERS = st.sampled_from([1, 2, 1.0, True, "1", None, 2**63])
_IDS = st.sampled_from(["x_1", "x_2", "", None, 5])
_INSTANTS = st.sampled_from(["2026-04-01T00:00:00Z", "2026-04-02T02:00:00+02:00", "never"])
_DATES = _INSTANTS | st.sampled_from(
    ["2026-05-01T12:02:00Z", "2026-04-30T08:01:00Z", "2026-04-30T08:03:00Z", "9999-12-31T00:00:00Z"]
)
"""Instants in the past, among the facts, and 28 hours before facts."""
_METADATA = st.sampled_from(
    [None, {}, {"user_id": "42"}, {"user_id": 42, "plan": "pro"}, {"user_id": [], "x": True}, "x"]
)
_CUSTOMERS = st.sampled_from([None, "x", {}, {"customer_id": "cus_1"}]) | st.fixed_dictionaries(
    {"customer_id": st.sampled_from(["cus_1", "cus_2", None])},
    optional={
        "email": st.sampled_from(["a@example.com", "A@example.com", "b@example.com", None, 7]),
        "name": st.sampled_from(["Ann", "Ben", None]),
        "phone_number": st.sampled_from(["+491", None]),
        "metadata": _METADATA,
    },
)
_CURRENCIES = st.sampled_from(["USD", "EUR", None])
_CARTS = st.sampled_from([None, [{"product_id": "pdt_1"}], [{"product_id": "pdt_2"}, 3]])
_STAGES = st.sampled_from(["pre_dispute", "dispute", "pre_arbitration", "final", None])
_STATUSES = {
    "subscription": ["active", "past_due", "on_hold", "cancelled", "pending", "failed"],
    "payment": ["processing", "failed", "succeeded", "requires_capture"],
    "refund": ["succeeded", "failed", "pending"],
    "dispute": ["dispute_opened", "dispute_challenged", "dispute_won"],
    "license_key": ["active", "disabled"],
    "entitlement_grant": ["Pending", "Delivered", "Revoked"],
    "credit": ["open"],
    "dunning": ["recovering", "recovered", "exhausted"],
    "abandoned_checkout": ["abandoned", "recovered", "opted_out"],
    "payout": ["not_initiated", "success", "failed"],
    "customer": [],
    "product": [],
}
_ODD_STATUSES: list[str | int | None] = ["Ünbekannt", None, 5]
_SUBJECTS: dict[str, dict[str, object]] = {
    "subscription": {"subscription_id": "sub_1"},
    "payment": {"payment_id": "pay_1"},
    "refund": {"payment_id": "pay_1"},
    "dispute": {"dispute_id": "dp_1"},
    "license_key": {"id": "lic_1"},
    "entitlement_grant": {"id": "grant_1"},
    "credit": {"customer_id": "cus_1", "credit_entitlement_id": "cde_1"},
    "dunning": {"subscription_id": "sub_1", "created_at": "2026-05-01T11:00:00Z"},
    "abandoned_checkout": {"payment_id": "pay_1"},
    "payout": {"payout_id": "pyt_1"},
    "customer": {"customer_id": "cus_1"},
    "product": {"product_id": "pdt_1"},
}
_LINKS = {
    "customer": _CUSTOMERS,
    "metadata": _METADATA,
    "customer_id": _IDS,
    "payment_id": _IDS,
    "subscription_id": _IDS,
    "subscription_ids": st.sampled_from([None, ["sub_7"], [5, "sub_8"]]),
    "created_at": _INSTANTS,
}
_FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "subscription": {
        "product_id": _IDS,
        "quantity": _INTEGERS,
        "currency": _CURRENCIES,
        "recurring_pre_tax_amount": _INTEGERS,
        "payment_frequency_count": _INTEGERS,
        "payment_frequency_interval": st.sampled_from(["Month", "month", "YEAR", "Fortnight", 3]),
        "trial_period_days": _INTEGERS,
        "on_demand": st.sampled_from([True, False, 1, 0]),
        "expires_at": _INSTANTS,
        "next_billing_date": _DATES,
        "past_due_ends_at": _DATES,
    },
    "payment": {"product_cart": _CARTS, "total_amount": _INTEGERS, "currency": _CURRENCIES},
    "refund": {"amount": _INTEGERS, "currency": _CURRENCIES},
    "dispute": {
        "dispute_stage": _STAGES,
        "is_resolved_by_rdr": _FLAGS,
        "amount": _INTEGERS,
        "currency": _CURRENCIES,
    },
    "license_key": {"product_id": _IDS, "expires_at": _INSTANTS},
    "entitlement_grant": {
        "delivered_at": _INSTANTS,
        "license_key": st.sampled_from([None, {"id": "lic_1"}, {"id": "lic_2", "status": 5}, []]),
        "updated_at": _INSTANTS,
        "revocation_reason": st.sampled_from(["refund", "manual", "Jane asked", 3]),
    },
    "credit": {
        "id": st.sampled_from(["cdl_1", "cdl_2", None]),
        "amount": st.sampled_from(["5", 5, 2.5, "x"]),
        "is_credit": _FLAGS,
        "balance_before": st.sampled_from(["0", "5", None]),
        "balance_after": st.sampled_from(["0", "5", 10]),
        "overage_before": st.sampled_from(["0", 0]),
        "overage_after": st.sampled_from(["0", 0]),
        "transaction_type": st.sampled_from(["credit_added", "auto_top_up", "x", None]),
        "balance": st.sampled_from(["5", 10, 0]),
        "overage": st.sampled_from(["0", 0]),
    },
    "dunning": {"trigger_state": st.sampled_from(["on_hold", "past_due", 3])},
    "abandoned_checkout": {"recovered_payment_id": _IDS, "abandoned_at": _INSTANTS},
    "payout": {
        "amount": _INTEGERS,
        "currency": _CURRENCIES,
        "remarks": st.sampled_from(["a", 3]),
        "updated_at": _INSTANTS,
    },
    "customer": {
        "email": st.sampled_from(["a@example.com", "A@example.com", None, 7]),
        "name": st.sampled_from(["Ann", "Ben", None]),
        "blocked_at": _INSTANTS,
    },
    "product": {
        "name": st.sampled_from(["Pro", "Team", None]),
        "price": st.sampled_from(
            [900, None, "x", {"type": "recurring_price", "price": 900, "currency": "USD"}]
        ),
        "price_detail": st.sampled_from(
            [None, {"type": "usage_based_price", "fixed_price": 5, "discount": 10}, 3]
        ),
        "currency": _CURRENCIES,
        "archived": _FLAGS,
    },
}


@st.composite
def deliveries(draw: DrawFn, kinds: tuple[str, ...]) -> Delivery:
    """Draw a delivery about one of a stream's things, or a look at it.

    There are few webhook-ids, so that bodies share one. It says a status and up to three other
    things, so that often one thing alone changes.
    """
    kind = KINDS[draw(_one_of(*kinds))]
    fields = _FIELDS_OF[kind.name]
    data = {name: draw(fields[name]) for name in draw(_SAID[kind.name])} | _SUBJECTS[kind.name]
    if kind.name == "refund":
        data["refund_id"] = draw(_one_of("ref_1", "ref_2"))
    if not kind.machine.events or draw(_QUARTERS) == 0:
        return draw(_looks(kind, data))
    type_ = draw(_one_of(*kind.machine.types))
    if draw(_BOOLEANS):
        # Often it says what its type says: together they are more than each of them.
        own = kind.machine.cells[None, type_.removeprefix(f"{kind.name}.")].to
        data[kind.status_field] = draw(_one_of(*_statuses(kind), *[own] * 4))
    return said(type_, draw(_MINUTES), f"msg_{draw(_NUMBERS)}", **data)


@st.composite
def _looks(draw: DrawFn, kind: Kind, data: dict[str, object]) -> Delivery:
    minute, look_id = draw(_MINUTES), f"raphus_look_{draw(_NUMBERS)}"
    if draw(_QUARTERS) == 0:
        named = {name: str(data[name]) for name in (*kind.names, *kind.stream_fields)}
        return missed(kind.name, minute, look_id, **named)
    if kind.name == "customer":
        # Lists and single objects say all of who it is.
        data = dict.fromkeys(("email", "name", "phone_number", "metadata")) | data
    if kind.status_field and draw(_BOOLEANS):
        data = data | {kind.status_field: draw(_one_of(*_statuses(kind)))}
    return seen(kind.name, minute, look_id, **data)


def _statuses(kind: Kind) -> list[str | int | None]:
    return [*_STATUSES[kind.name], *_ODD_STATUSES]


# To make a strategy takes longer than to draw from it, and so each is made once.
_BOOLEANS = st.booleans()
_QUARTERS = st.integers(0, 3)
_NUMBERS = st.integers(1, 9)
_MINUTES = st.integers(0, MINUTES)
_FIELDS_OF = {name: _LINKS | own for name, own in _FIELDS.items()}
_SAID = {
    name: st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)
    for name, fields in _FIELDS_OF.items()
}


@cache
def _one_of(*values: str | int | None) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def lives(*, one_body_each: bool = False) -> st.SearchStrategy[list[Delivery]]:
    """Draw the deliveries of one stream, in order of arrival; several may share a webhook-id."""
    alike = (lambda one: one.webhook_id) if one_body_each else None

    @cache
    def life(kinds: tuple[str, ...]) -> st.SearchStrategy[list[Delivery]]:
        return st.lists(deliveries(kinds), min_size=1, max_size=9, unique_by=alike)

    return st.sampled_from(LIVES).flatmap(life)


def recorded(arrivals: Iterable[Delivery]) -> Aggregate:
    """Build the one aggregate of these deliveries, every two of them recorded a minute later."""
    (built,) = aggregates(arrivals).values()
    stamped = [
        msgspec.structs.replace(
            event, recorded_at=NOON + timedelta(minutes=(event.originator_version - 1) // 2)
        )
        for event in built.events
    ]
    return type(built)(built.id, stamped)
