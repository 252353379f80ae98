"""The ledger of one customer's credits of one sort, entry by entry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

from api.http.cursors import Cursor
from api.http.errors import never_seen
from api.http.operations import Operation
from api.http.pagination import Item, Page, page
from api.http.questions import PastPage, narrowed
from api.queries.time_travel import aggregates_then, then_of
from api.resources.object_query import id_of
from domain.credits.entry import CreditEntry
from projections.read_models import timeline
from projections.read_models.credit_accounts import (
    CREDITS,
    LISTING,
    LedgerKey,
    entries,
    entries_then,
    read_entry,
)

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide
    from postgres.statement import Row

_KIND: Final = LISTING.kind
_CURSOR: Final = Cursor("credit entries", LedgerKey)


class LedgerQuery(PastPage[LedgerKey], frozen=True, kw_only=True):
    """Asks for a page of a ledger."""

    id: str


async def _ledger(read_side: ReadSide, query: LedgerQuery) -> Page[CreditEntry]:
    if query.asks_past:
        return await _ledger_then(read_side, query)
    bound_to = read_side.business_id
    statement = entries(query.id, after=query.cursor, limit=query.limit + 1, business_id=bound_to)
    rows = await read_side.database.rows(statement)
    # An account of which there are but warnings has no entries.
    if not rows and await read_side.database.row(LISTING.by_id(query.id, bound_to)) is None:
        raise never_seen(_KIND)
    return page(rows, query.limit, _read, _CURSOR)


async def _ledger_then(read_side: ReadSide, query: LedgerQuery) -> Page[CreditEntry]:
    then = await then_of(read_side, query)
    things = timeline.things_of(_KIND, query.id, business_id=read_side.business_id)
    were = await aggregates_then(read_side, await read_side.database.rows(things), then)
    if not were:
        raise never_seen(_KIND)
    (was,) = were
    told = await asyncio.to_thread(entries_then, was, query.cursor)
    items = told[: query.limit]
    following = _CURSOR.write(items[-1][0]) if len(told) > query.limit else None
    return Page([entry for _, entry in items], following)


def _read(row: Row) -> Item[LedgerKey, CreditEntry]:
    return Item(*read_entry(row))


LIST_CREDIT_ENTRIES: Final = Operation["ReadSide", LedgerQuery, Page[CreditEntry]](
    path=f"/v1/{CREDITS.table}/{{id:path}}/entries",
    name="list_credit_entries",
    summary="List the entries of the ledger of one credit, in the order in which they were made.",
    handle=_ledger,
    takes=narrowed(
        LedgerQuery,
        "list_credit_entries",
        id=id_of(_KIND),
        cursor=Annotated[LedgerKey | None, _CURSOR.meta],
    ),
    answers=Page[CreditEntry],
    may_fail={404: "There has been no such credit."},
)
