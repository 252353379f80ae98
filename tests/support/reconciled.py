"""Imports and reconciliations against a stand-in for Dodo's API, in this process."""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Final

from dodo.pace import Pace
from ledger.application import Ledger
from reconciliation.import_state import ImportState
from reconciliation.importing import Counts, import_all
from reconciliation.reconciling import Reconciled, check, reconcile
from reconciliation.session import Source, opened
from simulator import merchant
from telemetry.progress import silent
from tests.support.deliveries import receipts
from tests.support.dodo_stand_in import KEY, PRESENT, PROMPT
from tests.support.histories import aggregates, delivery
from tests.support.log import lines
from tests.support.projected import project

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domain.aggregate import Aggregate
    from domain.entity import Entity
    from simulator import Occurrence
    from tests.support.dodo_stand_in import DodoStandIn

PAYOUTS: Final = 9
DAYS: Final = 2_000
"""Longer than the simulated merchant has been in business."""


VARIED: Final = frozenset(
    """
    payment.succeeded refund.succeeded dispute.won subscription.cancelled subscription.renewed
    license_key.created entitlement_grant.created credit.deducted credit.balance_low
    """.split()
)
VARIED_FROM: Final = 63
"""The first is found here, unless the simulator has changed."""


def small_merchant(seed: int, customers: int) -> list[Occurrence]:
    """Make a merchant's history, of whose many payouts few are left."""
    occurrences = merchant(seed, customers=customers, until=PRESENT)
    payouts = [one for one in occurrences if one.type.startswith("payout.")]
    return [one for one in occurrences if one not in payouts[PAYOUTS:]]


@cache
def varied_merchant() -> tuple[Occurrence, ...]:
    """Make a small merchant's history that has all kinds of things."""
    found = (small_merchant(seed, customers=4) for seed in count(VARIED_FROM))
    return next(tuple(one) for one in found if {each.type for each in one} >= VARIED)


def source(dodo: DodoStandIn, key: str = KEY) -> Source:
    """Say where a stand-in is read."""
    return Source(key, "test_mode", Pace(60_000, attempts_max=4, backoff_s=PROMPT), dodo.url)


def imported(conninfo: str, dodo: DodoStandIn, *, with_details: bool = True) -> dict[str, Counts]:
    """Import, or go on with an import, and return what came of each walk."""
    with opened(conninfo, source(dodo)) as session:
        state = ImportState(session.conn, session.taker.account, silent)
        return dict(import_all(session, state, with_details=with_details))


def reconciled(
    conninfo: str, dodo: DodoStandIn, *, days: int = DAYS, records: bool = True
) -> Reconciled:
    """Reconcile, or only compare."""
    with opened(conninfo, source(dodo), records=records) as session:
        return (reconcile if records else check)(session, days, silent)


def delivered(conninfo: str, occurrences: Iterable[Occurrence]) -> None:
    """Record the webhooks about what has happened, and bring the read models up to them."""
    with Ledger(conninfo) as ledger:
        receipts(ledger.record([delivery(one.body, one.webhook_id) for one in occurrences]))
    project(conninfo)


def all_delivered(conninfo: str) -> None:
    """Record all webhooks of the small merchant that has all kinds of things, and follow them."""
    delivered(conninfo, varied_merchant())


def entities(conninfo: str) -> dict[tuple[str, str], Entity]:
    """Fold the log, and return what is known of each thing, by its kind and id."""
    with Ledger(conninfo) as ledger:
        streams = sorted({line.originator_id for line in lines(conninfo)})
        return _by_name(ledger.aggregate(stream) for stream in streams)


def entities_of(occurrences: Iterable[Occurrence]) -> dict[tuple[str, str], Entity]:
    """Return the same, if nothing but the webhooks about what has happened had come."""
    told = (delivery(one.body, one.webhook_id) for one in occurrences)
    return _by_name(aggregates(told).values())


def _by_name(found: Iterable[Aggregate]) -> dict[tuple[str, str], Entity]:
    return {
        (one.kind.name, str(getattr(one.entity, one.kind.id_field))): one.entity
        for each in found
        for one in each.entities()
    }
