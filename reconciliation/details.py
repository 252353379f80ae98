"""Which objects have to be read one by one, for what lists do not say of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from postgres.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from domain.aggregate import Aggregate
    from domain.entity import Observation

AT_ONCE: Final = 50
"""So many streams are looked at together."""


class _Detailed(NamedTuple):
    table: str
    id_field: str
    telling: str
    """A field of `data` that only the whole object has."""
    payment: str = "NULL::text"


DETAILED: Final[Mapping[str, _Detailed]] = {
    "subscription": _Detailed("subscriptions", "subscription_id", "addons"),
    "payment": _Detailed("payments", "payment_id", "billing"),
    "refund": _Detailed("refunds", "refund_id", "customer", "payment_id"),
    "dispute": _Detailed("disputes", "dispute_id", "customer", "payment_id"),
}
"""The kinds whose lists lack something: docs/dodo-api.md, "Endpoints"."""


class Last(msgspec.Struct, frozen=True):
    """The candidate behind which the next ones come, the newest first."""

    created_at: datetime | None = None
    id: str = ""


class Candidate(NamedTuple):
    """An object that may have to be read; its stream tells."""

    id: str
    created_at: datetime
    stream_id: str
    payment_id: str | None


def candidates(kind: str, business_id: str, last: Last) -> Statement:
    """Select objects of a kind that Dodo still has, the newest first, some behind the last ones."""
    of = DETAILED[kind]
    behind = ""
    if last.created_at is not None:
        behind = f" AND (created_at, {of.id_field}) < (%(at)s, %(id)s)"
    return Statement(
        f"SELECT {of.id_field}, created_at, stream_id, {of.payment} FROM raphus.{of.table}"  # noqa: S608 -- constants
        f" WHERE business_id = %(business_id)s AND missing_since IS NULL{behind}"
        f" ORDER BY created_at DESC, {of.id_field} DESC LIMIT %(limit)s",
        {"business_id": business_id, "at": last.created_at, "id": last.id, "limit": AT_ONCE},
    )


def count_candidates(kind: str, business_id: str) -> Statement:
    """Count them all."""
    return Statement(
        f"SELECT count(*) FROM raphus.{DETAILED[kind].table}"  # noqa: S608 -- constants
        " WHERE business_id = %(business_id)s AND missing_since IS NULL",
        {"business_id": business_id},
    )


def read(row: Sequence[Any]) -> Candidate:
    """Read a row of `candidates`."""
    return Candidate(*row)


def wants_detail(kind: str, stream: Aggregate, entity_id: str) -> bool:
    """Tell whether nothing has told the whole of an object since its state changed last."""
    folded = stream.folded().get((kind, entity_id))
    if folded is None or not folded.observations:
        return True
    newest = folded.observations[-1]
    for observation in reversed(folded.observations):
        if _is_whole(kind, observation):
            return _state(observation) != _state(newest)
    return True


def _is_whole(kind: str, observation: Observation) -> bool:
    telling = DETAILED[kind].telling
    if observation.told is None and kind == "dispute":
        return observation.payload.customer is not None
    return observation.tells(telling)


def _state(observation: Observation) -> tuple[object, ...]:
    return observation.standing, getattr(observation.payload, "refund_status", None)
