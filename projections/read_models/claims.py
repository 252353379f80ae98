"""Who is meant by an id of the merchant's or an e-mail address: the customers that claim it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg.types.json import Jsonb

from domain.aggregates import routing
from domain.identities import folded_email
from postgres.statement import Statement
from projections.bound import of_business
from projections.read_models.identities import NOW, THEN

if TYPE_CHECKING:
    from datetime import datetime

    from projections.read_models.identities import Moment

_OF_CUSTOMER: Final = """
    SELECT i.business_id, i.customer_id, i.kind, i.id, 'customer_id' AS key, {told}.webhook_id,
        i.first_position
    FROM identities AS i {fact}
    WHERE i.customer_id = %(customer_id)s AND {holds}
"""
# The newest fact that says the field decides, so the address of years ago claims nothing. A thing
# that has gone over to another customer claims nothing for the one that it had.
_OF_FIELD: Final = """
    SELECT c.business_id, c.customer_id, n.kind, n.id, {key} AS key, n.webhook_id, n.first_position
    FROM (
        SELECT DISTINCT i.business_id, i.customer_id FROM {among}
        AND i.customer_id IS NOT NULL AND {begun}
    ) AS c
    CROSS JOIN LATERAL (
        SELECT i.kind, i.id, {told}.webhook_id, i.first_position, i.email_folded,
            i.customer_metadata
        FROM identities AS i {fact}
        WHERE i.customer_id = c.customer_id AND i.business_id = c.business_id
        AND i.{field} IS NOT NULL AND {begun}
        ORDER BY {newest_first} LIMIT 1
    ) AS n
    {where}
    AND EXISTS (
        SELECT FROM identities AS i
        WHERE i.customer_id = c.customer_id AND i.business_id = c.business_id AND {holds}
    )
"""
# The planner takes a list of JSON for a hundred things, whatever is in it: so one plan is for all,
# and is kept. An array it counts, and plans anew, which takes ten times what finding takes.
# Kept apart, each pair is looked for by the index.
_WITH_PAIR: Final = """
    jsonb_array_elements(%(pairs)s) AS pair CROSS JOIN LATERAL (
        SELECT * FROM identities AS i
        WHERE i.{pairs} @> pair AND i.{pairs} <> '{{}}' OFFSET 0
    ) AS i
"""
_FIRST_KEY: Final = """
    CROSS JOIN LATERAL (
        SELECT k.key FROM jsonb_array_elements_text(%(keys)s) WITH ORDINALITY AS k (key, place)
        WHERE {pairs} ? k.key ORDER BY k.place LIMIT 1
    ) AS claimed
"""
# A refund without a customer of its own has its payment's, which is of the same stream.
_OF_THINGS: Final = """
    SELECT i.business_id, coalesce(i.customer_id, (
        SELECT p.customer_id FROM identities AS p
        WHERE i.kind = 'refund' AND p.kind = 'payment' AND p.stream_id = i.stream_id
        AND {payment_holds} LIMIT 1
    )) AS customer_id, i.kind, i.id, 'metadata.' || claimed.key AS key, {told}.webhook_id,
        i.first_position
    FROM {source} {fact} {first_key}
    WHERE {holds} AND pair ? claimed.key AND i.metadata ->> claimed.key = %(external_id)s
"""
NOTICED: Final = (routing.NOTICE, "abandoned_checkout", "customer")
"""The kinds of what anybody brings about who only begins a checkout."""
_NOTICED: Final = f"kind IN {NOTICED}"
# Buyers come first, whoever bought first; then those who have tried to; checkouts after all else.
# Where there are more than are answered, whoever puts the id of another into checkouts of his own,
# or into payments that fail, pushes nobody out who has paid.
# The business is looked at only where one is bound, and behind a fence: else that none is, or that
# it is a small one, promises so much of a plan for these values alone that one is made each time.
_PERSONS: Final = """
    WITH claims AS MATERIALIZED (
        SELECT * FROM ({claims} OFFSET 0) AS claims WHERE customer_id IS NOT NULL{bound}
    ), placed AS (
        SELECT c.business_id, c.customer_id, row_number() OVER (
            ORDER BY bought.at, c.noticed_alone, c.appeared_at, c.business_id, c.customer_id
        ) AS place
        FROM (
            SELECT business_id, customer_id, bool_and({noticed}) AS noticed_alone,
                min(first_position) AS appeared_at
            FROM claims GROUP BY business_id, customer_id
        ) AS c
        CROSS JOIN LATERAL (
            SELECT min(p.first_position) AS at FROM periods AS p
            WHERE p.customer_id = c.customer_id AND p.business_id = c.business_id
            AND {period_holds} AND (
                p.kind = 'subscription' AND p.status NOT IN ('pending', 'failed')
                OR p.kind = 'payment' AND p.status = 'succeeded'
                OR p.kind IN ('license_key', 'entitlement_grant')
            )
        ) AS bought
    ), {told}
"""
_PLACED: Final = (
    "SELECT claims.*, placed.place FROM claims JOIN placed USING (business_id, customer_id)"
)
# Of one id there is one customer to each business.
_BY_BUSINESS: Final = """
    SELECT claims.*, dense_rank() OVER (ORDER BY business_id) AS place
    FROM ({claims}) AS claims WHERE true{bound}
"""
_TOLD: Final = """
    persons AS MATERIALIZED (
        SELECT place, business_id, customer_id, json_agg(
            json_build_object('kind', kind, 'id', id, 'key', key, 'webhook_id', webhook_id)
            ORDER BY nth
        ) AS claims
        FROM (
            SELECT *, row_number() OVER (
                PARTITION BY place ORDER BY {noticed}, first_position DESC, key
            ) AS nth
            FROM ({placed}) AS placed WHERE place <= %(persons_max)s
        ) AS numbered
        WHERE nth <= %(claims_max)s
        GROUP BY place, business_id, customer_id
    )
"""


class Asked(NamedTuple):
    """Whose id it is that is asked by, of which one is given; `keys` are those of metadata.

    In metadata of one thing, or of a customer, the first of the keys that is there counts.
    """

    customer_id: str | None = None
    email: str | None = None
    external_id: str | None = None
    keys: tuple[str, ...] = ()

    @property
    def by(self) -> str:
        """What is asked by: the name of the one that is given."""
        if self.customer_id is not None:
            return "customer_id"
        return "external_id" if self.email is None else "email"


def claims(asked: Asked, as_of: datetime | None) -> Statement:
    """Select every claim of what is asked by: whose, of which thing, and where it stands.

    `key` is `metadata.…`, `customer.metadata.…`, `customer.email` or `customer_id`; `webhook_id` is
    of the newest fact that says so.
    """
    params: dict[str, object] = {**asked._asdict(), "keys": Jsonb(list(asked.keys)), "as_of": as_of}
    if asked.email is not None:
        params["email"] = folded_email(asked.email)
    if asked.external_id is not None:
        params["pairs"] = Jsonb([{key: asked.external_id} for key in asked.keys])
    return Statement(_claims(asked.by, NOW if as_of is None else THEN), params)


@cache
def _claims(by: str, moment: Moment) -> str:
    if by == "customer_id":
        return _OF_CUSTOMER.format(**_parts(moment))
    if by == "email":
        return _of_field(
            moment,
            "email",
            "'customer.email'",
            "identities AS i WHERE i.email_folded = %(email)s",
            "",
            "n.email_folded = %(email)s",
        )
    things = _OF_THINGS.format(
        **_parts(moment),
        payment_holds=moment.holds.replace("i.", "p."),
        source=_WITH_PAIR.format(pairs="metadata"),
        first_key=_FIRST_KEY.format(pairs="i.metadata"),
    )
    customers = _of_field(
        moment,
        "customer_metadata",
        "'customer.metadata.' || claimed.key",
        f"{_WITH_PAIR.format(pairs='customer_metadata')} WHERE true",
        _FIRST_KEY.format(pairs="n.customer_metadata"),
        "n.customer_metadata ->> claimed.key = %(external_id)s",
    )
    return f"{things} UNION ALL {customers}"


def persons(
    asked: Asked,
    *,
    as_of: datetime | None,
    business_id: str | None,
    persons_max: int,
    claims_max: int,
) -> Statement:
    """Begin a statement with `persons`: the customers that are meant, with so many claims each.

    They are numbered by `place`, the first buyer first; where a customer's id is asked by, which
    several businesses may have, by business.
    """
    every = claims(asked, as_of)
    limits = {"bound_to": business_id, "persons_max": persons_max, "claims_max": claims_max}
    moment, bound = NOW if as_of is None else THEN, of_business("claims", business_id)
    sql = _persons(asked.by, moment, bound)
    return Statement(sql, every.params | limits)


@cache
def _persons(by: str, moment: Moment, bound: str) -> str:
    period_holds = moment.holds.replace("i.", "p.")
    every = _claims(by, moment)
    if by == "customer_id":
        placed = _BY_BUSINESS.format(claims=every, bound=bound)
        return f"WITH {_TOLD.format(placed=placed, noticed=_NOTICED)}"
    told = _TOLD.format(placed=_PLACED, noticed=_NOTICED)
    return _PERSONS.format(
        claims=every, bound=bound, period_holds=period_holds, told=told, noticed=_NOTICED
    )


def _of_field(moment: Moment, field: str, key: str, among: str, joined: str, condition: str) -> str:
    return _OF_FIELD.format(
        **_parts(moment),
        field=field,
        key=key,
        among=among,
        where=f"{joined} WHERE {condition}",
    )


def _parts(moment: Moment) -> dict[str, str]:
    return {**moment._asdict(), "newest_first": moment.newest_first}
