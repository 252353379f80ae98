"""A payment fits its price, or does not, or nobody can tell: false alarms are worse than none."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.payment import PaymentEntity
from domain.periods import Period, periods
from domain.prices import CHECKOUT_OPEN, OBSTACLES, PAY_WHAT_YOU_WANT, Charge, Fit, judge
from domain.stream_id import stream_id
from simulator.catalogue import GOODS, PLANS
from simulator.merchant import merchant
from tests.support.histories import NOON, aggregates, delivery, of_one, said
from tests.support.projected import UNTIL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
PAYMENT: dict[str, Any] = {
    "payment_id": "pay_1",
    "status": "succeeded",
    "created_at": "2026-05-01T12:00:00Z",
    "currency": "USD",
    "total_amount": 1190,
    "tax": 190,
    "settlement_amount": 1190,
    "is_update_payment_method": False,
    "discounts": [],
    "discount_id": None,
}
OF_SUBSCRIPTION: dict[str, Any] = PAYMENT | {
    "subscription_id": "sub_1",
    "subscription_ids": ["sub_1"],
    "charge_type": "renewal",
    "includes_usage": False,
    "service_periods": [{"subscription_id": "sub_1", "proration_factor": "1"}],
}
ONCE: dict[str, Any] = PAYMENT | {"product_cart": [{"product_id": "pdt_1", "quantity": 1}]}
SUBSCRIPTION: dict[str, Any] = {
    "subscription_id": "sub_1",
    "product_id": "pdt_1",
    "status": "active",
    "quantity": 1,
    "currency": "USD",
    "recurring_pre_tax_amount": 1000,
    "tax_inclusive": False,
    "payment_frequency_count": 1,
    "payment_frequency_interval": "Month",
    "trial_period_days": 0,
    "on_demand": False,
    "addons": [],
    "meters": [],
    "discounts": [],
    "discount_id": None,
}
MONTHLY: dict[str, Any] = {"payment_frequency_count": 1, "payment_frequency_interval": "Month"}


def paid(**data: object) -> PaymentEntity:
    (known,) = of_one(said("payment.succeeded", 0, None, **data)).entities()
    assert isinstance(known.entity, PaymentEntity)
    return known.entity


def terms(*changes: dict[str, Any], word: str = "active") -> list[Period]:
    """Say what a subscription told: first a month before noon, then from change to change."""
    first = said(f"subscription.{word}", -30 * 24 * 60, **SUBSCRIPTION | changes[0])
    later = [
        said(
            f"subscription.{change.pop('word', 'updated')}",
            change.pop("minute"),
            **SUBSCRIPTION | changes[0] | change,
        )
        for change in map(dict, changes[1:])
    ]
    return periods(of_one(first, *later))


def price(amount: int | None = 1000, **of: Any) -> Period:  # noqa: ANN401 -- fields
    fields: dict[str, Any] = {
        "kind": "product",
        "id": "pdt_1",
        "business_id": "bus_1",
        "first_position": 1,
        "valid_from": NOON - 30 * DAY,
        "valid_to": None,
        "status": None,
        "created_at": NOON - 60 * DAY,
        "customer_id": None,
        "payment_id": None,
        "subscription_id": None,
        "amount": amount,
        "currency": "USD",
        "tax_inclusive": False,
    }
    return Period(**fields | of)


def renewal(*changes: dict[str, Any], before: str | None = None, **payment: object) -> Fit:
    charge = Charge(paid(**OF_SUBSCRIPTION | payment), terms(*(changes or ({},))))
    return judge(charge._replace(currency_before=before))


def first(
    prices: Sequence[Period] | None = None, of: dict[str, Any] | None = None, **payment: object
) -> Fit:
    asked = OF_SUBSCRIPTION | {"charge_type": "new"} | payment
    known = [price(**MONTHLY)] if prices is None else prices
    return judge(Charge(paid(**asked), terms(of or {}), {"pdt_1": known}))


def purchase(*prices: Period, **payment: object) -> Fit:
    return judge(Charge(paid(**ONCE | payment), (), _by_id(prices or [price()])))


def _by_id(prices: Sequence[Period]) -> dict[str, list[Period]]:
    return {name: [one for one in prices if one.id == name] for name in {p.id for p in prices}}


def cart(*lines: tuple[str, int]) -> list[dict[str, object]]:
    return [{"product_id": name, "quantity": quantity} for name, quantity in lines]


def test_a_renewal_fits_that_costs_what_its_subscription_says() -> None:
    assert renewal().fits is True
    assert renewal({"tax_inclusive": True}, total_amount=1000).fits is True
    assert renewal(tax=None, total_amount=1000).fits is True


def test_a_renewal_that_costs_more_than_its_subscription_says_does_not_fit() -> None:
    found = renewal(total_amount=1191)
    assert (found.fits, found.rule) == (False, "amount")
    assert (found.got, found.expected, found.currency) == (1001, 1000, "USD")
    assert found.reason == ("10.01 USD were paid for a period; its subscription says 10.00 USD.")
    assert renewal({"tax_inclusive": True}, total_amount=1001).fits is False


def test_a_renewal_may_cost_less_by_a_balance_or_by_the_credit_of_a_downgrade() -> None:
    assert renewal(total_amount=500, tax=80).fits is True


def test_an_amount_may_be_that_of_one_or_of_the_whole_quantity() -> None:
    assert renewal({"quantity": 3}).fits is True
    assert renewal({"quantity": 3}, total_amount=3190).fits is True
    assert renewal({"quantity": 3}, total_amount=3191).fits is False


@pytest.mark.parametrize(
    "payment",
    [
        {"settlement_amount": None},
        {"is_update_payment_method": True},
        {"total_amount": 0, "tax": 0},
        {"charge_type": "on_demand"},
        {"charge_type": "plan_change"},
        {"discounts": [{"discount_id": "dsc_1", "amount": 500}]},
        {"discount_id": "dsc_1"},
        {"service_periods": [{"subscription_id": "sub_1", "proration_factor": "0.5"}]},
        {"subscription_ids": ["sub_1", "sub_2"]},
        {"product_cart": cart(("pdt_2", 1))},
        {"includes_usage": True},
        {"includes_usage": None},
        {"currency": "EUR"},
    ],
    ids=str,
)
def test_a_payment_is_not_judged_that_says_why_it_may_differ(payment: dict[str, Any]) -> None:
    found = renewal(**{"total_amount": 5190} | payment)
    assert found.fits is None
    assert found.reason.startswith("It cannot be judged: ")


@pytest.mark.parametrize(
    "subscription",
    [
        {"on_demand": True},
        {"addons": [{"addon_id": "adn_1", "quantity": 1}]},
        {"meters": [{"meter_id": "mtr_1"}]},
        {"discounts": [{"discount_id": "dsc_1", "cycles_remaining": 1}]},
        {"discount_id": "dsc_1"},
        {"recurring_pre_tax_amount": None},
    ],
    ids=str,
)
def test_nothing_is_measured_by_a_subscription_that_says_why_it_may_differ(
    subscription: dict[str, Any],
) -> None:
    assert renewal(subscription, total_amount=5190).fits is None


def test_what_a_discount_took_off_until_now_is_not_held_against_the_renewal_after_it() -> None:
    ended = {"minute": 0, "word": "renewed", "discounts": [], "recurring_pre_tax_amount": 1000}
    discounted = {"discounts": [{"discount_id": "dsc_1"}], "recurring_pre_tax_amount": 500}
    assert renewal(discounted, ended).fits is None


def test_what_was_owed_before_may_be_charged_with_what_ends_a_hold() -> None:
    held = {"minute": -60 * 24, "word": "on_hold", "status": "on_hold"}
    paid_ = {"minute": 1, "word": "active", "status": "active"}
    assert renewal({}, held, paid_, total_amount=2380, tax=380).fits is None
    assert renewal({}, held, paid_ | {"minute": -60 * 12}, total_amount=2380, tax=380).fits is False


def test_a_change_that_a_renewal_pays_for_may_be_told_some_minutes_later() -> None:
    dearer = {"minute": 20, "word": "plan_changed", "recurring_pre_tax_amount": 3000}
    assert renewal({}, dearer, total_amount=3190).fits is True
    assert renewal({}, dearer | {"minute": 90}, total_amount=3190).fits is False


def test_what_a_subscription_said_long_ago_is_no_excuse() -> None:
    cheaper = {"minute": -60 * 24, "recurring_pre_tax_amount": 500}
    assert renewal({}, cheaper).fits is False


def test_a_payment_that_has_not_succeeded_is_not_judged() -> None:
    (known,) = of_one(said("payment.failed", **OF_SUBSCRIPTION | {"status": "failed"})).entities()
    assert isinstance(known.entity, PaymentEntity)
    assert judge(Charge(known.entity, terms({"recurring_pre_tax_amount": 1}))).fits is None


def test_without_its_subscription_a_renewal_is_not_judged() -> None:
    assert judge(Charge(paid(**OF_SUBSCRIPTION))).fits is None


def test_a_renewal_in_another_currency_than_the_one_before_does_not_fit() -> None:
    found = renewal(before="EUR")
    assert (found.fits, found.rule, found.expected) == (False, "currency", None)
    assert renewal(before="USD").fits is True


def test_a_subscription_begins_with_the_price_of_its_product() -> None:
    assert first().fits is True
    for amount in (999, 1001):
        found = first([price(amount, **MONTHLY)])
        assert (found.fits, found.rule) == (False, "price")
        assert (found.got, found.expected) == (1000, amount)
    assert first(total_amount=1191).rule == "amount"


@pytest.mark.parametrize(
    ("prices", "of"),
    [
        ([], {}),
        ([price(999)], {}),
        ([price(None, **MONTHLY)], {}),
        ([price(999, currency="EUR", **MONTHLY)], {}),
        ([price(999, tax_inclusive=True, **MONTHLY)], {}),
        ([price(999, trial_period_days=7, **MONTHLY)], {}),
        ([price(999, obstacle=PAY_WHAT_YOU_WANT, **MONTHLY)], {}),
        ([price(999, valid_from=NOON + MINUTE, **MONTHLY)], {}),
        ([price(999, **MONTHLY)], {"quantity": 2}),
        ([price(999, **MONTHLY)], {"trial_period_days": 7}),
        ([price(999, **MONTHLY)], {"trial_period_days": None}),
    ],
    ids=str,
)
def test_a_price_that_may_differ_is_not_held_against_a_beginning(
    prices: list[Period], of: dict[str, Any]
) -> None:
    assert first(prices, of).fits is True  # by its subscription's amount alone


@pytest.mark.parametrize("obstacle", sorted(OBSTACLES))
def test_nothing_is_measured_by_a_price_that_something_changes(obstacle: str) -> None:
    assert first([price(999, obstacle=obstacle, **MONTHLY)]).fits is True
    assert purchase(price(999, obstacle=obstacle)).fits is None


def test_what_is_bought_once_costs_the_sum_of_the_prices() -> None:
    assert purchase().fits is True
    assert purchase(price(tax_inclusive=True), total_amount=1000).fits is True
    assert purchase(price(tax_inclusive=None), total_amount=1000).fits is True
    assert purchase(price(tax_inclusive=None)).fits is True
    both = price(300), price(400, id="pdt_2")
    bought = cart(("pdt_1", 2), ("pdt_2", 1))
    assert purchase(*both, product_cart=bought).fits is True
    found = purchase(*both, product_cart=bought, total_amount=1189)
    assert (found.fits, found.rule, found.got, found.expected) == (False, "cart", 999, 1000)
    assert found.reason == "9.99 USD were paid for pdt_1, pdt_2; the price was 10.00 USD."


def test_of_what_the_buyer_names_the_price_only_less_than_the_least_does_not_fit() -> None:
    least = price(obstacle=PAY_WHAT_YOU_WANT)
    assert purchase(least, total_amount=99_190).fits is True
    assert purchase(least).fits is True
    found = purchase(least, total_amount=1189)
    assert (found.fits, found.expected) == (False, 1000)
    assert found.reason.endswith("the price was 10.00 USD at least.")


@pytest.mark.parametrize(
    ("prices", "payment"),
    [
        ([price(999, currency="EUR")], {}),
        ([price(999, **MONTHLY)], {}),
        ([price(999, id="pdt_2")], {}),
        ([price(999, valid_from=NOON + MINUTE)], {}),
        ([price(999)], {"product_cart": cart(("pdt_1", 0))}),
        ([price(999)], {"product_cart": [{"product_id": "pdt_1"}]}),
        ([price(999)], {"product_cart": None}),
        (
            [price(300), price(400, id="pdt_2", tax_inclusive=True)],
            {"product_cart": cart(("pdt_1", 1), ("pdt_2", 1))},
        ),
    ],
    ids=str,
)
def test_a_purchase_is_not_judged_whose_price_is_not_known(
    prices: list[Period], payment: dict[str, Any]
) -> None:
    assert purchase(*prices, **payment).fits is None


def test_a_checkout_that_was_opened_before_the_price_went_up_can_still_be_paid() -> None:
    def at(changed_at: datetime) -> Fit:
        return purchase(price(valid_to=changed_at), price(1500, valid_from=changed_at))

    assert at(NOON - CHECKOUT_OPEN + MINUTE).fits is True
    assert at(NOON - CHECKOUT_OPEN - MINUTE).fits is False


def test_a_payment_that_says_nothing_of_what_it_pays_for_is_not_judged() -> None:
    assert judge(Charge(paid(**PAYMENT))).fits is None


AMOUNTS = st.integers(min_value=1, max_value=10**6)
LINES = st.lists(st.tuples(AMOUNTS, st.integers(min_value=1, max_value=9)), min_size=1, max_size=5)


@given(LINES, st.booleans(), st.integers(min_value=0, max_value=10**5), AMOUNTS)
def test_a_purchase_at_the_documented_price_fits_and_one_that_is_dearer_or_cheaper_does_not(
    lines: list[tuple[int, int]], tax_inclusive: bool, tax: int, off: int
) -> None:
    prices = [
        price(amount, id=f"pdt_{n}", tax_inclusive=tax_inclusive)
        for n, (amount, _) in enumerate(lines)
    ]
    bought = cart(*((f"pdt_{n}", quantity) for n, (_, quantity) in enumerate(lines)))
    due = sum(amount * quantity for amount, quantity in lines)
    total = due if tax_inclusive else due + tax
    right = {"product_cart": bought, "tax": tax}
    assert purchase(*prices, **right, total_amount=total).fits is True
    assert purchase(*prices, **right, total_amount=total + off).fits is False
    if off != total:
        assert purchase(*prices, **right, total_amount=total - off).fits is False


@given(AMOUNTS, st.booleans(), st.integers(min_value=0, max_value=10**5), AMOUNTS)
def test_a_renewal_at_the_documented_price_fits_and_one_that_is_dearer_does_not(
    amount: int, tax_inclusive: bool, tax: int, off: int
) -> None:
    total = amount if tax_inclusive else amount + tax
    of = {"recurring_pre_tax_amount": amount, "tax_inclusive": tax_inclusive}
    assert renewal(of, tax=tax, total_amount=total).fits is True
    assert renewal(of, tax=tax, total_amount=total + off).fits is False


@given(
    st.lists(
        st.tuples(st.sampled_from([900, 1000, 1100, None]), st.booleans()), min_size=1, max_size=6
    ),
    st.integers(min_value=0, max_value=6),
)
def test_what_is_learned_of_prices_after_a_payment_can_only_excuse_it(
    looks: list[tuple[int | None, bool]], known: int
) -> None:
    begun = [NOON + (n - known) * DAY for n in range(len(looks))]
    prices = [
        price(amount, valid_from=at, valid_to=end, obstacle="localized" if odd else None)
        for (amount, odd), at, end in zip(looks, begun, [*begun[1:], None], strict=True)
    ]
    of_then = [one for one in prices if one.valid_from <= NOON]
    before = purchase(*[msgspec.structs.replace(one, valid_to=None) for one in of_then[-1:]])
    whole = purchase(*prices)
    if not of_then:
        assert whole.fits is None
    elif purchase(*of_then[:-1], *([msgspec.structs.replace(of_then[-1], valid_to=None)])).fits:
        assert whole.fits is not False
    elif whole.fits is False:
        assert before.fits is False


def test_nothing_that_the_simulated_merchant_charges_is_a_false_alarm() -> None:
    occurrences = merchant(7, customers=60, until=UNTIL)
    streams = aggregates(delivery(one.body, one.webhook_id) for one in occurrences)
    prices = {
        name: [price(cents, id=name, valid_from=UNTIL - 900 * DAY, **kind)]
        for kind, sold in ((MONTHLY, PLANS), ({}, GOODS))
        for name, cents in ((one.product_id, one.price_cents) for one in sold)
    }
    told: Counter[tuple[bool | None, str | None]] = Counter()
    for payment in (known.entity for one in streams.values() for known in one.entities()):
        if not isinstance(payment, PaymentEntity):
            continue
        of = "subscription", payment.business_id, payment.subscription_id or ""
        stream = streams.get(stream_id(*of))
        terms_ = periods(stream) if stream is not None else []
        found = judge(Charge(payment, terms_, prices))
        assert found.fits is not False, found.reason
        told[found.fits, found.rule] += 1
    judged = {rule for fits, rule in told if fits}
    assert judged == {"amount", "cart", "price"}
