"""Every aggregate there is, and every kind of thing that they are about."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from domain.aggregates.abandoned_checkout import AbandonedCheckout
from domain.aggregates.credit import Credit
from domain.aggregates.customer import Customer
from domain.aggregates.dispute import Dispute
from domain.aggregates.dunning import Dunning
from domain.aggregates.entitlement_grant import EntitlementGrant
from domain.aggregates.license_key import LicenseKey
from domain.aggregates.payment import Payment
from domain.aggregates.payout import Payout
from domain.aggregates.product import Product
from domain.aggregates.subscription import Subscription
from domain.look import RANK_OF_LOOKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domain.state_machine import Machine

STREAMS: Final = {
    "payment": Payment,
    "subscription": Subscription,
    "dispute": Dispute,
    "license_key": LicenseKey,
    "entitlement_grant": EntitlementGrant,
    "credit": Credit,
    "dunning": Dunning,
    "abandoned_checkout": AbandonedCheckout,
    "payout": Payout,
    "customer": Customer,
    "product": Product,
}
"""The aggregates, by the first part of their streams' ids."""
KINDS: Final = {kind.name: kind for aggregate in STREAMS.values() for kind in aggregate.kinds}
RANK_OF_NOTICES: Final = 1_000
"""Notices have no rank among facts: they come after what happened at the same time."""
THROUGH_PAYMENT: Final = frozenset({"refund", "dispute"})
"""The kinds whose customer is their payment's, where their own data does not say it."""


def check_ranks(machines: Iterable[Machine]) -> None:
    """Make sure that facts of two kinds never share a rank, whatever is added to one of them.

    Raises:
        ValueError: the ranks of two kinds overlap, or reach that of the looks.
    """
    ranked = (machine for machine in machines if machine.ranks)
    spans = sorted((min(m.ranks.values()), max(m.ranks.values()), m.kind) for m in ranked)
    behind = (RANK_OF_LOOKS, RANK_OF_LOOKS, "look"), (RANK_OF_NOTICES, RANK_OF_NOTICES, "notice")
    for (_, last, kind), (first, _, other) in pairwise([*spans, *behind]):
        if last >= first:
            raise ValueError(f"the ranks of {kind} and {other} overlap")


check_ranks(kind.machine for kind in KINDS.values())
