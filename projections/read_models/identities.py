"""The read model of identities: what each thing says of its customer, from when until when."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from domain.aggregates.catalogue import STREAMS
from domain.aggregates.notice import Notice
from domain.aggregates.routing import NOTICE
from domain.identities import Identity, identities
from postgres.statement import Statement
from projections.read_model import Column, ReadModel, columns_of
from projections.read_models.periods import may_lose as facts_may_lose

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from domain.aggregate import Aggregate
    from projections.read_model import Row


def _rows(aggregate: Aggregate) -> list[Row]:
    return [(aggregate.id, *msgspec.structs.astuple(one)) for one in identities(aggregate)]


def _may_lose(aggregate: Aggregate, webhook_ids: AbstractSet[str]) -> bool:
    # A further body of a notice may count instead, say another time, and name nobody.
    if isinstance(aggregate, Notice):
        return len(aggregate.events) > 1
    return facts_may_lose(aggregate, webhook_ids)


IDENTITIES: Final = ReadModel(
    table="identities",
    key=("stream_id", "kind", "id", "valid_from", "ordinal"),
    columns=(Column("stream_id", "text"), *columns_of(Identity)),
    rows=_rows,
    streams=frozenset({*STREAMS, NOTICE}),
    loses=_may_lose,
    began="valid_from",
)

NEWEST_FIRST: Final = (
    '{told}.occurred_at DESC, {told}.rank DESC, {told}.webhook_id COLLATE "C" DESC,'
    " i.valid_from DESC, i.ordinal DESC,"
    ' i.stream_id COLLATE "C" DESC, i.kind COLLATE "C" DESC, i.id COLLATE "C" DESC'
)
"""The order in which sayings count, as in the view `customer_identities`."""
_FACT_THEN: Final = """
    CROSS JOIN LATERAL (
        SELECT t.occurred_at, t.rank, t.webhook_id FROM timeline AS t
        WHERE t.stream_id = i.stream_id AND t.kind = i.kind AND t.id = i.id
        AND t.occurred_at <= %(as_of)s
        AND (t.occurred_at, t.rank, t.webhook_id COLLATE "C")
            <= (i.occurred_at, i.rank, i.webhook_id COLLATE "C")
        ORDER BY t.occurred_at DESC, t.rank DESC, t.webhook_id COLLATE "C" DESC LIMIT 1
    ) AS f
"""


class Moment(NamedTuple):
    """How a statement asks identities, `i`, of now, or as of the instant `%(as_of)s`.

    `holds` tells that something is said at that moment, `begun` that it had been said by then;
    `fact` joins the newest fact by then that said it, whose columns are those of `told`.
    """

    holds: str
    begun: str
    fact: str
    told: str

    @property
    def newest_first(self) -> str:
        """The order in which what had been said by then counts."""
        return NEWEST_FIRST.format(told=self.told)


NOW: Final = Moment("i.valid_to IS NULL", "true", "", "i")
THEN: Final = Moment(
    "i.valid @> %(as_of)s::timestamptz", "i.valid_from <= %(as_of)s", _FACT_THEN, "f"
)


class Said(NamedTuple):
    """What a thing had said of its customer, and the newest fact that said so by then."""

    business_id: str
    customer_id: str
    kind: str
    valid_from: datetime
    webhook_id: str
    occurred_at: datetime
    email: str | None
    name: str | None
    phone_number: str | None
    metadata: dict[str, str] | None


def said_then(customer_ids: Sequence[str], as_of: datetime) -> Statement:
    """Select all that had been said of customers by an instant, what counts most first."""
    return Statement(
        "SELECT i.business_id, i.customer_id, i.kind, i.valid_from, f.webhook_id, f.occurred_at,"  # noqa: S608 -- constants
        " i.email, i.name, i.phone_number, i.customer_metadata"
        f" FROM identities AS i {THEN.fact}"
        f" WHERE i.customer_id = ANY (%(customer_ids)s) AND {THEN.begun}"
        f" ORDER BY {THEN.newest_first}",
        {"customer_ids": list(customer_ids), "as_of": as_of},
    )


def by_customer(rows: Iterable[Sequence[Any]]) -> dict[tuple[str, str], list[Said]]:
    """Read the rows of `said_then`, in their order, by business and customer."""
    told: dict[tuple[str, str], list[Said]] = defaultdict(list)
    for one in (Said(*row) for row in rows):
        told[one.business_id, one.customer_id].append(one)
    return told
