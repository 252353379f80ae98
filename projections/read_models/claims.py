"""Who is meant by an id of the merchant's or an e-mail address: the customers that claim it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from psycopg.types.json import Jsonb

from domain.identities import folded_email
from postgres.statement import Statement
from projections.read_models.identities import NOW, THEN

if TYPE_CHECKING:
    from collections.abc import Sequence
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
        SELECT DISTINCT i.business_id, i.customer_id FROM identities AS i
        WHERE {among} AND i.customer_id IS NOT NULL AND {begun}
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
_FIRST_KEY: Final = """
    CROSS JOIN LATERAL (
        SELECT k.key FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS k (key, place)
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
    FROM identities AS i {fact} {first_key}
    WHERE i.metadata @> ANY (%(pairs)s::jsonb[]) AND i.metadata <> '{{}}' AND {holds}
    AND i.metadata ->> claimed.key = %(external_id)s
"""
_AMONG: Final = "(%(business_id)s::text IS NULL OR business_id = %(business_id)s)"
# Who has had something first comes first, and checkouts after all else: where there are more than
# are answered, whoever puts the id of another into checkouts of his own pushes nobody out.
_PAGE: Final = """
    SELECT business_id, customer_id, kind, id, key, webhook_id FROM (
        SELECT *, dense_rank() OVER (
            ORDER BY noticed_alone, appeared_at, business_id, customer_id
        ) AS place FROM (
            SELECT *,
                bool_and(kind = 'notice') OVER of_customer AS noticed_alone,
                min(first_position) OVER of_customer AS appeared_at,
                row_number() OVER (
                    PARTITION BY business_id, customer_id
                    ORDER BY kind = 'notice', first_position DESC, key
                ) AS nth
            FROM ({claims}) AS claims
            WHERE customer_id IS NOT NULL AND {among}
            WINDOW of_customer AS (PARTITION BY business_id, customer_id)
        ) AS counted
    ) AS placed
    WHERE place <= %(persons_max)s AND nth <= %(claims_max)s
    ORDER BY place, nth
"""


class Asked(NamedTuple):
    """Whose id it is that is asked by, of which one is given; `keys` are those of metadata.

    In metadata of one thing, or of a customer, the first of the keys that is there counts.
    """

    customer_id: str | None = None
    email: str | None = None
    external_id: str | None = None
    keys: tuple[str, ...] = ()


class Claimed(NamedTuple):
    """A customer, and what says that it is meant: a thing, the key, the newest fact that says so.

    `key` is `metadata.…`, `customer.metadata.…`, `customer.email` or `customer_id`.
    """

    business_id: str
    customer_id: str
    kind: str
    id: str
    key: str
    webhook_id: str


def claims(asked: Asked, as_of: datetime | None) -> Statement:
    """Select every claim of what is asked by, with the columns of `Claimed` and a place in time."""
    moment = NOW if as_of is None else THEN
    params: dict[str, object] = {**asked._asdict(), "keys": list(asked.keys), "as_of": as_of}
    if asked.customer_id is not None:
        return Statement(_OF_CUSTOMER.format(**_parts(moment)), params)
    if asked.email is not None:
        sql = _of_field(
            moment,
            "email",
            "'customer.email'",
            "i.email_folded = %(email)s",
            "",
            "n.email_folded = %(email)s",
        )
        return Statement(sql, params | {"email": folded_email(asked.email)})
    params["pairs"] = [Jsonb({key: asked.external_id}) for key in asked.keys]
    things = _OF_THINGS.format(
        **_parts(moment),
        payment_holds=moment.holds.replace("i.", "p."),
        first_key=_FIRST_KEY.format(pairs="i.metadata"),
    )
    customers = _of_field(
        moment,
        "customer_metadata",
        "'customer.metadata.' || claimed.key",
        "i.customer_metadata @> ANY (%(pairs)s::jsonb[]) AND i.customer_metadata <> '{}'",
        _FIRST_KEY.format(pairs="n.customer_metadata"),
        "n.customer_metadata ->> claimed.key = %(external_id)s",
    )
    return Statement(f"{things} UNION ALL {customers}", params)


def page(
    asked: Asked,
    *,
    as_of: datetime | None,
    business_id: str | None,
    persons_max: int,
    claims_max: int,
) -> Statement:
    """Select the customers that are meant, with so many claims each, who appeared first first."""
    every = claims(asked, as_of)
    sql = _PAGE.format(claims=every.sql, among=_AMONG)
    limits = {"business_id": business_id, "persons_max": persons_max, "claims_max": claims_max}
    return Statement(sql, every.params | limits)


def read(row: Sequence[Any]) -> Claimed:
    """Read a row of `page`."""
    return Claimed(*cast("Sequence[str]", row))


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
