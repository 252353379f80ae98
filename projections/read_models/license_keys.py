"""The read model of licence keys, and the questions that it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from domain.aggregates.license_key import LicenseKeyEntity
from postgres.statement import Statement
from projections.bound import of_business
from projections.listing import Filter, Listing
from projections.read_model import of_entities
from projections.read_models.filters import OWN_CUSTOMER, OWN_PRODUCT, common

if TYPE_CHECKING:
    from collections.abc import Sequence

LICENSE_KEYS: Final = of_entities("license_key", table="license_keys", key=("id", "business_id"))
_GRANTS: Final = "entitlement_grants AS o WHERE o.license_key_id = t.id"
# The same whatever came first, and as domain.access judges.
_LAST: Final = 'o.created_at DESC, o.id COLLATE "C" DESC'
_NEWEST: Final = f"o.business_id = t.business_id ORDER BY {_LAST} LIMIT 1"
# `followed` of domain.aggregates.license_key, in SQL.
_STATUS: Final = (
    "CASE WHEN t.status = 'active' AND {grant} = 'revoked' THEN 'disabled' ELSE t.status END"
)
STATUS: Final = _STATUS.format(grant="g.status")
"""The status of a key, which follows the last grant that it came by."""
JOIN: Final = f"LEFT JOIN LATERAL (SELECT o.status FROM {_GRANTS} AND {_NEWEST}) AS g ON true"  # noqa: S608 -- names
_GRANT_THEN: Final = (
    "(SELECT q.status FROM entitlement_grants AS o JOIN periods AS q"  # noqa: S608 -- names
    " ON q.kind = 'entitlement_grant' AND q.stream_id = o.stream_id AND q.id = o.id"
    " AND q.valid @> %(as_of)s::timestamptz"
    f" WHERE o.license_key_id = t.id AND {_NEWEST})"
)
_OF_STATUS: Final = Filter(
    "status",
    str,
    "Only with this status.",
    now=f"{STATUS} = %(status)s",
    then=f"{_STATUS.format(grant=_GRANT_THEN)} = %(status)s",
)
LISTING: Final = Listing(
    "license_keys",
    LicenseKeyEntity,
    "id",
    filters=(*common(OWN_CUSTOMER, _OF_STATUS), OWN_PRODUCT),
    joins=JOIN,
    columns={"status": STATUS},
)


def grants_of(key_ids: Sequence[str], business_id: str | None = None) -> Statement:
    """Select the grants that keys came by, each with its key, stream and id, the last first."""
    return Statement(
        "SELECT license_key_id, business_id, stream_id, id FROM raphus.entitlement_grants AS o"  # noqa: S608 -- names
        f" WHERE license_key_id = ANY (%(ids)s){of_business('o', business_id)} ORDER BY {_LAST}",
        {"ids": list(key_ids), "bound_to": business_id},
    )
