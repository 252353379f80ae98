"""What is wrong, by itself: the list of anomalies that are open, now or then."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from api.answers.anomalies import Anomaly, NamedThing
from api.http.cursors import Cursor
from api.http.operations import Operation
from api.http.pagination import Item, Page, page
from api.http.parameters import Text, one_of
from api.http.questions import PastPage, narrowed
from domain.aggregates.catalogue import KINDS
from domain.aggregates.product import PRODUCT
from domain.aggregates.routing import NOTICE
from domain.anomalies.catalogue import CODES, told
from projections.read_models import anomalies
from projections.read_models.anomalies import BUSINESS, FILTERS, AnomalyKey, Instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.answers.named import Names, Product
    from api.http.questions import Past
    from api.queries.read_side import ReadSide
    from postgres.statement import Row

CURSOR: Final = Cursor("anomalies", AnomalyKey)
_codes: Final = tuple(CODES)
_kinds: Final = (*KINDS, NOTICE, BUSINESS)


class AnomaliesQuery(PastPage[AnomalyKey], frozen=True, kw_only=True):
    """Asks for a page of what is wrong."""

    code: str | None = None
    kind: str | None = None
    customer_id: Annotated[Text | None, Meta(description="Only of this customer.")] = None
    business_id: Annotated[Text | None, Meta(description="Only of this business.")] = None
    cursor: Annotated[AnomalyKey | None, CURSOR.meta] = None


_Query: Final = narrowed(
    AnomaliesQuery,
    "list_anomalies",
    code=Annotated[
        Literal[_codes] | None, one_of(_codes), Meta(description="Only with this code.")
    ],
    kind=Annotated[
        Literal[_kinds] | None, one_of(_kinds), Meta(description="Only about things of this kind.")
    ],
)


async def _list(read_side: ReadSide, query: AnomaliesQuery) -> Page[Anomaly]:
    known = await read_side.snapshots.position(query.known_at)
    statement = anomalies.page(
        query.given(*FILTERS),
        await instant_of(read_side, query),
        after=query.cursor,
        limit=query.limit + 1,
        business_id=read_side.business_id,
    )
    rows = await read_side.snapshots.rows(statement, known)
    found = page(rows, query.limit, _read, CURSOR)
    names = await read_side.names.of(one for each in found.items for one in _products(each))
    return Page([_named(one, names) for one in found.items], found.next)


def _products(anomaly: Anomaly) -> Iterator[Product]:
    return ((anomaly.business_id, one.id) for one in anomaly.objects if one.kind == PRODUCT.name)


def _named(anomaly: Anomaly, names: Names) -> Anomaly:
    """Name the products that an anomaly is about, in its text as well."""
    products = {one: names[one] for one in _products(anomaly) if names[one]}
    if not products:
        return anomaly
    objects = tuple(
        msgspec.structs.replace(one, product_name=products.get((anomaly.business_id, one.id)))
        if one.kind == PRODUCT.name
        else one
        for one in anomaly.objects
    )
    named = ", ".join(f"{id_} is {name}" for (_, id_), name in sorted(products.items()))
    return msgspec.structs.replace(anomaly, objects=objects, text=f"{anomaly.text} ({named}.)")


async def instant_of(read_side: ReadSide, query: Past) -> Instant:
    """Return the instant at which it is asked what is wrong.

    Raises:
        ApiError: 503; the database is away.
    """
    # What nobody could know yet opens with time alone: it is told as of when it was known.
    at = query.as_of or query.known_at
    if at is None:
        return Instant(datetime.now(UTC), None)
    return Instant(at, await read_side.snapshots.position(at))


def _read(row: Row) -> Item[AnomalyKey, Anomaly]:
    found = anomalies.read(row)
    thing, *others = found.objects
    return Item(
        found.key,
        Anomaly(
            code=found.code,
            text=told(found.code, thing, others, found.evidence, found.currency),
            action=CODES[found.code].action,
            since=found.opened_at,
            until=found.settled_at,
            business_id=found.business_id,
            customer_id=found.customer_id,
            kind=found.kind,
            id=found.id,
            objects=tuple(NamedThing(one.kind, one.id) for one in found.objects),
            amount=found.amount,
            currency=found.currency,
            evidence=found.evidence,
        ),
    )


LIST_ANOMALIES: Final = Operation["ReadSide", AnomaliesQuery, Page[Anomaly]](
    path="/v1/anomalies",
    name="list_anomalies",
    summary="List what is wrong, what began last first. With `known_at` alone it is what was wrong"
    " then, as it was known then.",
    handle=_list,
    takes=_Query,
    answers=Page[Anomaly],
)
