"""What people have, now or then, and how fresh that is: what access and state are answered from."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from api.answers.access import Claimant, Freshness, LastWebhook
from api.queries.persons import PERSONS_MAX, WAYS, PersonQuery, asked_by, persons
from api.queries.time_travel import in_parts, then_of
from domain.access.doubts import Doubt
from domain.access.holding import Holding, holdings_of
from projections import stream_history as history
from projections.read_models import holdings as table
from projections.read_models.holdings import BUSINESS, FRESHNESS, Owner, Place
from projections.read_models.periods import Place as StreamPlace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from api.queries.read_side import ReadSide
    from api.queries.time_travel import Then

OBJECTS_MAX: Final = 1_000
"""So many of a person's things are looked at, the newest."""
OBJECTS_MIN: Final = 100
"""Where many customers claim to be one person, still so many of each are looked at."""


class Gathered(NamedTuple):
    """What all the customers have that are one person, as of `at`."""

    at: datetime
    customers: list[Claimant]
    holdings: list[Holding]
    freshness: Freshness
    doubts: list[Doubt]
    """What is doubtful of the answer as a whole."""

    @property
    def is_known(self) -> bool:
        """Whether anything has been seen of the person."""
        return bool(self.customers)


async def gather(read_side: ReadSide, query: PersonQuery) -> Gathered:
    """Gather what a person has at the time that is asked for.

    Of now it takes one round trip where the person is named by a customer's id.

    Raises:
        ApiError: 400, none or several of the names are given; 503.
    """
    then = await then_of(read_side, query)
    owners = await _owners(read_side, query, then)
    limit = max(OBJECTS_MIN, OBJECTS_MAX // max(len(owners), 1))
    at = then.as_of or datetime.now(UTC)
    if then.as_of is None:
        statement = table.now(owners, limit + 1)
        found = [table.read(row) for row in await _rows(read_side, statement, then)]
        holdings = [table.holding(one) for one in found if one.kind not in (FRESHNESS, BUSINESS)]
        counts = Counter(one.customer_id for one in found if one.customer_id is not None)
        freshness, is_cut = _freshness(found, then), max(counts.values(), default=0) > limit
    else:
        holdings, is_cut = await _holdings_then(read_side, owners, then, limit)
        businesses = {one.entity.business_id for one in holdings}
        businesses |= {owner.business_id for owner in owners if owner.business_id is not None}
        statement = table.freshness(sorted(businesses))
        rows = await _rows(read_side, statement, then)
        freshness = _freshness([table.read(row) for row in rows], then)
    held = _once(holdings)
    claimed = [] if query.customer_id is not None else owners
    customers = _customers(owners, claimed, held)
    return Gathered(at, customers, held, freshness, _doubts(query, customers, is_cut=is_cut))


async def _owners(read_side: ReadSide, query: PersonQuery, then: Then) -> list[Owner]:
    """Return the customers that a person is."""
    asked = asked_by(read_side, query)
    if query.customer_id is not None:
        return [Owner(read_side.business_id, query.customer_id)]
    found = await persons(read_side, asked, then, read_side.business_id)
    return [Owner(one.business_id, one.customer_id) for one in found[:PERSONS_MAX]]


async def _rows(read_side: ReadSide, statement: Any, then: Then) -> list[Any]:  # noqa: ANN401
    return await read_side.snapshots.rows(statement, then.known_position)


def _customers(
    owners: Sequence[Owner], claiming: Sequence[Owner], holdings: Iterable[Holding]
) -> list[Claimant]:
    """Return the customers that were found, and those that are known by their claim."""
    claimed = {
        Claimant(one.business_id, one.customer_id)
        for one in claiming
        if one.business_id is not None
    }
    asked = {owner.customer_id for owner in owners}
    found = {
        Claimant(one.entity.business_id, one.entity.customer_id)
        for one in holdings
        if one.entity.customer_id in asked and one.entity.customer_id is not None
    }
    return sorted(claimed | found)


def _doubts(query: PersonQuery, customers: list[Claimant], *, is_cut: bool) -> list[Doubt]:
    found = []
    (name,) = query.given(*WAYS)
    if len(customers) > 1:
        text_ = f"{len(customers)} customers have this {name}: what any of them has counts."
        found.append(Doubt("customer", customers[0].customer_id, "several", text_))
    if is_cut:
        text_ = "There is more than is looked at: only the newest counts."
        id_ = customers[0].customer_id if customers else ""
        found.append(Doubt("customer", id_, "cut", text_))
    return found


def _freshness(found: Iterable[table.Found], then: Then) -> Freshness:
    reached, last = _Reached(0, 0.0), []
    for one in found:
        if one.kind == FRESHNESS:
            reached = msgspec.json.decode(one.row, type=_Reached)
        elif one.kind == BUSINESS:
            last.append(msgspec.json.decode(one.row, type=LastWebhook))
    if then.known_position is not None:  # all that had been recorded by then
        reached = _Reached(then.known_position, 0.0)
    last.sort(key=lambda one: one.business_id)
    return Freshness(str(reached.position), reached.lag_s, last)


class _Reached(msgspec.Struct):
    position: int
    lag_s: float


def _once(holdings: Iterable[Holding]) -> list[Holding]:
    named = {(one.kind, one.entity.business_id, one.id): one for one in holdings}
    return [named[name] for name in sorted(named)]


async def _holdings_then(
    read_side: ReadSide, owners: Sequence[Owner], then: Then, limit: int
) -> tuple[list[Holding], bool]:
    """Fold what people had; the second tells whether there was more than is looked at."""
    assert then.as_of is not None
    rows = await _rows(read_side, table.then(owners, then.as_of, limit + 1), then)
    places = [table.read_place(row) for row in rows]
    streams = {one.stream_id: _stream(one) for one in places}
    parts = await in_parts(read_side, list(streams.values())) if streams else []
    holdings: list[Holding] = []
    for part in parts:
        statement = history.of_streams([one.stream_id for one in part])
        found = await read_side.database.rows(statement)
        # Folding takes its time, in which the server takes webhooks.
        holdings += await asyncio.to_thread(_folded, found, places, then)
    is_cut = sum(map(len, parts)) < len(streams) or len(places) > limit
    return holdings, is_cut


def _stream(place: Place) -> StreamPlace:
    return StreamPlace(place.first_position, place.stream_id, place.id, None, 0)


def _folded(rows: Sequence[Any], places: Iterable[Place], then: Then) -> list[Holding]:
    wanted = {(one.stream_id, one.kind, one.id) for one in places}
    return [
        held
        for whole in history.read_all(rows)
        for held in holdings_of(whole.at(**then._asdict()))
        if (whole.id, held.kind, held.id) in wanted
    ]
