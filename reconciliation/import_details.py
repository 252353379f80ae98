"""Imports what lists do not say: whole objects, one by one, and the grants of each customer."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from dodo.endpoints import GRANTS_OF_CUSTOMER
from dodo.errors import GoneError
from dodo.walk import Place
from domain.aggregates.factory import aggregate
from ledger.following.pages import whole_histories
from ledger.mapper import LedgerMapper
from postgres.statement import Statement
from reconciliation import details, in_doubt
from reconciliation.details import DETAILED, Last, wants_detail
from reconciliation.things import Leg
from reconciliation.walking import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciliation.details import Candidate
    from reconciliation.import_state import ImportState, Standing
    from reconciliation.taking import Taker

DOUBTFUL: Final = "in doubt"
GRANTS: Final = "grants of customers"
_ANY_POSITION: Final = 2**63 - 1
_CUSTOMERS_AT_ONCE: Final = 200
_CUSTOMERS: Final = """
    SELECT customer_id FROM raphus.customer_identities
    WHERE business_id = %(business_id)s AND customer_id COLLATE "C" > %(behind)s
    ORDER BY customer_id COLLATE "C" LIMIT %(limit)s
"""
_COUNT_CUSTOMERS: Final = """
    SELECT count(*) FROM raphus.customer_identities WHERE business_id = %(business_id)s
"""
_mapper: Final = LedgerMapper()


class BehindCustomer(msgspec.Struct, frozen=True):
    """Where a walk through the customers goes on."""

    id: str = ""


def walk_of(kind: str) -> str:
    """Return the name of the walk that reads the objects of a kind one by one."""
    return f"details of {DETAILED[kind].table}"


def ask_doubtful(taker: Taker, state: ImportState) -> Standing[Last]:
    """Ask for what is in doubt, before all else."""
    standing = state.begun(DOUBTFUL, Last())
    if standing.ended:
        return standing
    rows = state.rows(in_doubt.in_doubt(state.business_id, datetime.now(UTC)))
    doubtful = [one for one in map(in_doubt.read, rows) if one.kind in DETAILED]
    for number, one in enumerate(doubtful, start=1):
        changes = taker.take_one(one.kind, one.id, one.payment_id).changes
        standing = standing._replace(
            objects=number, total=len(doubtful), news=standing.news + changes
        )
        state.show(DOUBTFUL, standing)
    return state.end(DOUBTFUL, standing)


def ask_details(taker: Taker, state: ImportState, kind: str) -> Standing[Last]:
    """Ask for each object of a kind of which the whole is not known, the newest first."""
    walk_name = walk_of(kind)
    standing = state.begun(walk_name, Last())
    if standing.ended:
        return standing
    ((total,),) = state.rows(details.count_candidates(kind, state.business_id))
    while rows := state.rows(details.candidates(kind, state.business_id, standing.place)):
        page = [details.read(row) for row in rows]
        wanting = _wanting(state, kind, page)
        for one in page:
            changes = False
            if one.id in wanting:
                changes = taker.take_one(kind, one.id, one.payment_id).changes
            objects = standing.objects + 1
            standing = standing._replace(
                place=Last(one.created_at, one.id),
                objects=objects,
                total=max(int(total), objects),
                news=standing.news + changes,
            )
            if one.id in wanting:
                state.move(walk_name, standing)
        state.move(walk_name, standing)
    return state.end(walk_name, standing)


def walk_customers(taker: Taker, state: ImportState) -> Standing[BehindCustomer]:
    """Read the grants of each customer: those of deleted entitlements are in no other list."""
    standing = state.begun(GRANTS, BehindCustomer())
    if standing.ended:
        return standing
    of = {"business_id": state.business_id, "limit": _CUSTOMERS_AT_ONCE}
    ((total,),) = state.rows(Statement(_COUNT_CUSTOMERS, of))
    while rows := state.rows(Statement(_CUSTOMERS, {**of, "behind": standing.place.id})):
        for (customer_id,) in rows:
            news = _take_grants(taker, customer_id)
            objects = standing.objects + 1
            standing = standing._replace(
                place=BehindCustomer(customer_id),
                objects=objects,
                total=max(int(total), objects),
                news=standing.news + news,
            )
            state.move(GRANTS, standing)
    return state.end(GRANTS, standing)


def _take_grants(taker: Taker, customer_id: str) -> int:
    leg, news = Leg(customer_id, GRANTS_OF_CUSTOMER, (customer_id,)), 0
    try:
        begin = Place(datetime.now(UTC))
        for walked in walk(taker.dodo, leg, begin, taker.account.business_id):
            news += sum(one.changes for one in taker.take(leg, walked.looks))
    except GoneError:
        return news
    return news


def _wanting(state: ImportState, kind: str, page: Sequence[Candidate]) -> set[str]:
    """Return the ids of those whose whole is not known."""
    ids: dict[str, list[str]] = {}
    for one in page:
        ids.setdefault(one.stream_id, []).append(one.id)
    with closing(whole_histories(state.conn, _mapper, sorted(ids), _ANY_POSITION)) as streams:
        return {
            id_
            for stream_id, events in streams
            for stream in [aggregate(stream_id, events)]
            for id_ in ids[stream_id]
            if wants_detail(kind, stream, id_)
        }
