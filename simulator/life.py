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

CAMPAIGNS = ("launch", "newsletter", "affiliate")

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
        # What the merchant writes of a customer has luck of its own, so that stories stay theirs.
        self._notes = Random(f"{seed}/{business_id}/{number}/notes")
        self.user_id = f"user_{self._notes.getrandbits(64):016x}"
        self.moves_at: datetime | None = None
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
            metadata=UNSET if self.chance(0.5) else self._own_metadata(),
        )

    def _own_metadata(self) -> dict[str, str]:
        return {"user_id": self.user_id} if self._notes.random() < 0.3 else {}

    def purchase_metadata(self) -> dict[str, str]:
        """What the merchant's checkout writes into a purchase; a payment link writes nothing."""
        if self._notes.random() < 0.1:
            return {}
        return {"user_id": self.user_id, "campaign": self._notes.choice(CAMPAIGNS)}

    def refund_metadata(self) -> dict[str, str]:
        """What the merchant's support writes into a refund."""
        return {"ticket": f"T-{self._notes.randrange(10**6)}"}

    def may_move(self, joined_at: datetime) -> None:
        """Let few customers have another e-mail address from some day on."""
        if self._notes.random() < 0.1:
            self.moves_at = joined_at + timedelta(days=self._notes.uniform(5, 200))

    def as_of(self, at: datetime) -> None:
        """Let the customer be who he is at a time, for the bodies that tell of it."""
        if self.moves_at is not None:
            domain = "example.org" if at >= self.moves_at else "example.com"
            self.customer.email = f"{self.customer.email.partition('@')[0]}@{domain}"

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
