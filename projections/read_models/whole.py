"""The whole of a customer, where that is little: every row about him, as it stands.

Of most customers there is little, and access and state are asked at every turn of a merchant's
site. To weigh claims, to sort and to cut, as `holdings.now` does for whoever is meant by an address
or has a thousand things, costs PostgreSQL several times what reading these rows does.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import msgspec

from postgres.statement import Statement
from projections.bound import of_business
from projections.read_models import holdings
from projections.read_models.holdings import BUSINESS, FRESHNESS, FRESHNESS_OF_BUSINESSES, Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SAID: Final = "said"
_CLAIM: Final = "business_id, kind, id, webhook_id, first_position"
_NEWNESS: Final = "occurred_at, rank, webhook_id, valid_from, ordinal, stream_id, kind, id"
_IDENTITY: Final = "valid_to IS NULL, email, name, phone_number, customer_metadata"
# A dispute counts against its payment, whoever it names.
_OF_CUSTOMER: Final = """
    WITH said AS MATERIALIZED (
        SELECT i.* FROM identities AS i
        WHERE i.customer_id = %(customer_id)s{among}{of_identities} LIMIT {limit}
    ), own AS MATERIALIZED (
        SELECT t.kind, t.id, t.business_id, t.holding FROM holdings AS t
        WHERE t.customer_id = %(customer_id)s{of_holdings} LIMIT {limit}
    ), businesses AS (
        SELECT DISTINCT business_id FROM said WHERE valid_to IS NULL
    )
    SELECT '{said}' AS kind, json_build_array({fields})::text AS row, NULL::bigint AS place
    FROM said
    UNION ALL
    SELECT kind, holding, 1 FROM own
    UNION ALL
    (SELECT t.kind, t.holding, NULL FROM own CROSS JOIN LATERAL (
        SELECT d.kind, d.holding FROM holdings AS d
        WHERE d.payment_id = own.id AND d.business_id = own.business_id AND d.kind = 'dispute'
        OFFSET 0
    ) AS t WHERE own.kind = 'payment' LIMIT {limit})
    UNION ALL
"""


class Said(NamedTuple):
    """What a thing says of its customer; all from `is_said_now` on is told where it is asked for.

    `metadata` is the customer's own. By `newness` they are in the order of
    `identities.NEWEST_FIRST`, turned round: PostgreSQL's collation "C" compares as Python does.
    """

    business_id: str
    kind: str
    id: str
    webhook_id: str
    first_position: int
    is_said_now: bool = True
    email: str | None = None
    name: str | None = None
    phone_number: str | None = None
    metadata: dict[str, str] | None = None
    newness: tuple[datetime, int, str, datetime, int, str, str, str] | None = None

    @property
    def occurred_at(self) -> datetime:
        """When the newest fact occurred that says so."""
        assert self.newness is not None, "it was asked for"
        return self.newness[0]


class Rows(NamedTuple):
    """All rows about a customer, and those that tell how fresh they are."""

    said: list[Said]
    holdings: list[Found]
    freshness: dict[str, list[Found]]

    @classmethod
    def read(cls, rows: Iterable[Sequence[object]], limit: int) -> Self | None:
        """Read the rows of `of_customer`; None if there may be more of them than its limit."""
        read = cls([], [], {FRESHNESS: [], BUSINESS: []})
        against = 0
        for found in map(holdings.read, rows):
            if found.kind == _SAID:
                read.said.append(_decode(found.row))
            elif found.kind in read.freshness:
                read.freshness[found.kind].append(found)
            else:
                read.holdings.append(found)
                against += found.place is None
        own = len(read.holdings) - against
        return read if max(len(read.said), own, against) < limit else None


def of_customer(
    customer_id: str, business_id: str | None, limit: int, *, identified: bool
) -> Statement:
    """Select every row about a customer: what says that he is meant, what he has, how fresh.

    Who is `identified` is told with all that was ever said of him. There are up to `limit` rows of
    each sort: of what is said, of what he has, and of disputes about what he paid.
    """
    sql = _of_customer(limit, is_bound=business_id is not None, identified=identified)
    return Statement(sql, {"customer_id": customer_id, "bound_to": business_id})


@cache
def _of_customer(limit: int, *, is_bound: bool, identified: bool) -> str:
    bound_to = "a business" if is_bound else None
    sql = _OF_CUSTOMER.format(
        limit=limit,
        said=_SAID,
        among="" if identified else " AND i.valid_to IS NULL",
        fields=f"{_CLAIM}, {_IDENTITY}, json_build_array({_NEWNESS})" if identified else _CLAIM,
        of_identities=of_business("i", bound_to),
        of_holdings=of_business("t", bound_to),
    )
    return " ".join(f"{sql}{FRESHNESS_OF_BUSINESSES}".split())


_decode: Final = msgspec.json.Decoder(Said).decode
