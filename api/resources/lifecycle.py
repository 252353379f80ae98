"""All of a customer in one answer: who it is, what there is of it, and what happened."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import msgspec

from api.answers.named import NamedEntry, NamedLicenseKey, NamedPayment, NamedSubscription
from api.http.operations import Operation
from api.http.questions import LIMIT_MAX
from api.queries.time_travel import rows_then
from api.resources.customers import CURSOR, GET_CUSTOMER, CustomerPage, customer_timeline
from api.resources.objects import OBJECTS
from domain.aggregates.abandoned_checkout import AbandonedCheckoutEntity
from domain.aggregates.credit import CreditEntity
from domain.aggregates.dispute import DisputeEntity
from domain.aggregates.dunning import DunningEntity
from domain.aggregates.entitlement_grant import EntitlementGrantEntity
from domain.aggregates.license_key import followed
from domain.aggregates.refund import RefundEntity
from domain.customer import Customer
from domain.lateness import Lateness, Stretch, lateness
from domain.periods import earlier
from projections.read_models import periods, timeline
from projections.read_models.catalogue import LISTINGS
from projections.read_models.periods import Lasting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from api.queries.read_side import ReadSide

OBJECTS_MAX: Final = 100
"""Of each kind; the counts in `customer` are of all."""
STRETCHES_MAX: Final = 100
"""Of what was recorded afterwards, the newest are told."""
PERIODS_MAX: Final = 1_000
"""The newest are told, of all that the customer has."""
NOTABLE_MAX: Final = 100
"""Of the facts that are of note, the last to occur are told."""
ARRIVALS_MAX: Final = 20_000
"""So many facts of a customer, the last to be recorded, are looked at for what came late."""


_OWNED: Final = tuple(
    resource
    for resource, listing in LISTINGS.items()
    if any(filter_.name == "customer_id" for filter_ in listing.filters)
)
"""The lists of what a customer may have."""


class LifecycleEntry(NamedEntry, frozen=True, gc=False):
    """A fact of a customer.

    `late_s` is set where it was recorded over 60 s after it occurred and no stretch tells of it:
    it came alone, or others that had been recorded before lie between it and what came with it.
    """

    late_s: int | None


class Lifecycle(msgspec.Struct):
    """What a customer has, and a page of what happened, in the order it occurred unless asked.

    The objects stand newest first, at most 100 of each kind. `stretches` tells of what was recorded
    afterwards and together, in order of recording, the last 100. `periods` tell from when until
    when each object was as it was, those of one object in order, the newest 1,000 of all; licence
    keys follow the grants that are told, as in the lists. `notable` are the facts of all pages that
    are no valid transitions, or gaps, or that came late by themselves: the last 100, in the order
    they occurred. Each part is read by itself: what is recorded meanwhile may show in one and not
    in another.
    """

    customer: Customer
    subscriptions: list[NamedSubscription]
    payments: list[NamedPayment]
    refunds: list[RefundEntity]
    disputes: list[DisputeEntity]
    license_keys: list[NamedLicenseKey]
    entitlement_grants: list[EntitlementGrantEntity]
    credits: list[CreditEntity]
    dunnings: list[DunningEntity]
    abandoned_checkouts: list[AbandonedCheckoutEntity]
    stretches: list[Stretch]
    periods: list[Lasting]
    notable: list[LifecycleEntry]
    items: list[LifecycleEntry]
    next: str | None


async def lifecycle(read_side: ReadSide, query: CustomerPage, items_max: int = 0) -> Lifecycle:
    """Read a customer's lifecycle, with the page of its timeline that is asked for.

    Further pages follow while there are any and fewer facts than `items_max`. `next` is null
    where nothing was left out.

    Raises:
        ApiError: 404; no such customer has been seen, or was there at that time. 503.
    """
    customer = await GET_CUSTOMER.handle(read_side, query)
    objects = {
        resource: await _newest(read_side, resource, query) if getattr(customer, resource) else []
        for resource in _OWNED
    }
    late, are_odd = await _lateness(read_side, query)
    page = await customer_timeline(read_side, query)
    entries = page.items
    while page.next is not None and len(entries) < items_max:
        further = msgspec.structs.replace(query, cursor=CURSOR.read(page.next))
        page = await customer_timeline(read_side, further)
        entries += page.items
    return Lifecycle(
        customer,
        **objects,
        stretches=late.stretches[-STRETCHES_MAX:],
        periods=following_grants(await _periods(read_side, query), objects["entitlement_grants"]),
        notable=_told(await _notable(read_side, query, late) if are_odd else [], late),
        items=_told(entries, late),
        next=page.next,
    )


async def whole_lifecycle(read_side: ReadSide, query: CustomerPage, items_max: int) -> Lifecycle:
    """Read a customer's lifecycle with its timeline to the end, or to `items_max` facts.

    Raises:
        ApiError: as for `lifecycle`.
    """
    return await lifecycle(read_side, msgspec.structs.replace(query, limit=LIMIT_MAX), items_max)


async def _newest(read_side: ReadSide, resource: str, query: CustomerPage) -> list[Any]:
    """Read the customer's newest objects of a kind, as of the time that is asked about."""
    objects = OBJECTS[resource].list
    asked: Any = objects.takes
    newest = asked(
        customer_id=query.id, limit=OBJECTS_MAX, as_of=query.as_of, known_at=query.known_at
    )
    return (await objects.handle(read_side, newest)).items


def following_grants(
    lasting: Sequence[Lasting], grants: Iterable[EntitlementGrantEntity]
) -> list[Lasting]:
    """Let the periods of licence keys follow those of the last grants that they came by."""
    # As projections/read_models/license_keys.py tells which is the last.
    grant_of = {
        grant.license_key_id: grant.id
        for grant in sorted(grants, key=lambda one: (one.created_at, one.id))
        if grant.license_key_id is not None
    }
    revoked: dict[str, list[Lasting]] = defaultdict(list)
    for one in lasting:
        if one.kind == "entitlement_grant" and one.status == "revoked":
            revoked[one.id].append(one)
    found: list[Lasting] = []
    for one in lasting:
        by = grant_of.get(one.id) if one.kind == "license_key" else None
        follows = by is not None and followed(one.status, "revoked") != one.status
        found += _parted(one, revoked[by]) if by is not None and follows else [one]
    return found


def _parted(key: Lasting, revoked: Iterable[Lasting]) -> Iterator[Lasting]:
    """Part a period of a licence key where its grant was revoked, and where it no longer was."""
    open_from: datetime | None = key.valid_from
    for one in revoked:
        begin, end = max(one.valid_from, key.valid_from), earlier(one.valid_to, key.valid_to)
        if open_from is None or (end is not None and end <= begin):
            continue
        if key.valid_to is not None and begin >= key.valid_to:
            break
        if begin > open_from:
            yield msgspec.structs.replace(key, valid_from=open_from, valid_to=begin)
        status = followed(key.status, one.status)
        yield msgspec.structs.replace(key, status=status, valid_from=begin, valid_to=end)
        open_from = end
    if open_from is not None and open_from != key.valid_to:
        yield msgspec.structs.replace(key, valid_from=open_from)


async def _periods(read_side: ReadSide, query: CustomerPage) -> list[Lasting]:
    """Read the newest periods; those of one object stand in order."""
    statement = periods.of_customer(
        query.id, as_of=query.as_of, limit=PERIODS_MAX, business_id=read_side.business_id
    )
    rows = await rows_then(read_side, query, statement)
    return [periods.read_lasting(row) for row in reversed(rows)]


async def _notable(read_side: ReadSide, query: CustomerPage, late: Lateness) -> list[NamedEntry]:
    statement = timeline.notable(
        query.id,
        late=[*late.late_s],
        as_of=query.as_of,
        limit=NOTABLE_MAX,
        business_id=read_side.business_id,
    )
    rows = await rows_then(read_side, query, statement)
    return await read_side.names.in_changes([timeline.read(row) for row in reversed(rows)])


def _told(entries: Iterable[NamedEntry], late: Lateness) -> list[LifecycleEntry]:
    return [
        LifecycleEntry(**msgspec.structs.asdict(entry), late_s=late.late_s.get(int(entry.position)))
        for entry in entries
    ]


async def _lateness(read_side: ReadSide, query: CustomerPage) -> tuple[Lateness, bool]:
    """Tell what came late, and whether anything may be of note: mostly nothing is."""
    statement = timeline.arrivals(
        query.id, as_of=query.as_of, limit=ARRIVALS_MAX, business_id=read_side.business_id
    )
    rows = await rows_then(read_side, query, statement)
    # Looking at many takes its time, in which the server takes webhooks.
    late = await asyncio.to_thread(lateness, [timeline.read_arrival(row) for row in rows])
    are_odd = len(rows) == ARRIVALS_MAX or any(timeline.is_odd(row) for row in rows)
    return late, are_odd or bool(late.late_s)


GET_CUSTOMER_LIFECYCLE: Final = Operation["ReadSide", CustomerPage, Lifecycle](
    path="/v1/customers/{id:path}/lifecycle",
    name="get_customer_lifecycle",
    summary="Get all of a customer: counts and totals, the objects, and what happened to them.",
    handle=lifecycle,
    takes=CustomerPage,
    answers=Lifecycle,
    may_fail=GET_CUSTOMER.may_fail,
)
