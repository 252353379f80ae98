"""A customer's bank asks for the money back."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from domain.aggregate import Aggregate
from domain.entity import Entity, Kind
from domain.state_machine import Machine
from domain.timeline import follow

if TYPE_CHECKING:
    from collections.abc import Mapping

STATES = {
    "opened": "The merchant may respond, for as many days as Dodo's dashboard tells.",
    "challenged": "The merchant has responded; the bank decides.",
    "won": "The merchant keeps the money.",
    "lost": "The customer gets the money.",
    "accepted": "The merchant has given in.",
    "expired": "Nobody responded in time.",
    "cancelled": "Withdrawn.",
}
EVENTS = {
    "opened": "The bank asks, for the first time or at a later stage.",
    "challenged": "The merchant has responded.",
    "won": "Decided for the merchant.",
    "lost": "Decided for the customer.",
    "accepted": "The merchant has given in.",
    "expired": "The time to respond is over.",
    "cancelled": "The bank no longer asks.",
}
RANKS = {
    "opened": 400,
    "challenged": 410,
    "won": 420,
    "lost": 420,
    "accepted": 420,
    "expired": 420,
    "cancelled": 420,
}
STAGES = ("pre_dispute", "dispute", "pre_arbitration")
OPEN = ("opened", "challenged")
# The grid holds within one stage; a later stage opens it anew. A dispute that Visa's rapid dispute
# resolution settles begins with its end: docs.dodopayments.com/developer-resources/webhooks/intents
# /dispute, "appear as dispute.lost with is_resolved_by_rdr: true".
MACHINE = Machine(
    kind="dispute",
    states=STATES,
    events=EVENTS,
    ranks=RANKS,
    final=frozenset({"won", "lost", "accepted", "expired", "cancelled"}),
    unannounced={"lost": "is_resolved_by_rdr"},
    stages=STAGES,
    grid="""
            opened  challenged   won   lost   accepted   expired   cancelled
(none)      opened  challenged?  won?  lost?  accepted?  expired?  cancelled?
opened      =       challenged   won   lost   accepted   expired   cancelled
challenged  ✗       =            won   lost   ✗          ✗         ✗
won         ✗       ✗            =     ✗      ✗          ✗         ✗
lost        ✗       ✗            ✗     =      ✗          ✗         ✗
accepted    ✗       ✗            ✗     ✗      =          ✗         ✗
expired     ✗       ✗            ✗     ✗      ✗          =         ✗
cancelled   ✗       ✗            ✗     ✗      ✗          ✗         =
""",
)


class DisputeEntity(Entity, kw_only=True):
    """A dispute as it is known; `amount` in minor units of `currency`.

    `stage` belongs to `status`; `dispute_stage` and `dispute_status` are Dodo's, as observed.
    """

    dispute_id: str
    payment_id: str | None
    amount: int | None
    currency: str | None
    stage: str | None
    dispute_stage: str | None
    dispute_status: str | None
    reason: str | None
    remarks: str | None
    is_resolved_by_rdr: bool | None


def _as_word(status: str) -> str:
    word = status.removeprefix("dispute_")
    return word if word in STATES else status


DISPUTE = Kind(
    MACHINE,
    DisputeEntity,
    "dispute_id",
    status_field="dispute_status",
    stage_field="dispute_stage",
    as_word=_as_word,
    derived={"stage": None},
)


class Dispute(Aggregate):
    """A dispute's stream."""

    kinds: ClassVar[tuple[Kind, ...]] = (DISPUTE,)

    def derive(self, described: Mapping[tuple[str, str], Entity]) -> None:
        """Add the stage that the status belongs to."""
        for named, entity in described.items():
            if isinstance(entity, DisputeEntity):
                entity.stage = follow(DISPUTE, self.folded()[named])[0].stage
