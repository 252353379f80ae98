"""What people see of reconciliations: when they ran, and what they found."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from postgres.statement import Statement
from projections.bound import of_business
from reconciliation.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_RUN: Final = (
    "t.id, t.business_id, t.mode, t.days, t.began_at, t.ended_at, t.problem, t.outcomes, t.advice"
)
_FINDING: Final = (
    "t.id, t.reconciliation_id, t.business_id, t.kind, t.object_id, t.customer_id, t.outcome,"
    " t.status_here, t.status_at_dodo, t.types, t.since, t.may_still_come, t.amount, t.currency,"
    " t.fields, t.looked_at"
)
FILTERS: Final[Mapping[str, str]] = {
    "reconciliation_id": "t.reconciliation_id = %(reconciliation_id)s",
    "outcome": "t.outcome = %(outcome)s",
    "kind": "t.kind = %(kind)s",
    "object_id": "t.object_id = %(object_id)s",
    "customer_id": "t.customer_id = %(customer_id)s",
    "business_id": "t.business_id = %(business_id)s",
}


class KeptRun(msgspec.Struct, frozen=True):
    """A reconciliation: what was created within so many `days` was read, and all subscriptions.

    `outcomes` count objects: `agreed`, `lost` (webhooks are missing), `unknown` (only Dodo knew
    it), `changed` (fields differ of which no webhook tells), `missing` (Dodo no longer has it),
    `awaited` (it has just happened) and `refreshed` (no webhook tells of such things). Without
    `ended_at` it runs; a `problem` says why it did not come to its end. `advice` is for a person.
    """

    id: str
    business_id: str
    mode: str
    days: int
    began_at: datetime
    ended_at: datetime | None
    problem: str | None
    outcomes: dict[str, int]
    advice: list[str]


class KeptFinding(msgspec.Struct, frozen=True):
    """What a reconciliation found of one object, other than what was known here.

    `types` are those of the webhooks any of which would have told of it: one where that is clear,
    none where it cannot be said. `since` is when it happened as far as Dodo tells, else when the
    object was last heard of. Dodo sends a webhook again for about a day, so it `may_still_come`.
    `amount` is the money that it is about, in minor units of `currency`; of a subscription, what it
    charges a period before tax. `fields` are those that differ.
    """

    id: str
    reconciliation_id: str
    business_id: str
    kind: str
    object_id: str
    customer_id: str | None
    outcome: str
    status_here: str | None
    status_at_dodo: str | None
    types: list[str]
    since: datetime
    may_still_come: bool
    amount: int | None
    currency: str | None
    fields: list[str]
    looked_at: datetime


def runs(*, before: int | None, limit: int, business_id: str | None = None) -> Statement:
    """Select reconciliations, the last first."""
    behind = "" if before is None else " AND t.id < %(before)s"
    return Statement(
        f"SELECT {_RUN} FROM reconciliations AS t WHERE true{behind}"  # noqa: S608 -- constants
        f"{of_business('t', business_id)} ORDER BY t.id DESC LIMIT %(limit)s",
        {"before": before, "limit": limit, "bound_to": business_id},
    )


def findings(
    filters: Mapping[str, object],
    *,
    before: int | None,
    limit: int,
    business_id: str | None = None,
) -> Statement:
    """Select findings by filters, the last first."""
    conditions = ["true", *(FILTERS[name] for name in filters)]
    if before is not None:
        conditions.append("t.id < %(before)s")
    return Statement(
        f"SELECT {_FINDING} FROM reconciliation_findings AS t"  # noqa: S608 -- constants
        f" WHERE {' AND '.join(conditions)}{of_business('t', business_id)}"
        " ORDER BY t.id DESC LIMIT %(limit)s",
        {**filters, "before": before, "limit": limit, "bound_to": business_id},
    )


def read_run(row: Sequence[Any]) -> KeptRun:
    """Read a row of `runs`."""
    return KeptRun(str(row[0]), *row[1:])


def read_finding(row: Sequence[Any]) -> KeptFinding:
    """Read a row of `findings`."""
    return KeptFinding(str(row[0]), str(row[1]), *row[2:])


def told(finding: Finding, number: int, reconciliation_id: str, business_id: str) -> KeptFinding:
    """Return a finding as one that is kept is told."""
    values = msgspec.structs.asdict(finding)
    values |= {
        "outcome": finding.outcome.value,
        "types": list(finding.types),
        "fields": list(finding.fields),
        "object_id": values.pop("id"),
    }
    values |= {"reconciliation_id": reconciliation_id, "business_id": business_id}
    return KeptFinding(id=str(number), **values)


LATEST: Final = Statement(
    "SELECT outcomes, extract(epoch FROM ended_at)::float8 FROM reconciliations"
    " WHERE ended_at IS NOT NULL AND problem IS NULL ORDER BY id DESC LIMIT 1",
    {},
)
"""Selects how many objects had which outcome in the last reconciliation that came to its end, and
when that was, in seconds since 1970."""
