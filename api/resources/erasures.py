"""Erasures: a customer's personal data taken out of everything, and the list of when that was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import psycopg
from msgspec import Meta

from api.http.cursors import Cursor
from api.http.errors import ApiError, not_now
from api.http.operations import Operation
from api.http.pagination import Page
from api.http.parameters import Text, text
from api.http.questions import Paged, Query
from ledger import erasures_list
from ledger.erasure import (
    REASON_CHARS_MAX,
    REQUESTED_BY_CHARS_MAX,
    BusyError,
    ErasureError,
    Request,
    UnknownCustomerError,
)
from ledger.erasures_list import ListedErasure
from postgres.failures import reason_of
from workflows.erasure import Forgotten, forget

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide

CURSOR: Final = Cursor("erasures", int)


class ErasureQuery(Query, frozen=True, kw_only=True):
    """Asks for a customer's personal data to be erased."""

    id: Annotated[Text, Meta(description="Dodo's id of the customer.")]
    reason: Annotated[
        Annotated[str, text(REASON_CHARS_MAX)] | None,
        Meta(description="Why: it is kept, so name no one."),
    ] = None
    requested_by: Annotated[
        Annotated[str, text(REQUESTED_BY_CHARS_MAX)] | None,
        Meta(description="Who asked for it: it is kept."),
    ] = None
    business_id: Annotated[Text | None, Meta(description="Of which business the customer is.")] = (
        None
    )


class ErasuresQuery(Paged[int], frozen=True, kw_only=True):
    """Asks for a page of the erasures."""

    customer_id: Annotated[Text | None, Meta(description="Only of this customer.")] = None
    cursor: Annotated[int | None, CURSOR.meta] = None


class Erased(msgspec.Struct, frozen=True):
    """What was erased: `events` by type, recorded at `position` as the webhook `webhook_id`.

    Both are null where nothing was left to erase.
    """

    business_id: str
    customer_id: str
    position: str | None
    webhook_id: str | None
    events: dict[str, int]


async def erasures(
    read_side: ReadSide, customer_id: str | None, before: int | None, limit: int
) -> Page[ListedErasure]:
    """Read a page of the list of erasures, the last first.

    Raises:
        ApiError: 503; the database is away.
    """
    rows = read_side.database.rows
    statement = erasures_list.page(
        before=before,
        limit=limit + 1,
        customer_id=customer_id,
        business_id=read_side.business_id,
    )
    found = [erasures_list.read(row) for row in await rows(statement)]
    listed = [one for one, _ in found[:limit]]
    if not listed:
        return Page([], None)
    # What comes between the two is counted as his.
    shared = await rows(erasures_list.shared_since(listed))
    since = await rows(erasures_list.arrived_since(listed))
    is_more = found[0][1] > len(listed)
    return Page(
        erasures_list.counted(listed, since, shared),
        CURSOR.write(int(listed[-1].position)) if is_more else None,
    )


def told(forgotten: Forgotten) -> Erased:
    """Return what was erased, as it is told."""
    position = None if forgotten.position is None else str(forgotten.position)
    return Erased(
        forgotten.business_id,
        forgotten.customer_id,
        position,
        forgotten.webhook_id,
        forgotten.events,
    )


async def _list(read_side: ReadSide, query: ErasuresQuery) -> Page[ListedErasure]:
    return await erasures(read_side, query.customer_id, query.cursor, query.limit)


async def _erase(read_side: ReadSide, query: ErasureQuery) -> Erased:
    reason = (query.reason or "").strip()
    if not reason:
        raise ApiError(400, "missing_parameter", "say why it is erased: reason")
    if not read_side.may_tell_of(query.business_id):
        raise ApiError(404, "not_found", str(UnknownCustomerError()))
    business_id = query.business_id or read_side.business_id
    request = Request(query.id, business_id, reason, query.requested_by)
    try:
        return told(await asyncio.to_thread(forget, read_side.database.conninfo, request))
    except UnknownCustomerError as error:
        raise ApiError(404, "not_found", str(error)) from error
    except BusyError as error:
        raise not_now("busy", str(error), retry_s=30) from error
    except ErasureError as error:
        raise ApiError(400, "ambiguous", str(error)) from error
    except psycopg.Error as error:
        message = f"it is not known whether it was erased: {reason_of(error)}; ask again"
        raise not_now("unavailable", message) from error


ERASE: Final = Operation["ReadSide", ErasureQuery, Erased](
    path="/v1/customers/{id:path}/personal-data",
    name="erase_personal_data",
    summary="Erase all that identifies a customer, from everything that is kept here; ids,"
    " amounts, times and states stay. It cannot be undone.",
    handle=_erase,
    takes=ErasureQuery,
    answers=Erased,
    may_fail={
        400: "No reason is given, or customers of several businesses have this id.",
        404: "No webhook names a customer with this id.",
    },
    method="DELETE",
    scope="admin",
)
LIST_ERASURES: Final = Operation["ReadSide", ErasuresQuery, Page[ListedErasure]](
    path="/v1/erasures",
    name="list_erasures",
    summary="List the erasures, the last first, each with what has come since.",
    handle=_list,
    takes=ErasuresQuery,
    answers=Page[ListedErasure],
)
