"""A customer: who it is, access now with its reason, and all that it has on one axis of time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from msgspec import Meta

from api.answers.named import NamedEntry
from api.http.errors import ApiError, InvalidParameterError
from api.http.pagination import Page as Answered
from api.http.parameters import Text
from api.http.questions import Query
from api.resources.customers import GET_CUSTOMER_TIMELINE
from api.resources.erasures import ERASE, LIST_ERASURES, ErasureQuery
from api.resources.evidence import GET_EVIDENCE
from api.resources.lifecycle import GET_CUSTOMER_LIFECYCLE
from api.resources.state import GET_CUSTOMER_STATE
from console.drawing.lifelines import lifelines
from console.page import Action, Page, Redirect, View
from console.pages.history import ENTRIES_MAX, Walk, history, of_newest
from console.pages.object import OfObject
from console.rendering.words import path_of
from console.visit import Visit
from ledger.erasure import REASON_CHARS_MAX, REQUESTED_BY_CHARS_MAX
from projections.read_models.catalogue import LISTINGS

if TYPE_CHECKING:
    from api.answers.state import State
    from api.http.responses import Stream
    from domain.customer import Customer

_COUNTED: Final = (
    "subscriptions",
    "payments",
    "refunds",
    "disputes",
    "license_keys",
    "entitlement_grants",
    "credits",
    "dunnings",
    "abandoned_checkouts",
)
"""The lists of what a customer has, as its counts are named."""
ERASURES_MAX: Final = 5


class OfCustomer(Query, frozen=True, kw_only=True):
    """Asks for something of one customer."""

    id: Annotated[Text, Meta(description="Dodo's id of the customer.")]


class Erasing(ErasureQuery, frozen=True, kw_only=True):
    """The form by which a customer's personal data are erased."""

    confirmed: Annotated[Text | None, Meta(description="The customer's id, once more.")] = None


class Count(NamedTuple):
    """How many there are of a kind, which a list of the customer's has."""

    resource: str
    kind: str
    things: int


async def _customer(visit: Visit, query: OfObject) -> View:
    life, state, elsewhere, erasures = await asyncio.gather(
        visit.ask(GET_CUSTOMER_LIFECYCLE, id=query.id, order="desc", limit=ENTRIES_MAX),
        _state(visit, query.id),
        _history(visit, query),
        visit.ask(LIST_ERASURES, customer_id=query.id, limit=ERASURES_MAX),
    )
    timeline, walk = elsewhere or of_newest(Answered([*life.items], life.next))
    customer = life.customer
    data = {
        "id": query.id,
        "customer": customer,
        "counts": _counts(customer),
        "state": state,
        "claims": [claim for one in state.customers for claim in one.claims] if state else [],
        "lifelines": lifelines(life, at=visit.at, is_past=visit.is_past),
        "timeline": timeline,
        "walk": walk,
        "erasures": erasures.items,
        "may_download": "personal" in visit.caller.may,
        "may_erase": "admin" in visit.caller.may,
    }
    return View("customer.html", f"Customer {query.id}", data)


async def _history(visit: Visit, query: OfObject) -> tuple[Answered[NamedEntry], Walk] | None:
    """Return a part of the timeline and the walk; None for what the lifecycle has: the newest."""
    if visit.time.as_of is None and query.cursor is None:
        return None
    return await history(visit, GET_CUSTOMER_TIMELINE, query.id, query.cursor)


def _counts(customer: Customer) -> list[Count]:
    counted = ((name, LISTINGS[name].kind, getattr(customer, name)) for name in _COUNTED)
    return [Count(*one) for one in counted if one[-1]]


async def _state(visit: Visit, customer_id: str) -> State | None:
    """Return the state of a customer; None where nothing that counts was there yet."""
    try:
        return await visit.ask(GET_CUSTOMER_STATE, id=customer_id)
    except ApiError as error:
        if error.status == 404:
            return None
        raise


async def _evidence(visit: Visit, query: OfCustomer) -> Stream:
    return await visit.ask(GET_EVIDENCE, id=query.id)


async def _asked_to_erase(_visit: Visit, query: OfCustomer) -> View:
    data = {
        "id": query.id,
        "reason_chars_max": REASON_CHARS_MAX,
        "requested_by_chars_max": REQUESTED_BY_CHARS_MAX,
    }
    return View("erasure.html", f"Erase {query.id}", data)


async def _erase(visit: Visit, form: Erasing) -> Redirect:
    if form.confirmed != form.id:
        told = "must be the customer's id, just as it stands here: this cannot be undone"
        raise InvalidParameterError("confirmed", told)
    if form.reason is None:
        raise InvalidParameterError("reason", "must say why: it is kept with the erasure")
    given = form.given("reason", "requested_by", "business_id")
    erased = await visit.ask(ERASE, id=form.id, **given)
    path = path_of("customer", form.id)
    return Redirect(visit.link(path, min_position=erased.position))


CUSTOMER: Final = Page(path="/customers/{id:path}", takes=OfObject, handle=_customer)
EVIDENCE: Final = Page(
    path="/customers/{id:path}/evidence", takes=OfCustomer, handle=_evidence, scope="personal"
)
ERASURE: Final = Page(
    path="/customers/{id:path}/erase", takes=OfCustomer, handle=_asked_to_erase, scope="admin"
)
ERASING: Final = Action(
    path="/customers/{id:path}/erase", takes=Erasing, handle=_erase, form=ERASURE
)
