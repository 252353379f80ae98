"""One customer's life: who they are, and the chance that decides what happens to them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import TypeAlias, TypeVar

from msgspec import UNSET

from simulator.bodies import Address, Body, Customer
from simulator.catalogue import CURRENCIES, INR, USD

Happening: TypeAlias = tuple[str, datetime, Body]
"""A type of webhook, when it happened, and the object, whose state is read at once."""

Story: TypeAlias = Iterator[Happening]
"""What happens, in order of time; whoever listens stops when it comes to the present."""

Episode: TypeAlias = Generator[Happening, None, datetime]
"""A part of a story, which returns when it ended."""

T = TypeVar("T")
B = TypeVar("B", bound=Body)


class Life:
    """A customer, their ids, currencies and luck.

    `priced_in` is the currency of their subscriptions, `charged_in` that of their payments: they
    differ at times. `asides` are stories that go on beside the main one, such as a dispute.
    """

    def __init__(self, seed: str, number: int, business_id: str) -> None:
        self.rng = Random(f"{seed}/{business_id}/{number}")
        self.business_id = business_id
        self.brand_id = f"brd_{business_id.removeprefix('bus_')}"
        self.asides: list[Story] = []
        self.charged_in = self.pick(CURRENCIES)
        self.priced_in = USD if self.charged_in is INR and self.chance(0.5) else self.charged_in
        self.customer = self._customer(number)
        self.billing = Address(
            country=self.charged_in.country,
            state=self.charged_in.city,
            city=self.charged_in.city,
            street=f"{number} Example Street",
            zipcode="12345",
        )
        self.card_last_four = f"{self.rng.randrange(10_000):04d}"

    def _customer(self, number: int) -> Customer:
        return Customer(
            customer_id=self.new_id("cus"),
            name=UNSET if self.chance(0.03) else f"Customer {number}",
            email=f"customer{number}@example.com",
            phone_number=UNSET if self.chance(0.1) else None,
            metadata=UNSET if self.chance(0.5) else {},
        )

    def new_id(self, prefix: str) -> str:
        """A new opaque id, such as `pay_…`."""
        return f"{prefix}_{self.rng.getrandbits(96):024x}"

    def chance(self, probability: float) -> bool:
        """Whether something happens that happens with this probability."""
        return self.rng.random() < probability

    def pick(self, odds: Mapping[T, float]) -> T:
        """One of the keys, with the odds that are their values."""
        return self.rng.choices(tuple(odds), tuple(odds.values()))[0]

    def after(self, at: datetime, shortest_s: float, longest_s: float) -> datetime:
        """A moment at least `shortest_s` and at most `longest_s` seconds after `at`."""
        return at + timedelta(seconds=self.rng.uniform(shortest_s, longest_s))

    def days_after(self, at: datetime, fewest: float, most: float) -> datetime:
        """A moment at least `fewest` and at most `most` days after `at`."""
        return at + timedelta(days=self.rng.uniform(fewest, most))

    def as_released(self, body: B) -> B:
        """The same body; at times without some keys, as from another of Dodo's releases."""
        if body.MAY_BE_MISSING and self.chance(0.12):
            for key in self.rng.sample(body.MAY_BE_MISSING, self.rng.randint(1, 3)):
                setattr(body, key, UNSET)
        return body
