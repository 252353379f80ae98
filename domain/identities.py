"""Who each thing says its customer is, and from when until when it said the same."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from domain.aggregates.catalogue import RANK_OF_NOTICES
from domain.aggregates.customer import CUSTOMER
from domain.aggregates.notice import Notice
from domain.aggregates.routing import NOTICE
from domain.field_readers import metadata
from domain.payload import Customer, Metadata, links_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from domain.aggregate import Aggregate
    from domain.payload import Payload
    from domain.timeline import Fact, Folded

EXTERNAL_ID_KEYS: Final = (
    "userId",
    "user_id",
    "clerk_user_id",
    "clerkUserId",
    "supabase_user_id",
    "firebase_uid",
    "external_id",
    "externalId",
    "referenceId",
    "organizationId",
    "organization_id",
)
"""The keys of metadata that merchants most use for their own ids (docs/customers.md tells why)."""
EMAIL_CHARS_MAX: Final = 320
"""A longer address is nobody's (RFC 3696, erratum 1690), and would not fit into an index."""


class Identity(msgspec.Struct, frozen=True, gc=False):
    """A span of occurrence time in which one thing said the same of its customer.

    It begins with a fact at `valid_from` and holds up to, but not at, `valid_to`; None is until
    now. `occurred_at`, `rank` and `webhook_id` are the newest fact in it that said so, in the
    order of the timeline. Facts of one instant may say different things: each has its span, empty
    but for the last, and `ordinal` counts those with one `valid_from`.

    What the thing does not say is None, except that a customer once named stays named; `metadata`
    is the thing's own and `customer_metadata` its customer's. `email_folded` is the address without
    regard to case, None where none can be looked for. `first_position` is of the first event about
    the thing, whenever it occurred.
    """

    kind: str
    id: str
    business_id: str
    first_position: int
    valid_from: datetime
    ordinal: int
    valid_to: datetime | None
    occurred_at: datetime
    rank: int
    webhook_id: str
    customer_id: str | None
    email: str | None
    email_folded: str | None
    name: str | None
    phone_number: str | None
    customer_metadata: dict[str, str] | None
    metadata: dict[str, str]


def identities(aggregate: Aggregate) -> list[Identity]:
    """Return what each thing that the stream is about says of its customer, in order.

    A notice says something where its body names a customer. Where the aggregate goes on from a
    base, what was said last there comes first.
    """
    if isinstance(aggregate, Notice):
        return _of_notice(aggregate)
    stretches = aggregate.once(_stretches_of)
    return [
        identity
        for (kind, entity_id), folded in aggregate.folded().items()
        for identity in _spans(
            (kind, entity_id, aggregate.business_id, folded.first_position),
            stretches[kind, entity_id],
        )
    ]


def said_up_to(aggregate: Aggregate) -> SaidBefore:
    """Return what is carried of a stream that is about one thing."""
    (stretches,) = aggregate.once(_stretches_of).values()
    return SaidBefore(stretches[-1])


def _stretches_of(aggregate: Aggregate) -> dict[tuple[str, str], list[Stretch]]:
    before = aggregate.carried(SaidBefore)
    return {
        (kind, entity_id): list(
            _stretches(folded, _OF_CUSTOMER if kind == CUSTOMER.name else _OF_THING, before)
        )
        for (kind, entity_id), folded in aggregate.folded().items()
    }


def folded_email(email: str | None) -> str | None:
    """Return an address as it is compared: two that differ in case alone are one.

    By Unicode's full case folding, so that `ß` is `ss`. None where it is no address to look for.
    """
    folded = email.casefold() if email else ""
    return folded if 0 < len(folded) <= EMAIL_CHARS_MAX else None


class _Said(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a body says of a customer: the fields of an identity from `customer_id` on."""

    customer_id: str | None
    email: str | None
    email_folded: str | None
    name: str | None
    phone_number: str | None
    customer_metadata: dict[str, str] | None
    metadata: dict[str, str]


_Named: TypeAlias = "tuple[Customer | None, str | None, Metadata | None]"
"""Whom a body names, as it stands there: its customer, its customer's id, the thing's metadata."""


class _Fact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a fact stands in the timeline."""

    occurred_at: datetime
    rank: int
    webhook_id: str


class Stretch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Facts, next to one another in the timeline, whose bodies say the same.

    So many before it begin at the same instant as `ordinal` says.
    """

    first: _Fact
    last: _Fact
    said: _Said
    ordinal: int


class SaidBefore(msgspec.Struct, frozen=True):
    """What a thing has said of its customer last."""

    stretch: Stretch


_NOTHING: Final = _Said(None, None, None, None, None, None, {})


def _of_notice(notice: Notice) -> list[Identity]:
    envelope = notice.envelope
    if envelope is None:
        return []
    said = _said(_of_thing(links_of(envelope.data)), None)
    if said.customer_id is None:
        return []
    first = notice.events[0]
    webhook_id = first.delivery.webhook_id
    fact = _Fact(envelope.timestamp, RANK_OF_NOTICES, webhook_id)
    named = NOTICE, webhook_id, envelope.business_id, first.position or 0
    return _spans(named, [Stretch(fact, fact, said, 0)])


_SAID_AT_THE_TOP: Final = ("email", "name", "phone_number")


_of_thing: Final[Callable[[Payload], _Named]] = attrgetter("customer", "customer_id", "metadata")


def _of_customer(payload: Payload) -> _Named:
    """Read what stands beside other things' own fields in their `customer`, and here at the top."""
    email, name, phone_number = (getattr(payload, field) for field in _SAID_AT_THE_TOP)
    own = Customer(payload.customer_id, email, name, phone_number, payload.metadata)
    return own, payload.customer_id, None


_OF_THING: Final = _of_thing, ("customer",)
_OF_CUSTOMER: Final = _of_customer, (*_SAID_AT_THE_TOP, "metadata")
"""How whom a body names is read, and in which fields of `data` it stands.

Whoever says one of these fields says all of them: Dodo's API leaves none of them out.
"""


def _stretches(
    folded: Folded,
    reading: tuple[Callable[[Payload], _Named], tuple[str, ...]],
    before: SaidBefore | None,
) -> Iterator[Stretch]:
    named_in, fields = reading
    first: _Fact | Fact = folded.facts[0]
    last = first
    said: _Said | None = None
    told: _Named | None = None
    ordinal = 0
    if folded.before and before:
        stretch = before.stretch
        first, last, said, ordinal = stretch.first, stretch.last, stretch.said, stretch.ordinal
        told = named_in(folded.before.payload)
    observations = iter(folded.observations)
    for fact in folded.facts:
        for observation in islice(observations, len(fact.observations)):
            # Facts that say the same, as most do, cost no more than this comparison.
            known, told = told, named_in(observation.payload)
            if told != known or said is None:
                now = _said(told, said.customer_id if said else None)
                if said is not None and now != said:
                    yield Stretch(_fact(first), _fact(last), said, ordinal)
                    ordinal = ordinal + 1 if fact.occurred_at == first.occurred_at else 0
                    first = fact
                said = now
            # What a look leaves open is as old as it was; what is outdated says nothing.
            if observation.tells(*fields):
                last = fact
    if said is not None:
        yield Stretch(_fact(first), _fact(last), said, ordinal)


def _fact(fact: _Fact | Fact) -> _Fact:
    return _Fact(fact.occurred_at, fact.rank, fact.webhook_id)


def _said(told: _Named, customer_id: str | None) -> _Said:
    named, customer_id_beside, own_metadata = told
    customer = named or Customer()
    email, own = customer.email, customer.metadata
    return _Said(
        customer.customer_id or customer_id_beside or customer_id,
        email,
        folded_email(email),
        customer.name,
        customer.phone_number,
        None if own is None else metadata(own),
        metadata(own_metadata),
    )


def _spans(named: tuple[str, str, str, int], stretches: Sequence[Stretch]) -> list[Identity]:
    make: Callable[..., Identity] = Identity
    ends = [*(stretch.first.occurred_at for stretch in stretches[1:]), None]
    return [
        make(
            *named, one.first.occurred_at, one.ordinal, end, *_VALUES(one.last), *_VALUES(one.said)
        )
        for one, end in zip(stretches, ends, strict=True)
        if one.said != _NOTHING
    ]


_VALUES: Final = msgspec.structs.astuple
