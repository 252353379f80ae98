"""The lists that figures lead to, and of what was found: rows that are no objects of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.resources.reconciliations import LIST_FINDINGS, LIST_RECONCILIATIONS
from api.resources.revenue import LIST_EARNING, LIST_MOVEMENTS
from api.resources.revenue_net import LIST_TAKINGS
from api.resources.revenue_trials import LIST_TRIALS
from console.page import Menu, Page, View
from console.rendering.cells import Cell, cells_of
from console.rendering.forms import filters_of

if TYPE_CHECKING:
    from api.http.operations import Operation
    from api.http.pagination import Page as Answered
    from api.http.questions import Query
    from api.services import Services
    from console.visit import Visit

    ListOperation = Operation[Services, Any, Answered[Any]]


def _page(
    operation: ListOperation,
    title: str,
    columns: tuple[str, ...],
    empty: str,
    menu: Menu | None = None,
) -> Page[Any]:
    """Return the page of a list, which takes what its operation takes."""

    async def handle(visit: Visit, query: Query) -> View:
        answer = await visit.ask_by(operation, query)
        data = {
            **filters_of(operation, visit),
            "heads": [Cell(name, "head") for name in columns],
            "rows": [cells_of(item, columns) for item in answer.items],
            "next": answer.next,
            "empty_text": empty,
            "summary": operation.summary,
        }
        return View("listed.html", title, data)

    return Page(
        path=operation.path.removeprefix("/v1"),
        takes=operation.takes,
        handle=handle,
        menu=menu,
        scope=operation.scope,
        of_all=operation.of_all,
    )


LISTED: Final[tuple[Page[Any], ...]] = (
    _page(
        LIST_MOVEMENTS,
        "Movements of MRR",
        ("at", "kind", "amount", "customer_id", "product_id", "subscription_ids"),
        "Nothing moved MRR on these days. Without days, those of today are listed.",
    ),
    _page(
        LIST_EARNING,
        "What MRR stands on",
        ("subscription_id", "customer_id", "product_id", "mrr", "arr", "uncounted", "since"),
        "No subscription earned anything then.",
    ),
    _page(
        LIST_TRIALS,
        "Trials",
        (
            "subscription_id",
            "customer_id",
            "product_id",
            "currency",
            "outcome",
            "started_at",
            "ended_at",
        ),
        "No trial began on these days. Without days, those of today are listed.",
    ),
    _page(
        LIST_TAKINGS,
        "What net revenue is made of",
        (
            "at",
            "kind",
            "id",
            "payment_id",
            "customer_id",
            "amount",
            "gross",
            "net",
            "recovered",
        ),
        "Nothing was taken or given back on these days. Without days, those of today are listed.",
    ),
    _page(
        LIST_RECONCILIATIONS,
        "Reconciliations",
        ("began_at", "ended_at", "mode", "days", "outcomes", "problem", "advice"),
        "Dodo has not been asked yet. Set DODO_PAYMENTS_API_KEY, and the server asks by itself.",
        Menu("Log", "Reconciliations"),
    ),
    _page(
        LIST_FINDINGS,
        "Found by reconciliation",
        (
            "since",
            "outcome",
            "kind",
            "object_id",
            "customer_id",
            "types",
            "status_here",
            "status_at_dodo",
            "amount",
            "fields",
            "may_still_come",
        ),
        "Nothing was found that was not known here.",
        Menu("Log", "Findings"),
    ),
)
"""The page of each."""
