"""Who is meant by an id of the merchant's, an e-mail address or Dodo's id, and what says so."""

from __future__ import annotations

import msgspec

from domain.customer import SaidBy


class Claim(msgspec.Struct, frozen=True):
    """What says that a customer is meant: an object or a notice, and the newest webhook of it.

    `key` is where it stands in the body's `data`: `metadata.user_id`, `customer.metadata.user_id`,
    `customer.email` or `customer_id`.
    """

    kind: str
    id: str
    key: str
    webhook_id: str


class Person(msgspec.Struct, frozen=True):
    """A customer who is, or claims to be, who is asked about, and what says so.

    Buyers can write what claims rest on. Where several customers claim one id, each is a person
    of his own, and none of them takes anything from another.
    """

    business_id: str
    customer_id: str
    claims: list[Claim]


class Identified(Person, frozen=True):
    """One with what the newest facts say of him, and those facts, by the field's name."""

    email: str | None
    name: str | None
    phone_number: str | None
    metadata: dict[str, str]
    sources: dict[str, SaidBy]
