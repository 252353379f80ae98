"""Reconciliations: when Dodo was asked about what is known here, and what it said otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from msgspec import Meta

from api.http.cursors import Cursor
from api.http.operations import Operation
from api.http.pagination import Item, Page, page
from api.http.parameters import Text, one_of
from api.http.questions import Paged
from reconciliation import queries
from reconciliation.finding import TOLD
from reconciliation.queries import KeptFinding, KeptRun

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide
    from postgres.statement import Row

RUNS_CURSOR: Final = Cursor("reconciliations", int)
FINDINGS_CURSOR: Final = Cursor("findings", int)
Told = Annotated[
    Literal["lost", "unknown", "changed", "missing"], one_of([told.value for told in TOLD])
]


class RunsQuery(Paged[int], frozen=True, kw_only=True):
    """Asks for a page of reconciliations."""

    cursor: Annotated[int | None, RUNS_CURSOR.meta] = None


class FindingsQuery(Paged[int], frozen=True, kw_only=True):
    """Asks for a page of what reconciliations found."""

    outcome: Annotated[Told | None, Meta(description="Only with this outcome.")] = None
    kind: Annotated[Text | None, Meta(description="Only of this kind of object.")] = None
    object_id: Annotated[Text | None, Meta(description="Only of this object.")] = None
    customer_id: Annotated[Text | None, Meta(description="Only of this customer.")] = None
    business_id: Annotated[Text | None, Meta(description="Only of this business.")] = None
    cursor: Annotated[int | None, FINDINGS_CURSOR.meta] = None

    def filters(self) -> dict[str, object]:
        """Return what is asked by, under the names of the filters."""
        return self.given("outcome", "kind", "object_id", "customer_id", "business_id")


async def _runs(read_side: ReadSide, query: RunsQuery) -> Page[KeptRun]:
    statement = queries.runs(
        before=query.cursor, limit=query.limit + 1, business_id=read_side.business_id
    )
    return page(await read_side.database.rows(statement), query.limit, _read_run, RUNS_CURSOR)


async def _findings(read_side: ReadSide, query: FindingsQuery) -> Page[KeptFinding]:
    statement = queries.findings(
        query.filters(),
        before=query.cursor,
        limit=query.limit + 1,
        business_id=read_side.business_id,
    )
    rows = await read_side.database.rows(statement)
    return page(rows, query.limit, _read_finding, FINDINGS_CURSOR)


def _read_run(row: Row) -> Item[int, KeptRun]:
    return Item(int(str(row[0])), queries.read_run(row))


def _read_finding(row: Row) -> Item[int, KeptFinding]:
    return Item(int(str(row[0])), queries.read_finding(row))


LIST_RECONCILIATIONS: Final = Operation["ReadSide", RunsQuery, Page[KeptRun]](
    path="/v1/reconciliations",
    name="list_reconciliations",
    summary="List when Dodo was asked about what is known here, and what came of it, the last"
    " first.",
    handle=_runs,
    takes=RunsQuery,
    answers=Page[KeptRun],
)
LIST_FINDINGS: Final = Operation["ReadSide", FindingsQuery, Page[KeptFinding]](
    path="/v1/findings",
    name="list_findings",
    summary="List what reconciliations found that was not known here, the last first: webhooks that"
    " were lost, and what Dodo no longer has.",
    handle=_findings,
    takes=FindingsQuery,
    answers=Page[KeptFinding],
)
