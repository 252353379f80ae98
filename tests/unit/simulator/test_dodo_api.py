"""The simulated merchant's API: what Dodo would answer, as the SDK's models have it."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from dodopayments import types
from dodopayments.types.credit_entitlements import CreditLedgerEntry, CustomerCreditBalance
from dodopayments.types.entitlements import EntitlementGrant
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from simulator import Occurrence, merchant
from simulator.dodo_api import RateLimit, SimulatedDodo
from simulator.dodo_api.asking import Asked, Reply

UNTIL: Final = datetime(2026, 10, 1, tzinfo=UTC)
KEY: Final = "key"
SORT: Final = "cent_api_calls"

LISTS: Final[dict[str, type[BaseModel]]] = {
    "/brands": types.Brand,
    "/customers": types.Customer,
    "/products": types.ProductListResponse,
    "/products?archived=true": types.ProductListResponse,
    "/subscriptions": types.SubscriptionListResponse,
    "/payments": types.PaymentListResponse,
    "/refunds": types.RefundListItem,
    "/disputes": types.DisputeListResponse,
    "/license_keys": types.LicenseKey,
    "/payouts": types.PayoutListResponse,
    "/entitlements": types.Entitlement,
    "/entitlements/ent_team_monthly/grants": EntitlementGrant,
    "/credit-entitlements": types.CreditEntitlement,
    f"/credit-entitlements/{SORT}/balances": CustomerCreditBalance,
}
WHOLE: Final[dict[str, tuple[str, type[BaseModel]]]] = {
    "/customers": ("customer_id", types.Customer),
    "/products": ("product_id", types.Product),
    "/subscriptions": ("subscription_id", types.Subscription),
    "/payments": ("payment_id", types.Payment),
    "/refunds": ("refund_id", types.Refund),
    "/disputes": ("dispute_id", types.GetDispute),
    "/license_keys": ("id", types.LicenseKey),
}
OPEN_SETS: Final = {"cancellation_feedback"}
"""What the simulated merchant has a value of that no release lists yet."""
ID_FIELDS: Final = {path: field for path, (field, _) in WHOLE.items()} | {"/payouts": "payout_id"}
STATUS_FIELDS: Final = {
    "/subscriptions": "status",
    "/payments": "status",
    "/refunds": "status",
    "/disputes": "dispute_status",
    "/payouts": "status",
}


@pytest.fixture(scope="module")
def history() -> list[Occurrence]:
    return merchant(1, customers=150, until=UNTIL)


@pytest.fixture(scope="module")
def dodo(history: list[Occurrence]) -> SimulatedDodo:
    return SimulatedDodo(history, at=UNTIL, api_key=KEY)


def ask(dodo: SimulatedDodo, address: str, key: str = KEY) -> Reply:
    path, _, query = address.partition("?")
    asked = dict(pair.split("=", 1) for pair in query.split("&") if pair)
    return dodo.reply(Asked(path, asked, {"authorization": f"Bearer {key}"}))


def told(dodo: SimulatedDodo, address: str) -> Any:  # noqa: ANN401 -- JSON
    reply = ask(dodo, address)
    assert reply.status == 200, (address, reply)
    return json.loads(reply.body)


def every(dodo: SimulatedDodo, address: str) -> list[dict[str, Any]]:
    """All items of a list that stands still."""
    if address == "/brands":
        return list(told(dodo, address)["items"])
    items: list[dict[str, Any]] = []
    joint = "&" if "?" in address else "?"
    for number in range(1_000):
        page = told(dodo, f"{address}{joint}page_number={number}&page_size=100")["items"]
        if not page:
            break
        items += page
    return items


def mistakes(model: type[BaseModel], data: dict[str, Any]) -> list[str]:
    """What is not as the SDK's model has it: fields that are missing, of another type, or more."""
    more = [f"{name} is not in it" for name in data.keys() - model.model_fields.keys()]
    try:
        model.model_validate(data)
    except ValidationError as error:
        found = [(".".join(map(str, one["loc"])), one["type"]) for one in error.errors()]
        return more + [f"{where}: {what}" for where, what in found if where not in OPEN_SETS]
    return more


@pytest.mark.parametrize("address", LISTS)
def test_items_are_what_the_sdks_model_of_the_list_has(dodo: SimulatedDodo, address: str) -> None:
    items = every(dodo, address)
    assert items
    for item in items:
        if LISTS[address] is CustomerCreditBalance:
            # Numbers were seen, where the SDK says strings.
            assert isinstance(item["balance"], int)
            item |= {name: str(item[name]) for name in ("balance", "overage")}
        assert mistakes(LISTS[address], item) == []


@pytest.mark.parametrize("address", WHOLE)
def test_one_thing_is_what_the_sdks_model_of_it_has(dodo: SimulatedDodo, address: str) -> None:
    id_field, model = WHOLE[address]
    for item in every(dodo, address):
        whole = told(dodo, f"{address}/{item[id_field]}")
        assert mistakes(model, whole) == []
        # What an item says is so in the whole thing, too, but for what only lists have.
        shared = item.keys() & whole.keys() - {"price", "discounts"}
        assert {name: item[name] for name in shared} == {name: whole[name] for name in shared}


def test_items_lack_what_the_lists_of_dodo_lack(dodo: SimulatedDodo) -> None:
    for address, lacking in {
        "/subscriptions": ("addons", "meters", "expires_at", "cancellation_comment"),
        "/payments": ("product_cart", "tax", "billing", "error_code", "refunds", "business_id"),
        "/refunds": ("customer", "metadata"),
        "/disputes": ("customer", "reason", "remarks"),
    }.items():
        assert not {name for item in every(dodo, address) for name in item} & set(lacking)


def test_webhooks_alone_tell_when_grace_ends_and_what_paid_a_renewal(dodo: SimulatedDodo) -> None:
    for item in every(dodo, "/subscriptions"):
        whole = told(dodo, f"/subscriptions/{item['subscription_id']}")
        assert not whole.keys() & {"past_due_ends_at", "payment_id", "payload_type"}


def states_in(history: list[Occurrence], at: datetime) -> dict[str, str]:
    """What the newest webhook of each thing says of its status, as of an instant."""
    found: dict[str, str] = {}
    for occurrence in history:
        address = f"/{occurrence.type.partition('.')[0]}s"
        if occurrence.occurred_at <= at and address in STATUS_FIELDS:
            data = json.loads(occurrence.body)["data"]
            found[data[ID_FIELDS[address]]] = data[STATUS_FIELDS[address]]
    return found


@given(seed=st.integers(0, 2**32), days=st.floats(0, 425))
@settings(max_examples=15, deadline=None)
def test_as_of_any_instant_it_has_what_the_newest_webhooks_say(seed: int, days: float) -> None:
    history = merchant(seed, customers=6, until=UNTIL)
    dodo = SimulatedDodo(history, at=UNTIL, api_key=KEY)
    for at in (UNTIL, UNTIL - timedelta(days=days)):
        dodo.at = at
        found = {
            item[ID_FIELDS[address]]: item[status]
            for address, status in STATUS_FIELDS.items()
            for item in every(dodo, address)
        }
        assert found == states_in(history, at)


def test_a_licence_key_follows_its_grant(dodo: SimulatedDodo) -> None:
    keys = {key["id"]: key["status"] for key in every(dodo, "/license_keys")}
    entitlements = [one["id"] for one in every(dodo, "/entitlements")]
    grants = [
        grant for named in entitlements for grant in every(dodo, f"/entitlements/{named}/grants")
    ]
    told_by_grants = {
        grant["license_key"]["id"]: grant["license_key"]["status"]
        for grant in grants
        if grant["license_key"]
    }
    assert "disabled" in told_by_grants.values()
    assert {**keys, **told_by_grants} == keys


def test_customers_are_those_of_the_webhooks_and_one_who_never_bought(
    dodo: SimulatedDodo, history: list[Occurrence]
) -> None:
    said = [json.loads(occurrence.body)["data"].get("customer") for occurrence in history]
    buyers = {customer["customer_id"]: customer["email"] for customer in said if customer}
    found = {one["customer_id"]: one["email"] for one in every(dodo, "/customers")}
    assert found == {**buyers, dodo.visitor_id: "visitor@example.com"}


def test_prices_fit_what_is_charged(dodo: SimulatedDodo) -> None:
    products = {one["product_id"]: one for one in every(dodo, "/products")}
    judged = 0
    for item in every(dodo, "/subscriptions"):
        product = products[item["product_id"]]
        assert item["product_name"] == product["name"]
        price = product["price_detail"]
        assert price["payment_frequency_interval"] == item["payment_frequency_interval"]
        if item["currency"] == price["currency"]:
            assert item["recurring_pre_tax_amount"] == price["price"] * item["quantity"]
            judged += 1
    assert judged > 20


def test_a_balance_is_where_its_ledger_ends(dodo: SimulatedDodo) -> None:
    balances = every(dodo, f"/credit-entitlements/{SORT}/balances")
    for balance in balances:
        account = f"/credit-entitlements/{SORT}/balances/{balance['customer_id']}"
        assert told(dodo, account) == balance
        entries = every(dodo, f"{account}/ledger")
        assert all(mistakes(CreditLedgerEntry, entry) == [] for entry in entries)
        net = sum(int(one["amount"]) * (1 if one["is_credit"] else -1) for one in entries)
        assert net == balance["balance"] - balance["overage"]


def test_grants_of_a_deleted_entitlement_are_listed_by_customer_alone(
    history: list[Occurrence],
) -> None:
    named = "ent_team_monthly"
    whole = SimulatedDodo(history, at=UNTIL, api_key=KEY)
    of_customer = defaultdict(list)
    for grant in every(whole, f"/entitlements/{named}/grants"):
        of_customer[grant["customer_id"]].append(grant["id"])
    deleted = frozenset({named})
    dodo = SimulatedDodo(history, at=UNTIL, api_key=KEY, deleted_entitlements=deleted)
    assert named not in {one["id"] for one in every(dodo, "/entitlements")}
    assert ask(dodo, f"/entitlements/{named}/grants").status == 404
    for customer_id, grants in of_customer.items():
        found = [one["id"] for one in every(dodo, f"/customers/{customer_id}/entitlement-grants")]
        assert {*grants} <= {*found}


def test_lists_are_newest_first_and_chosen_by_time_status_and_customer(dodo: SimulatedDodo) -> None:
    everything = every(dodo, "/subscriptions")
    times = [one["created_at"] for one in everything]
    assert times == sorted(times, reverse=True)
    older, newer = times[20], times[10]
    between = every(dodo, f"/subscriptions?created_at_gte={older}&created_at_lte={newer}")
    assert between == everything[10:21]
    held = every(dodo, "/subscriptions?status=on_hold")
    assert held == [one for one in everything if one["status"] == "on_hold"]
    customer_id = everything[0]["customer"]["customer_id"]
    theirs = every(dodo, f"/subscriptions?customer_id={customer_id}")
    assert theirs == [one for one in everything if one["customer"]["customer_id"] == customer_id]


def test_pages_are_counted_from_0_and_end_with_an_empty_one(dodo: SimulatedDodo) -> None:
    everything = every(dodo, "/payouts")
    assert told(dodo, "/payouts")["items"] == everything[:10]
    assert told(dodo, "/payouts?page_number=1&page_size=7")["items"] == everything[7:14]
    assert told(dodo, "/payouts?page_number=99")["items"] == []


@pytest.mark.parametrize(
    "address",
    [
        "/payouts?page_size=101",
        "/payouts?page_size=0",
        "/payouts?page_number=-1",
        "/payouts?created_at_lte=yesterday",
        "/payouts?created_at_lte=2026-01-01T00:00:00",
        "/payouts?status=success",
        "/payments?page_number=200",
    ],
)
def test_what_a_list_cannot_be_asked_by_is_refused(dodo: SimulatedDodo, address: str) -> None:
    reply = ask(dodo, address)
    assert reply.status == 400
    assert json.loads(reply.body)["code"] == "INVALID_QUERY_PARAMS"


@pytest.mark.parametrize("address", ["/payments/pay_none", "/customers/x/entitlement-grants"])
def test_what_is_not_there_is_404_in_dodos_words(dodo: SimulatedDodo, address: str) -> None:
    reply = ask(dodo, address)
    assert (reply.status, json.loads(reply.body)["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("address", ["/payouts/pyt_1", "/events", "/"])
def test_what_the_api_does_not_have_is_404_without_a_word(
    dodo: SimulatedDodo, address: str
) -> None:
    reply = ask(dodo, address)
    assert (reply.status, reply.body) == (404, b"")


def test_another_key_is_refused(dodo: SimulatedDodo) -> None:
    assert ask(dodo, "/brands", "another").status == 401


def test_more_requests_than_the_limit_are_refused_and_told_until_when() -> None:
    dodo = SimulatedDodo([], at=UNTIL, api_key=KEY, limit=RateLimit(2, window_s=60))
    replies = [ask(dodo, "/brands") for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert [reply.headers["x-ratelimit-remaining"] for reply in replies] == ["1", "0", "0"]
    assert {reply.headers["x-ratelimit-limit"] for reply in replies} == {"2"}
    assert 0 < float(replies[2].headers["x-ratelimit-reset"]) <= 60


def test_a_merchant_without_history_has_empty_lists() -> None:
    dodo = SimulatedDodo([], at=UNTIL, api_key=KEY)
    for address in ("/customers", "/payments", f"/credit-entitlements/{SORT}/balances"):
        assert every(dodo, address) == []
