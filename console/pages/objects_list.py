"""The lists: of every kind, newest first, with the filters that the API has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from api.resources.customers_list import LIST_CUSTOMERS
from api.resources.objects import OBJECTS
from console.page import Menu, Page, View
from console.rendering.cells import Cell, cells_of
from console.rendering.forms import filters_of
from domain.aggregates.catalogue import STREAMS, THROUGH_PAYMENT
from domain.entity import spoken
from projections.read_models.catalogue import LISTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.http.operations import Operation
    from api.http.pagination import Page as Answered
    from api.http.questions import Past
    from api.services import Services
    from console.visit import Visit

    ListOperation = Operation[Services, Any, Answered[Any]]

_OF_CUSTOMER: Final = ("status", "customer_id")
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "customers": (
        "email",
        "name",
        "subscriptions",
        "active_subscriptions",
        "payments",
        "open_disputes",
        "last_seen_at",
    ),
    "subscriptions": (
        *_OF_CUSTOMER,
        "product_id",
        "recurring_pre_tax_amount",
        "next_billing_date",
        "created_at",
    ),
    "payments": (*_OF_CUSTOMER, "product_ids", "total_amount", "subscription_id", "created_at"),
    "refunds": (*_OF_CUSTOMER, "payment_id", "amount", "reason", "created_at"),
    "disputes": (*_OF_CUSTOMER, "payment_id", "amount", "dispute_stage", "created_at"),
    "license_keys": (*_OF_CUSTOMER, "product_id", "expires_at", "created_at"),
    "entitlement_grants": (*_OF_CUSTOMER, "integration_type", "subscription_id", "created_at"),
    "credits": (*_OF_CUSTOMER, "credit_entitlement_name", "balance", "overage", "created_at"),
    "dunnings": (*_OF_CUSTOMER, "subscription_id", "payment_id", "created_at"),
    "abandoned_checkouts": (
        *_OF_CUSTOMER,
        "abandonment_reason",
        "recovered_payment_id",
        "abandoned_at",
    ),
    "payouts": ("status", "amount", "fee", "payment_method", "created_at"),
    "products": ("name", "status", "price", "price_type", "created_at"),
}
"""What a list shows of each thing, behind its id."""


class Row(NamedTuple):
    """A thing in a list: its id, its fields, and what is to be noted about it."""

    id: str
    cells: list[Cell]
    remarks: list[str]


def _list_page(resource: str, operation: ListOperation, id_field: str, group: str) -> Page[Any]:
    """Return the page of a list, which takes what its operation takes."""
    label = spoken(resource).capitalize()
    columns, listing = COLUMNS[resource], LISTINGS.get(resource)
    kind = listing.kind if listing else None

    async def handle(visit: Visit, query: Past) -> View:
        answer = await visit.ask_by(operation, query)
        rows = [_row(item, id_field, columns) for item in answer.items]
        data = {
            "resource": resource,
            **filters_of(operation, visit, states_of=kind),
            "heads": [Cell(name, "head") for name in (id_field, *columns)],
            "rows": rows,
            "next": answer.next,
            "moved_by": _moved_by(resource),
        }
        return View("objects_list.html", label, data)

    return Page(
        path=f"/{resource}",
        takes=operation.takes,
        handle=handle,
        menu=Menu(group, label),
    )


def _moved_by(resource: str) -> str:
    """Return the kinds of the streams that tell of what is listed; none where any may."""
    listing = LISTINGS.get(resource)
    if listing is None or listing.kind in THROUGH_PAYMENT:
        return ""
    return " ".join(
        stream
        for stream, aggregate in STREAMS.items()
        if any(kind.name == listing.kind for kind in aggregate.kinds)
    )


def _row(item: Any, id_field: str, columns: tuple[str, ...]) -> Row:  # noqa: ANN401 -- any object
    told = {
        "drift": getattr(item, "drift", None),
        "history": getattr(item, "history", "complete") != "complete",
        "refused": item.refused,
        "anomaly": getattr(item, "anomaly", None),
        "missing at Dodo": getattr(item, "missing_since", None),
    }
    remarks = [remark for remark, is_so in told.items() if is_so]
    return Row(getattr(item, id_field), cells_of(item, columns), remarks)


_GROUPS: Final = {
    "subscriptions": "Customers",
    "license_keys": "Access",
    "entitlement_grants": "Access",
    "credits": "Access",
    "products": "Catalogue",
}
LISTS: Final[tuple[Page[Any], ...]] = (
    _list_page("customers", LIST_CUSTOMERS, "customer_id", "Customers"),
    *(
        _list_page(
            resource,
            cast("ListOperation", objects.list),
            LISTINGS[resource].id_field,
            _GROUPS.get(resource, "Money"),
        )
        for resource, objects in OBJECTS.items()
    ),
)
"""The page of each list."""
