"""The evidence: every delivery about a customer, verbatim, as a file whose lines prove themselves.

It is asked of pages, not over HTTP: a log of years is read for it from end to end.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from itertools import chain
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Annotated, Final

import psycopg
from msgspec import Meta

from api.http.errors import ApiError, never_seen, not_now
from api.http.operations import Operation
from api.http.parameters import Text
from api.http.questions import Query
from api.http.responses import Stream, encode
from postgres.failures import reason_of
from projections.audit import AuditError, evidence

if TYPE_CHECKING:
    from collections.abc import Generator

    from api.queries.read_side import ReadSide

AT_ONCE_MAX: Final = 2
"""So many are read at a time: each has a connection of its own."""
_MEDIA_TYPE: Final = "application/jsonl"
_room: Final = BoundedSemaphore(AT_ONCE_MAX)


class EvidenceQuery(Query, frozen=True, kw_only=True):
    """Asks for the evidence about a customer."""

    id: Annotated[Text, Meta(description="Dodo's id of the customer.")]


async def _evidence(read_side: ReadSide, query: EvidenceQuery) -> Stream:
    lines = _lines(read_side, query.id)
    try:
        first = await asyncio.to_thread(next, lines, None)
    except AuditError as error:
        message = f"{error}; raphus verify tells what was done to the log"
        raise ApiError(500, "not_as_recorded", message) from error
    except psycopg.Error as error:
        raise not_now("unavailable", reason_of(error)) from error
    if first is None:
        raise never_seen("customer")
    return Stream(chain([first], lines), _MEDIA_TYPE, f"{query.id}.jsonl")


def _lines(read_side: ReadSide, customer_id: str) -> Generator[bytes, None, None]:
    if not _room.acquire(blocking=False):
        raise not_now("busy", "others are downloading evidence", retry_s=10)
    try:
        found = evidence(
            read_side.database.conninfo,
            customer_id,
            read_side.signatures,
            business_id=read_side.business_id,
        )
        with closing(found):
            for line in found:
                yield encode(line) + b"\n"
    finally:
        _room.release()


GET_EVIDENCE: Final = Operation["ReadSide", EvidenceQuery, Stream](
    path="/v1/customers/{id:path}/evidence",
    name="get_evidence",
    summary="Get every webhook about a customer, as JSON Lines.",
    handle=_evidence,
    takes=EvidenceQuery,
    answers=Stream,
    media_types=(_MEDIA_TYPE,),
    scope="personal",
)
