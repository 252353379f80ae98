"""What the simulated merchant sells, and in which currencies."""

from __future__ import annotations

from msgspec import Struct


class Currency(Struct, frozen=True):
    """A currency, where its customers live, and the merchant's own price list in it.

    `minor_per_cent` is the price in the currency's smallest unit for each US cent, and
    `tax_percent` what is charged on top.
    """

    code: str
    country: str
    city: str
    minor_per_cent: float
    tax_percent: int

    def amount_minor(self, price_cents: int) -> int:
        """A price of so many US cents in the smallest unit of this currency."""
        return round(price_cents * self.minor_per_cent)

    def cents(self, amount_minor: int) -> int:
        """An amount of this currency in US cents."""
        return round(amount_minor / self.minor_per_cent)


USD = Currency("USD", "US", "Springfield", 1.0, 0)
EUR = Currency("EUR", "DE", "Berlin", 0.95, 19)
INR = Currency("INR", "IN", "Pune", 80.0, 18)
JPY = Currency("JPY", "JP", "Osaka", 1.5, 10)
KWD = Currency("KWD", "KW", "Salmiya", 3.1, 0)

CURRENCIES = {USD: 45, EUR: 25, INR: 15, JPY: 9, KWD: 6}
"""The currencies and how common they are among the customers."""


class Plan(Struct, frozen=True):
    """A product that is billed again and again.

    `term_months` is how long the subscription lasts; after that it has expired.
    """

    product_id: str
    name: str
    price_cents: int
    interval: str = "Month"
    trial_days: int = 0
    term_months: int = 120
    licensed: bool = False
    credits: int = 0


class Good(Struct, frozen=True):
    """A product that is paid once."""

    product_id: str
    name: str
    price_cents: int
    licensed: bool


STARTER = Plan("pdt_starter_monthly", "Starter", 900)
PRO = Plan("pdt_pro_monthly", "Pro", 2900, trial_days=14)
TEAM = Plan("pdt_team_monthly", "Team", 9900, licensed=True)
API = Plan("pdt_api_monthly", "API", 4900, credits=1000)
COURSE = Plan("pdt_course_three_months", "Course of three months", 3900, term_months=3)
PRO_YEARLY = Plan(
    "pdt_pro_yearly", "Pro, yearly", 29000, interval="Year", trial_days=30, licensed=True
)

PLANS = {STARTER: 26, PRO: 30, TEAM: 14, API: 10, COURSE: 12, PRO_YEARLY: 8}
PLAN_BY_ID = {plan.product_id: plan for plan in PLANS}
MONTHLY = (STARTER, PRO, TEAM)
"""The plans between which customers change."""

GOODS = {
    Good("pdt_handbook", "Handbook", 1900, licensed=False): 50,
    Good("pdt_desktop_app", "Desktop app", 7900, licensed=True): 40,
    Good("pdt_icon_pack", "Icon pack", 500, licensed=False): 10,
}

RETIRED = Plan("pdt_starter_2024", "Starter of 2024", 700)
"""What is not on sale any more, and was never bought in the time that is simulated."""
