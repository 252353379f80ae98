"""Whose key it is, and whether what it reads is what the webhooks here are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dodo.endpoints import ONE_BY_KIND
from telemetry.errors import RaphusError

if TYPE_CHECKING:
    from psycopg import Connection

    from dodo.client import Dodo, Mode

LOOKS_MAX: Final = 3
"""So many of the newest things known here are looked for: one may have been deleted."""

# What webhooks tell of alone would also be asked for, were it not in doubt which mode it is of.
_BUSINESSES: Final = """
    SELECT business_id FROM (
        SELECT business_id FROM raphus.subscriptions UNION SELECT business_id FROM raphus.payments
    ) AS known
"""
_NEWEST: Final = """
    SELECT kind, id FROM (
        (SELECT 'subscription' AS kind, subscription_id AS id, first_position
        FROM raphus.subscriptions WHERE business_id = %(business_id)s AND missing_since IS NULL
        ORDER BY first_position DESC LIMIT %(limit)s)
        UNION ALL
        (SELECT 'payment', payment_id, first_position
        FROM raphus.payments WHERE business_id = %(business_id)s AND missing_since IS NULL
        ORDER BY first_position DESC LIMIT %(limit)s)
    ) AS newest ORDER BY first_position DESC LIMIT %(limit)s
"""


class AccountError(RaphusError):
    """What the key reads does not belong to what is here."""

    exit_code = 2


class Account(NamedTuple):
    """What a key reads: a business, in one of its two modes."""

    business_id: str
    mode: Mode


def identified(conn: Connection[Any], dodo: Dodo, mode: Mode, meant: str | None) -> Account:
    """Ask whose key it is, and make sure that it belongs to what is known here.

    Nothing tells of a webhook whether it is of test or of live mode. So the newest things that are
    known here are asked for: whoever reads the other mode does not find them. `meant` names the
    business, which must be the key's; it has to be named where only others are known here.

    Raises:
        AccountError: it is another business, or the other mode.
        DodoError: Dodo cannot be asked.
    """
    business_id = dodo.business_id()
    if meant is not None and meant != business_id:
        raise AccountError(
            f"the key in DODO_PAYMENTS_API_KEY is of the business {business_id}, and not of {meant}"
        )
    known = {str(known) for (known,) in conn.execute(_BUSINESSES)}
    if known and business_id not in known and meant is None:
        raise AccountError(
            f"the key in DODO_PAYMENTS_API_KEY is of the business {business_id}, of which nothing"
            f" is here, while there is something of {', '.join(sorted(known)[:3])}. If it is to be"
            f" here beside them, say so by --business {business_id}"
        )
    newest = conn.execute(_NEWEST, {"business_id": business_id, "limit": LOOKS_MAX}).fetchall()
    if newest and not any(dodo.one(ONE_BY_KIND[kind], id_) for kind, id_ in newest):
        raise AccountError(
            f"Dodo has none of the {len(newest)} newest things that are known here, in {mode}:"
            " DODO_PAYMENTS_ENVIRONMENT and its key must be of the mode whose webhooks come here."
            " Nothing was recorded"
        )
    return Account(business_id, mode)
