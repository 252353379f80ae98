"""Whether a payment fits what was to be paid: a subscription's terms, or the prices of products.

Few false alarms is the aim: what may differ for a reason that no field tells is not judged. Source:
docs/dodo-api.md, "Products, prices, and what a payment can be checked against".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import msgspec

from domain.money import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domain.aggregates.payment import CartItem, PaymentEntity
    from domain.periods import Period

TERMS_WITHIN: Final = timedelta(hours=1)
"""A payment and the change that it pays for may be told so far apart: one that takes effect at a
renewal does so some minutes later (`subscription_service_period.py` of Dodo's SDK)."""
CHECKOUT_OPEN: Final = timedelta(hours=24)
"""So long after a checkout was opened, the price that it was opened with can still be paid."""

Rule: TypeAlias = Literal["amount", "price", "cart", "currency"]
"""What a payment was measured by.

`amount` is what its subscription says that a period costs; `price` that of the product when the
subscription began; `cart` those of what was bought once; `currency` that of the renewal before.
"""
OBSTACLES: Final[Mapping[str, str]] = {
    "on_demand": "on demand, any amount may be charged",
    "addons": "add-ons are charged, too",
    "usage": "usage is charged, too",
    "discount": "a discount is taken off",
    "purchasing_power": "the price depends on the country",
    "localized": "the price depends on the currency or the country",
    "untold": "its price is not told",
}
"""What keeps an amount from being what is charged, each in words."""
PAY_WHAT_YOU_WANT: Final = "pay_what_you_want"
"""Makes a price the least that is charged."""
_OWING: Final = frozenset({"on_hold", "paused"})
"""Out of these a subscription may be charged what it owed before, too."""


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a payment `fits`, and why in words; None: it cannot be judged.

    Where amounts were compared, `got` is what counts of the payment, and `expected` the nearest
    that would fit, both in minor units of `currency`.
    """

    fits: bool | None
    reason: str
    rule: Rule | None = None
    expected: int | None = None
    got: int | None = None
    currency: str | None = None


class Charge(NamedTuple):
    """A payment with all that it is measured by.

    `terms` are the periods of its subscription, `prices` those of each product, both in order;
    `currency_before` is that of the renewal before.
    """

    payment: PaymentEntity
    terms: Sequence[Period] = ()
    prices: Mapping[str, Sequence[Period]] = {}
    currency_before: str | None = None


class _UnjudgedError(Exception):
    """Why a payment cannot be judged."""


def judge(charge: Charge) -> Fit:
    """Tell whether a payment fits.

    What was learned of prices after the payment can only excuse it.
    """
    for applies, why in _EXEMPT:
        if applies(charge.payment):
            return _unknown(why)
    found: list[Fit] = []
    for rule in _RULES:
        try:
            found += filter(None, [rule(charge)])
        except _UnjudgedError as error:
            found.append(_unknown(str(error)))
    telling = [one for verdict in (False, True, None) for one in found if one.fits is verdict]
    return next(iter(telling), _unknown("nothing says what it pays for"))


def _unknown(why: str) -> Fit:
    return Fit(fits=None, reason=f"It cannot be judged: {why}.")


def _is_prorated(payment: PaymentEntity) -> bool:
    return any(period.proration_factor not in {"1", None} for period in payment.service_periods)


def _may_bill_usage(payment: PaymentEntity) -> bool:
    # Bodies of before the field was there do not say that there is none.
    return payment.charge_type is not None and payment.includes_usage is not False


_EXEMPT: Final[Sequence[tuple[Callable[[PaymentEntity], bool], str]]] = (
    (lambda one: one.status != "succeeded", "it has not succeeded"),
    (
        # A list of Dodo's has the total, and neither the tax nor the cart.
        lambda one: None in {one.total_amount, one.currency, one.settlement_amount},
        "it is not known in full",
    ),
    (lambda one: bool(one.is_update_payment_method), "it only changes how is paid"),
    (lambda one: one.total_amount == 0, "nothing is charged, as in a trial, or from a balance"),
    (lambda one: one.charge_type == "on_demand", OBSTACLES["on_demand"]),
    (lambda one: one.charge_type == "plan_change", "a change of the plan is charged in part"),
    (lambda one: bool(one.discounts or one.discount_id), OBSTACLES["discount"]),
    (_is_prorated, "a part of a period is charged"),
    (lambda one: len(one.subscription_ids) > 1, "it pays for several subscriptions"),
    (lambda one: bool(one.subscription_id and one.cart), "it pays for other things, too"),
    (_may_bill_usage, "it bills usage, or does not say that it bills none"),
)
"""The payments that no rule is asked about, each with why."""


def _currency(charge: Charge) -> Fit | None:
    """A subscription keeps its currency from renewal to renewal."""
    payment, before = charge.payment, charge.currency_before
    if payment.charge_type != "renewal" or before is None or payment.currency == before:
        return None
    reason = f"It is in {payment.currency}; the renewal before was in {before}."
    return Fit(fits=False, rule="currency", reason=reason)


def _amount(charge: Charge) -> Fit | None:
    """A whole period costs what its subscription says, or less.

    Balances and the credit of a downgrade make it less, and nothing marks them. Whether the amount
    is for one or for all of the quantity is not documented: either fits.
    """
    payment = charge.payment
    if payment.subscription_id is None or payment.charge_type not in {"new", "renewal"}:
        return None
    terms = _terms(charge)
    if not terms:
        raise _UnjudgedError("nothing is known of its subscription at that time")
    for one in terms:
        _check_measures(one, payment.currency)
        if payment.charge_type == "renewal" and one.status in _OWING:
            raise _UnjudgedError("what was owed before may be charged, too")
    limits = [
        (min(_nets(payment, one.tax_inclusive)), one.amount_of(max(one.quantity or 1, 1)))
        for one in terms
    ]
    got, expected = min(limits, key=lambda pair: pair[0] - pair[1])
    measure = _Measure(got, expected, payment.currency or "")
    words = f"{measure.paid} were paid for a period; its subscription says {measure.due}."
    return measure.fit("amount", words, got <= expected)


def _price(charge: Charge) -> Fit | None:
    """A subscription begins with the price of its product."""
    payment = charge.payment
    if payment.subscription_id is None or payment.charge_type != "new":
        return None
    found = [
        _begun(terms, price)
        for terms in _terms(charge)
        for product_id in terms.product_ids
        for price in _prices(charge, product_id)
    ]
    return next((one for one in found if one.fits), next(iter(found), None))


def _begun(terms: Period, price: Period) -> Fit:
    _check_measures(terms, None)
    _check_measures(price, terms.currency)
    if terms.quantity != 1:
        raise _UnjudgedError("what several cost together is not told")
    if terms.trial_period_days != 0 or price.trial_period_days:
        raise _UnjudgedError("it may be the price of a trial")
    is_recurring = price.payment_frequency_interval is not None
    if not is_recurring or price.obstacle or terms.tax_inclusive != price.tax_inclusive:
        raise _UnjudgedError("its product is sold in another way than its subscription says")
    measure = _Measure(terms.amount_of(1), price.amount_of(1), terms.currency or "")
    words = (
        f"Its subscription began with {measure.paid}; the price of {price.id} was {measure.due}."
    )
    return measure.fit("price", words, measure.got == measure.expected)


def _cart(charge: Charge) -> Fit | None:
    """What is bought once costs the sum of the prices, with tax or before it as they are."""
    payment = charge.payment
    if payment.subscription_ids or payment.charge_type is not None or not payment.cart:
        return None
    lines = [_line(charge, one) for one in payment.cart]
    every = [price for prices, _ in lines for price in prices]
    if len({price.tax_inclusive for price in every}) > 1:
        raise _UnjudgedError("some prices are with tax, and others without")
    nets = _nets(payment, every[0].tax_inclusive)
    sums = {_sum_at(lines, moment) for moment in {price.valid_from for price in every}}
    pairs = [(net, sum_) for net in nets for sum_ in sums]
    got, expected = min(pairs, key=lambda pair: abs(pair[0] - pair[1]))
    is_least = any(price.obstacle == PAY_WHAT_YOU_WANT for price in every)
    fits = got == expected or (is_least and max(nets) >= min(sums))
    measure = _Measure(got, expected, payment.currency or "")
    named, least = ", ".join(sorted({price.id for price in every})), " at least" * is_least
    words = f"{measure.paid} were paid for {named}; the price was {measure.due}{least}."
    return measure.fit("cart", words, fits)


def _line(charge: Charge, line: CartItem) -> _Line:
    prices = _prices(charge, line.product_id)
    if line.quantity is None or line.quantity < 1:
        raise _UnjudgedError("how many were bought is not told")
    for price in prices:
        _check_measures(price, charge.payment.currency)
        if price.payment_frequency_interval is not None:
            raise _UnjudgedError(f"{price.id} is not sold once")
    return _Line(prices, line.quantity)


_RULES: Final = (_currency, _amount, _price, _cart)
"""Of several that a payment does not fit, the first is told."""


class _Line(NamedTuple):
    prices: Sequence[Period]
    quantity: int


class _Measure(NamedTuple):
    got: int
    expected: int
    currency: str

    @property
    def paid(self) -> str:
        return f"{decimal_text(self.got, self.currency)} {self.currency}"

    @property
    def due(self) -> str:
        return f"{decimal_text(self.expected, self.currency)} {self.currency}"

    def fit(self, rule: Rule, reason: str, fits: bool) -> Fit:
        return Fit(fits=fits, rule=rule, reason=reason, **self._asdict())


def _terms(charge: Charge) -> list[Period]:
    """Return what the subscription said around the time of the payment."""
    began_at = charge.payment.created_at
    return _held(charge.terms, _off(began_at, -TERMS_WITHIN), _off(began_at, TERMS_WITHIN))


def _off(at: datetime, by: timedelta) -> datetime:
    try:
        return at + by
    except OverflowError:  # what is said to have been made in the year 1, or in 9999
        return at


def _held(periods: Sequence[Period], since: datetime, until: datetime) -> list[Period]:
    """Return what held at any time of a span."""
    return [
        one
        for one in periods
        if one.valid_from <= until and (one.valid_to is None or one.valid_to > since)
    ]


def _prices(charge: Charge, product_id: str | None) -> list[Period]:
    """Return the prices of a product that could be paid at the time of the payment.

    That is the one of then, those with which a checkout may still be open, and the next: when
    between two looks it began to hold is not known.

    Raises:
        _UnjudgedError: none was known by then.
    """
    prices, at = charge.prices.get(product_id or "", ()), charge.payment.created_at
    if not any(one.valid_from <= at for one in prices):
        raise _UnjudgedError(f"no price of {product_id or 'its product'} was known by then")
    later = next((one.valid_from for one in prices if one.valid_from > at), at)
    return _held(prices, _off(at, -CHECKOUT_OPEN), later)


def _sum_at(lines: Iterable[_Line], moment: datetime) -> int:
    return sum(_at(prices, moment).amount_of(quantity) for prices, quantity in lines)


def _at(prices: Sequence[Period], moment: datetime) -> Period:
    begun = [one for one in prices if one.valid_from <= moment]
    return begun[-1] if begun else prices[0]


def _check_measures(one: Period, currency: str | None) -> None:
    """Check that amounts can be measured by a period; in any currency, if it is None.

    Raises:
        _UnjudgedError: they cannot.
    """
    if one.obstacle is not None and one.obstacle in OBSTACLES:
        raise _UnjudgedError(OBSTACLES[one.obstacle])
    if one.amount is None or one.currency is None:
        raise _UnjudgedError(OBSTACLES["untold"])
    if currency is not None and currency != one.currency:
        raise _UnjudgedError(f"the price is in {one.currency}, and it is paid in {currency}")


def _nets(payment: PaymentEntity, tax_inclusive: bool | None) -> tuple[int, ...]:
    """Return what counts of a payment; both, where it is not known whether tax is in a price."""
    total = payment.total_amount or 0
    before_tax = total - (payment.tax or 0)
    return {True: (total,), False: (before_tax,), None: (before_tax, total)}[tax_inclusive]
