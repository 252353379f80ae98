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


def to_its_end(story: Story, at: datetime) -> Episode:
    """A story that begins at `at`, as an episode."""
    for type_, happened_at, body in story:
        yield type_, happened_at, body
        at = happened_at
    return at


CAMPAIGNS = ("launch", "newsletter", "affiliate")

T = TypeVar("T")
B = TypeVar("B", bound=Body)


class Life:
    """A customer, their ids, currencies and luck.

    `priced_in` is the currency of their subscriptions, `charged_in` that of their payments: they
    differ at times. `asides` are stories that go on beside the one that is told, such as a dispute.
    """

    def __init__(self, seed: str, name: str, business_id: str) -> None:
        self._seed = f"{seed}/{business_id}/{name}"
        self._takes_luck_of(self._seed)
        self.business_id = business_id
        self.brand_id = f"brd_{business_id.removeprefix('bus_')}"
        self.asides: list[Story] = []
        self.charged_in = self.pick(CURRENCIES)
        self.priced_in = USD if self.charged_in is INR and self.chance(0.5) else self.charged_in
        self.user_id = f"user_{self._notes.getrandbits(64):016x}"
        self.moves_at: datetime | None = None
        self.customer = self._customer(name)
        self.billing = Address(
            country=self.charged_in.country,
            state=self.charged_in.city,
            city=self.charged_in.city,
            street=f"{name} Example Street",
            zipcode="12345",
        )
        self.card_last_four = f"{self.rng.randrange(10_000):04d}"

    def begin(self, path: str) -> None:
        """Let the story at this path be told, by luck of its own.

        So it is the same story however far the others were told before it.
        """
        self._takes_luck_of(f"{self._seed}{path}")

    def _takes_luck_of(self, seed: str) -> None:
        self.rng = Random(seed)
        # What the merchant writes of a customer has luck of its own, so that stories stay theirs.
        self._notes = Random(f"{seed}/notes")

    def _customer(self, name: str) -> Customer:
        return Customer(
            customer_id=self.new_id("cus"),
            name=UNSET if self.chance(0.03) else f"Customer {name}",
            email=f"customer{name}@example.com",
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
