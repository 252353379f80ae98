"""What people have, now or then, and how fresh that is: what access and state are answered from."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Self, cast

import msgspec

from api.answers.access import Freshness, LastWebhook
from api.answers.persons import Identified, Person
from api.queries.persons import CLAIMS_MAX, PERSONS_MAX, WAYS, PersonQuery, asked_by
from api.queries.time_travel import in_parts, then_of
from api.queries.whole import AnyPerson, persons_of
from domain.access.doubts import Doubt
from domain.access.holding import Holding, holdings_of
from projections import stream_history as history
from projections.read_models import holdings as table
from projections.read_models import identities, whole
from projections.read_models.customers import newest
from projections.read_models.holdings import (
    BUSINESS,
    FRESHNESS,
    OBJECTS_MAX,
    PERSON,
    Limits,
    Place,
)
from projections.read_models.periods import Place as StreamPlace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from api.answers.named import Product
    from api.queries.read_side import ReadSide
    from api.queries.time_travel import Then
    from postgres.statement import Row, Statement
    from projections.read_models.claims import Asked

OBJECTS_OF_ALL_MAX: Final = 10_000
"""Where many customers claim to be one person, so many of all; who bought first comes first."""

ROWS_MAX: Final = 200
"""Of whom there are fewer rows of a sort, they are all read: that is the short way."""


class Gathered(NamedTuple, Generic[AnyPerson]):
    """What all the customers have that are one person, as of `at`; who bought first comes first."""

    at: datetime
    customers: list[AnyPerson]
    holdings: list[Holding]
    freshness: Freshness
    doubts: list[Doubt]
    """What is doubtful of the answer as a whole."""

    @property
    def is_known(self) -> bool:
        """Whether anything has been seen of the person."""
        return bool(self.customers)

    def products(self, asked: str | None = None) -> set[Product]:
        """Return the products of what there is, and the one that is asked about."""
        found = {
            (one.entity.business_id, product_id)
            for one in self.holdings
            for product_id in one.product_ids
        }
        if asked is not None:
            found |= {(one.business_id, asked) for one in self.customers}
        return found


async def gather(
    read_side: ReadSide, query: PersonQuery, whose: type[AnyPerson]
) -> Gathered[AnyPerson]:
    """Gather what a person has at the time that is asked for.

    Of now it is one round trip, or a second one for a customer who has much.

    `whose` tells how much is told of the customers: `Person`, or `Identified`.

    Raises:
        ApiError: 400, none or several of the names are given; 503.
    """
    asked = asked_by(read_side, query)
    then = await then_of(read_side, query)
    at = then.as_of or datetime.now(UTC)
    seen = await _seen(read_side, asked, whose, then)
    customers = seen.everybody[:PERSONS_MAX]
    doubts = _doubts(query, seen.everybody, is_cut=seen.is_cut)
    return Gathered(at, customers, _once(seen.holdings), _freshness(seen.freshness, then), doubts)


class _Seen(NamedTuple, Generic[AnyPerson]):
    """What there is of a person, `is_cut` if there is more; `freshness` are the rows that tell."""

    everybody: list[AnyPerson]
    holdings: list[Holding]
    is_cut: bool
    freshness: dict[str, list[table.Found]]


async def _seen(
    read_side: ReadSide, asked: Asked, whose: type[AnyPerson], then: Then
) -> _Seen[AnyPerson]:
    limits = Limits(PERSONS_MAX + 1, CLAIMS_MAX, PERSONS_MAX, OBJECTS_MAX + 1, OBJECTS_OF_ALL_MAX)
    if then.as_of is not None:
        return await _seen_then(read_side, asked, whose, then, limits)
    if asked.customer_id is not None:
        of_little = await _seen_whole(read_side, asked.customer_id, whose, then)
        if of_little is not None:
            return of_little
    statement = table.now(asked, limits, read_side.business_id, identified=whose is Identified)
    found = _Found.read(await _rows(read_side, statement, then))
    holdings = list(map(table.holding, found.holdings))
    return _Seen(found.persons(whose), holdings, found.is_cut, found.others)


async def _seen_whole(
    read_side: ReadSide, customer_id: str, whose: type[AnyPerson], then: Then
) -> _Seen[AnyPerson] | None:
    statement = whole.of_customer(
        customer_id, read_side.business_id, ROWS_MAX, identified=whose is Identified
    )
    rows = whole.Rows.read(await _rows(read_side, statement, then), ROWS_MAX)
    if rows is None:
        return None
    everybody = persons_of(customer_id, rows.said, whose)
    if len(everybody) > PERSONS_MAX:
        return None
    holdings = list(map(table.holding, rows.holdings))
    return _Seen(everybody, holdings, is_cut=False, freshness=rows.freshness)


async def _seen_then(
    read_side: ReadSide, asked: Asked, whose: type[AnyPerson], then: Then, limits: Limits
) -> _Seen[AnyPerson]:
    assert then.as_of is not None
    statement = table.then(asked, then.as_of, limits, read_side.business_id)
    found = _Found.read(await _rows(read_side, statement, then))
    holdings, is_cut = await _holdings_then(read_side, found, then)
    everybody = await _persons_then(read_side, found, whose, then)
    businesses = sorted({one.business_id for one in everybody})
    fresh = _Found.read(await _rows(read_side, table.freshness(businesses), then))
    return _Seen(everybody, holdings, is_cut, fresh.others)


class _Found(NamedTuple):
    """The rows of a statement, by what they tell."""

    holdings: list[table.Found]
    """Or where to find them."""
    others: dict[str, list[table.Found]]

    @classmethod
    def read(cls, rows: Iterable[Sequence[object]]) -> Self:
        found = cls([], {FRESHNESS: [], BUSINESS: [], PERSON: []})
        for one in map(table.read, rows):
            found.others.get(one.kind, found.holdings).append(one)
        return found

    @property
    def is_cut(self) -> bool:
        """Whether there was more than is looked at."""
        counts = Counter(one.place for one in self.holdings if one.place is not None)
        of_all = counts.total()
        return max(counts.values(), default=0) > OBJECTS_MAX or of_all >= OBJECTS_OF_ALL_MAX

    def persons(self, whose: type[AnyPerson]) -> list[AnyPerson]:
        """Return who is meant, who bought first first."""
        in_order = sorted(self.others[PERSON], key=lambda one: one.place or 0)
        return [msgspec.json.decode(one.row, type=whose) for one in in_order]


async def _rows(read_side: ReadSide, statement: Statement, then: Then) -> list[Row]:
    return await read_side.snapshots.rows(statement, then.known_position)


async def _persons_then(
    read_side: ReadSide, found: _Found, whose: type[AnyPerson], then: Then
) -> list[AnyPerson]:
    persons = found.persons(Person)
    if whose is not Identified or not persons:
        return cast("list[AnyPerson]", persons)
    assert then.as_of is not None
    statement = identities.said_then([one.customer_id for one in persons], then.as_of)
    said = identities.by_customer(await _rows(read_side, statement, then))
    identified = [
        Identified(
            one.business_id,
            one.customer_id,
            one.claims,
            **newest(said.get((one.business_id, one.customer_id), [])),
        )
        for one in persons
    ]
    return cast("list[AnyPerson]", identified)


def _doubts(query: PersonQuery, everybody: Sequence[Person], *, is_cut: bool) -> list[Doubt]:
    found = []
    (name,) = query.given(*WAYS)
    first = everybody[0].customer_id if everybody else ""
    if len(everybody) > PERSONS_MAX:
        text_ = f"More than {PERSONS_MAX} customers have this {name}: what any of them has counts."
        found.append(Doubt("customer", first, "several", text_))
        text_ = f"Of the customers, the first {PERSONS_MAX} count: who bought first comes first."
        found.append(Doubt("customer", first, "cut", text_))
    elif len(everybody) > 1:
        text_ = f"{len(everybody)} customers have this {name}: what any of them has counts."
        found.append(Doubt("customer", first, "several", text_))
    if is_cut:
        text_ = "There is more than is looked at: of payments, only the newest count."
        found.append(Doubt("customer", first, "cut", text_))
    return found


def _freshness(told: dict[str, list[table.Found]], then: Then) -> Freshness:
    (row,) = told[FRESHNESS]
    position, lag_s = _REACHED.decode(row.row)
    if then.known_position is not None:  # all that had been recorded by then
        position, lag_s = then.known_position, None
    last = sorted(_LAST.decode(one.row) for one in told[BUSINESS])
    return Freshness(str(position), max(lag_s or 0.0, 0.0), [LastWebhook(*one) for one in last])


_REACHED: Final = msgspec.json.Decoder(tuple[int, float | None])
_LAST: Final = msgspec.json.Decoder(tuple[str, str, str, datetime | None, datetime])


def _once(holdings: Iterable[Holding]) -> list[Holding]:
    named = {(one.kind, one.entity.business_id, one.id): one for one in holdings}
    return [named[name] for name in sorted(named)]


async def _holdings_then(
    read_side: ReadSide, found: _Found, then: Then
) -> tuple[list[Holding], bool]:
    """Fold what people had; the second tells whether there was more than is looked at."""
    # What gives access by itself is folded first, of whoever bought first: the rest may be cut.
    in_order = sorted(found.holdings, key=lambda one: (one.place is None, one.place or 0))
    places = [_PLACE.decode(one.row) for one in in_order]
    streams = {one.stream_id: _stream(one) for one in places}
    parts = await in_parts(read_side, list(streams.values())) if streams else []
    holdings: list[Holding] = []
    for part in parts:
        statement = history.of_streams([one.stream_id for one in part])
        rows = await read_side.database.rows(statement)
        # Folding takes its time, in which the server takes webhooks.
        holdings += await asyncio.to_thread(_folded, rows, places, then)
    return holdings, found.is_cut or sum(map(len, parts)) < len(streams)


_PLACE: Final = msgspec.json.Decoder(Place)


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
