"""What Dodo pays the merchant; it belongs to the business alone."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from domain.aggregate import Aggregate
from domain.entity import Entity, Kind
from domain.state_machine import Machine

STATES = {
    "not_initiated": "Due, and not under way yet.",
    "on_hold": "Held back for a review.",
    "in_progress": "Under way to the bank.",
    "failed": "It did not arrive, or the bank has sent it back.",
    "success": "It has arrived.",
}
EVENTS = {
    "created": "A payout was made up.",
    "not_initiated": "A payout was made up: the older name of `payout.created`.",
    "on_hold": "It is held back.",
    "in_progress": "It is on its way.",
    "failed": "It has failed, also after a success.",
    "success": "It has arrived, also after a failure.",
}
RANKS = {
    "created": 940,
    "not_initiated": 940,
    "on_hold": 950,
    "in_progress": 960,
    "failed": 970,
    "success": 980,
}
# Source: docs/dodo.md, section 6: nothing is final, nothing is strictly ordered, and the status of
# the body is the truth. The creation is announced only since August 2026.
MACHINE = Machine(
    kind="payout",
    states=STATES,
    events=EVENTS,
    ranks=RANKS,
    observed_freely=True,
    grid="""
               created        not_initiated  on_hold  in_progress  failed  success
(none)         not_initiated  not_initiated  on_hold  in_progress  failed  success
not_initiated  =              =              on_hold  in_progress  failed  success
on_hold        =              =              =        in_progress  failed  success
in_progress    =              =              on_hold  =            failed  success
failed         =              =              on_hold  in_progress  =       success
success        =              =              on_hold  in_progress  failed  =
""",
)


class PayoutEntity(Entity, kw_only=True):
    """A payout as it is known; amounts in minor units of `currency`."""

    payout_id: str
    amount: int | None
    fee: int | None
    currency: str | None
    payment_method: str | None
    remarks: str | None
    updated_at: datetime | None
    brand_id: str | None


PAYOUT = Kind(MACHINE, PayoutEntity, "payout_id", dated_by="updated_at")


class Payout(Aggregate):
    """A payout's stream."""

    kinds: ClassVar[tuple[Kind, ...]] = (PAYOUT,)
