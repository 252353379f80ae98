"""Money given back, whole or in part; it lives in the stream of its payment."""

from __future__ import annotations

from domain.entity import Entity, Kind
from domain.state_machine import Machine

STATES = {
    "failed": "The money was not given back.",
    "succeeded": "The money was given back.",
}
EVENTS = {
    "failed": "An attempt to give the money back failed.",
    "succeeded": "The money was given back.",
}
RANKS = {"failed": 100, "succeeded": 110}
# Source: docs/dodo.md, section 5; that a failed refund may succeed later is inferred there.
MACHINE = Machine(
    kind="refund",
    states=STATES,
    events=EVENTS,
    ranks=RANKS,
    final=frozenset({"succeeded"}),
    observed_first=frozenset({"pending", "review"}),
    grid="""
           failed  succeeded
(none)     failed  succeeded
failed     =       succeeded
succeeded  ✗       =
""",
)


class RefundEntity(Entity, kw_only=True):
    """A refund as it is known; `amount` in minor units of `currency`.

    By `network_reference` the customer's bank finds it.
    """

    refund_id: str
    payment_id: str
    amount: int | None
    currency: str | None
    is_partial: bool | None
    reason: str | None
    metadata: dict[str, str]
    network_reference: str | None
    network_reference_type: str | None


REFUND = Kind(MACHINE, RefundEntity, "refund_id", stream_fields=("payment_id",))
