"""All of a customer in one answer: who it is, what there is of it, and what happened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec

from api.answers.named import NamedLicenseKey, NamedPayment, NamedSubscription
from api.http.operations import Operation
from api.http.questions import LIMIT_MAX
from api.resources.customers import CURSOR, GET_CUSTOMER, GET_CUSTOMER_TIMELINE, CustomerPage
from api.resources.objects import OBJECTS
from domain.aggregates.abandoned_checkout import AbandonedCheckoutEntity
from domain.aggregates.credit import CreditEntity
from domain.aggregates.dispute import DisputeEntity
from domain.aggregates.dunning import DunningEntity
from domain.aggregates.entitlement_grant import EntitlementGrantEntity
from domain.aggregates.refund import RefundEntity
from domain.customer import Customer
from domain.lateness import Lateness, Stretch, lateness
from domain.timeline import Entry
from projections.read_models import timeline
from projections.read_models.catalogue import LISTINGS

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide

OBJECTS_MAX: Final = 100
"""Of each kind; the counts in `customer` are of all."""
STRETCHES_MAX: Final = 100
"""Of what was recorded afterwards, the newest are told."""
ARRIVALS_MAX: Final = 20_000
"""So many facts of a customer, the last to be recorded, are looked at for what came late."""


_OWNED: Final = tuple(
    resource
    for resource, listing in LISTINGS.items()
    if any(filter_.name == "customer_id" for filter_ in listing.filters)
)
"""The lists of what a customer may have."""


class LifecycleEntry(Entry, frozen=True, gc=False):
    """A fact of a customer.

    `late_s` is set where it was recorded over 60 s after it occurred and no stretch tells of it:
    it came alone, or others that had been recorded before lie between it and what came with it.
    """

    late_s: int | None


class Lifecycle(msgspec.Struct):
    """What a customer has, and a page of what happened to it in the order it occurred.

    The objects stand newest first, at most 100 of each kind. `stretches` tells of what was recorded
    afterwards and together, in order of recording, the last 100. Each part is read by itself: what
    is recorded meanwhile may show in one and not in another.
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
    objects = {resource: await _newest(read_side, resource, query) for resource in _OWNED}
    late = await _lateness(read_side, query)
    page = await GET_CUSTOMER_TIMELINE.handle(read_side, query)
    entries = page.items
    while page.next is not None and len(entries) < items_max:
        further = msgspec.structs.replace(query, cursor=CURSOR.read(page.next))
        page = await GET_CUSTOMER_TIMELINE.handle(read_side, further)
        entries += page.items
    return Lifecycle(
        customer,
        **objects,
        stretches=late.stretches[-STRETCHES_MAX:],
        items=[
            LifecycleEntry(
                **msgspec.structs.asdict(entry), late_s=late.late_s.get(int(entry.position))
            )
            for entry in entries
        ],
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


async def _lateness(read_side: ReadSide, query: CustomerPage) -> Lateness:
    statement = timeline.arrivals(
        query.id, as_of=query.as_of, limit=ARRIVALS_MAX, business_id=read_side.business_id
    )
    rows = await read_side.snapshots.rows(
        statement, await read_side.snapshots.position(query.known_at)
    )
    # Looking at many takes its time, in which the server takes webhooks.
    return await asyncio.to_thread(lateness, [timeline.read_arrival(row) for row in rows])


GET_CUSTOMER_LIFECYCLE: Final = Operation["ReadSide", CustomerPage, Lifecycle](
    path="/v1/customers/{id:path}/lifecycle",
    name="get_customer_lifecycle",
    summary="Get all of a customer: counts and totals, the objects, and what happened to them.",
    handle=lifecycle,
    takes=CustomerPage,
    answers=Lifecycle,
    may_fail=GET_CUSTOMER.may_fail,
)
