"""Customers: a view over the read models of what belongs to each, and its sums of the past."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import msgspec
from psycopg.types.json import Jsonb

from domain.aggregates.dispute import OPEN
from domain.aggregates.routing import NOTICE
from domain.aggregates.subscription import counts_as_active
from domain.customer import Customer, SaidBy, Totals
from postgres.statement import Statement
from projections.bound import of_business
from projections.read_models.claims import claims
from projections.read_models.identities import NOW, THEN
from projections.read_models.periods import OBJECTS_OF_MANY_THEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from projections.read_models.claims import Asked
    from projections.read_models.identities import Said


_BY_ID: Final = (
    f"SELECT {', '.join(Customer.__struct_fields__)} FROM customers"  # noqa: S608 -- names
    " AS c WHERE customer_id = %(customer_id)s"
)
_BY_IDS: Final = (
    f"SELECT {', '.join(Customer.__struct_fields__)} FROM"  # noqa: S608 -- names
    " jsonb_array_elements_text(%(customer_ids)s) AS asked CROSS JOIN LATERAL"
    " (SELECT * FROM customers WHERE customer_id = asked OFFSET 0) AS found"
)
# At one moment a thing says one thing, so the place of its first event tells all rows apart.
_PAGE: Final = """
    SELECT i.first_position, i.business_id, i.customer_id FROM {source}
    WHERE i.customer_id IS NOT NULL AND {holds} AND NOT EXISTS (
        SELECT FROM identities AS e
        WHERE e.customer_id = i.customer_id AND e.business_id = i.business_id
        AND e.first_position < i.first_position AND {earlier_holds}
    )
    AND (%(business_id)s::text IS NULL OR i.business_id = %(business_id)s)
    AND (%(before)s::bigint IS NULL OR i.first_position < %(before)s)
    ORDER BY i.first_position DESC LIMIT %(limit)s
"""
_OBJECTS: Final = """
    SELECT o.business_id, o.owner_id, o.kind, o.status, o.created_at, facts.last_seen_at,
        facts.refused, coalesce(o.currency, o.payment_currency), o.amount, o.past_due_ends_at
    FROM objects AS o CROSS JOIN LATERAL (
        SELECT max(t.occurred_at) AS last_seen_at,
            count(*) FILTER (WHERE t.verdict IN ('refused', 'anomaly')) AS refused
        FROM timeline AS t WHERE t.stream_id = o.stream_id AND t.kind = o.kind AND t.id = o.id
        AND t.occurred_at <= %(as_of)s
    ) AS facts
"""
_OF_CLAIM: Final = "SELECT business_id, customer_id FROM ({}) AS c"
# Few claim what is asked by, whatever the planner thinks: it is to begin with them.
_OF_CLAIMANTS: Final = """
    (SELECT DISTINCT business_id, customer_id FROM ({}) AS claimed) AS a CROSS JOIN LATERAL (
        SELECT * FROM identities AS i
        WHERE i.customer_id = a.customer_id AND i.business_id = a.business_id OFFSET 0
    ) AS i
"""
_TOLD: Final = ("email", "name", "phone_number", "metadata")
"""The fields that are taken from what is said of a customer."""


class Place(NamedTuple):
    """Where a customer stands in the list: at the first event of all that names him."""

    first_position: int
    business_id: str
    customer_id: str


class _Object(NamedTuple):
    """A row of `objects_then`."""

    business_id: str
    customer_id: str
    kind: str
    status: str | None
    created_at: datetime
    last_seen_at: datetime
    refused: int
    currency: str | None
    amount: int | None
    past_due_ends_at: datetime | None


def by_id(customer_id: str, business_id: str | None = None) -> Statement:
    """Select the customer with an id: of this business, or of the first that has one."""
    sql = f"{_BY_ID}{of_business('c', business_id)} ORDER BY business_id LIMIT 1"
    return Statement(sql, {"customer_id": customer_id, "bound_to": business_id})


def by_ids(customer_ids: Sequence[str]) -> Statement:
    """Select the customers with these ids, of every tenant."""
    return Statement(_BY_IDS, {"customer_ids": Jsonb(list(customer_ids))})


def page(
    asked: Sequence[Asked],
    *,
    business_id: str | None,
    as_of: datetime | None,
    before: int | None,
    limit: int,
) -> Statement:
    """Select the places of customers who claim all that is asked by, after the cursor `before`."""
    moment = NOW if as_of is None else THEN
    params: dict[str, object] = {}
    among = []
    for one in asked:
        every = claims(one, as_of)
        own = {name: value for name, value in every.params.items() if value is not None}
        params = {**every.params, **params, **own}
        among.append(_OF_CLAIM.format(every.sql))
    source = _OF_CLAIMANTS.format(" INTERSECT ".join(among)) if among else "identities AS i"
    sql = _PAGE.format(
        source=source, holds=moment.holds, earlier_holds=moment.holds.replace("i.", "e.")
    )
    place = {"business_id": business_id, "as_of": as_of, "before": before, "limit": limit}
    return Statement(sql, {**params, **place})


def read_place(row: Sequence[Any]) -> Place:
    """Read a row of `page`."""
    return Place(*row)


def read(row: Sequence[object]) -> Customer:
    """Read a row of `by_id`; its times are in the connection's time zone."""
    return msgspec.convert(dict(zip(Customer.__struct_fields__, row, strict=True)), Customer)


def objects_then(customer_ids: Sequence[str], as_of: datetime) -> Statement:
    """Select what belonged to customers as of an instant, an object a row."""
    asked = {"customer_ids": list(customer_ids), "as_of": as_of}
    return Statement(OBJECTS_OF_MANY_THEN + _OBJECTS, asked)


def add_up(
    rows: Sequence[Sequence[Any]], said: Mapping[tuple[str, str], Sequence[Said]], as_of: datetime
) -> dict[tuple[str, str], Customer]:
    """Add up the rows of `objects_then` and what had been said by then, as the view does.

    The customers of all tenants are named by business and id, as in `said`. Of whom nothing was
    there that named him, there is none.
    """
    objects: dict[tuple[str, str], list[_Object]] = defaultdict(list)
    for thing in (_Object(*row) for row in rows):
        objects[thing.business_id, thing.customer_id].append(thing)
    there = {named for named, own in said.items() if any(one.kind == NOTICE for one in own)}
    return {
        named: _added_up(*named, objects.get(named, []), said.get(named, []), as_of)
        for named in sorted(there | set(objects))
    }


def _added_up(
    business_id: str,
    customer_id: str,
    objects: Sequence[_Object],
    said: Sequence[Said],
    as_of: datetime,
) -> Customer:
    seen = [(thing.created_at, thing.last_seen_at) for thing in objects] or [
        (one.valid_from, one.valid_from) for one in said if one.kind == NOTICE
    ]
    kinds = Counter(thing.kind for thing in objects)
    stands = Counter((thing.kind, thing.status) for thing in objects)
    return Customer(
        business_id=business_id,
        customer_id=customer_id,
        subscriptions=kinds["subscription"],
        active_subscriptions=sum(
            thing.kind == "subscription"
            and counts_as_active(thing.status, thing.past_due_ends_at, as_of)
            for thing in objects
        ),
        payments=kinds["payment"],
        succeeded_payments=stands["payment", "succeeded"],
        failed_payments=stands["payment", "failed"],
        refunds=kinds["refund"],
        disputes=kinds["dispute"],
        open_disputes=sum(stands["dispute", status] for status in OPEN),
        license_keys=kinds["license_key"],
        refused=sum(thing.refused for thing in objects),
        first_seen_at=min(first for first, _ in seen),
        last_seen_at=max(last for _, last in seen),
        totals=_totals(objects),
        **newest(said),
        entitlement_grants=kinds["entitlement_grant"],
        credits=kinds["credit"],
        dunnings=kinds["dunning"],
        abandoned_checkouts=kinds["abandoned_checkout"],
    )


class Saying(Protocol):
    """What a thing says of its customer, by the newest fact that says so."""

    @property
    def webhook_id(self) -> str:
        """The fact's."""

    @property
    def occurred_at(self) -> datetime:
        """The fact's."""


def newest(said: Sequence[Saying]) -> dict[str, Any]:
    """Take each field of who it is from the first that says it, of what counts most first."""
    told: dict[str, Any] = dict.fromkeys(_TOLD)
    sources: dict[str, SaidBy] = {}
    for name in _TOLD:
        for one in said:
            value = getattr(one, name)
            if value is not None:
                told[name], sources[name] = value, SaidBy(one.webhook_id, one.occurred_at)
                break
    return {**told, "metadata": told["metadata"] or {}, "sources": sources}


def _totals(objects: Iterable[_Object]) -> dict[str, Totals]:
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for thing in objects:
        moved = thing.kind in {"payment", "refund"} and thing.status == "succeeded"
        if moved and thing.currency is not None:
            sums[thing.currency][thing.kind] += thing.amount or 0
    return {
        currency: Totals(paid=sums[currency]["payment"], refunded=sums[currency]["refund"])
        for currency in sorted(sums)
    }
