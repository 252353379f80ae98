"""What a look does to a state: it is followed where the machine allows, and judged nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from domain.state_machine import Machine, Standing


class Settled(NamedTuple):
    """Where a machine stands after a look, where an anomaly has led, and why.

    There is a `gap` where facts should have told what the look says: they are missing.
    """

    standing: Standing
    led: Standing | None
    gap: bool
    reason: str


def settle(machine: Machine, standing: Standing, led: Standing | None, seen: Standing) -> Settled:
    """Let the machine stand where a thing was seen, if that may follow from where it stands.

    Out of a final state nothing follows: there the look is an anomaly that leads, as the fact is
    that its own data bears out.
    """
    status, stood = seen.status, standing.status
    if status is None:
        return Settled(standing, led, gap=False, reason="Dodo's API said it")
    if seen == standing:
        return Settled(seen, None, gap=False, reason=f"Dodo's API said {status}, as was known")
    if status not in machine.states:
        return Settled(standing, led, gap=False, reason=f"Dodo's API said {status}")
    if machine.leads(standing, seen):
        unannounced = status in machine.unheralded and stood is not None
        gap = bool(machine.events) and not unannounced
        reason = f"Dodo's API said {status}, and the state follows"
        return Settled(seen, None, gap, f"{reason}: facts before it are missing" if gap else reason)
    reason = f"Dodo's API said {status}, which does not follow from {stood}"
    if stood not in machine.final:
        return Settled(standing, led, gap=False, reason=reason)
    leads = f"{reason}, which is final; the status follows what Dodo said"
    return Settled(standing, seen, gap=False, reason=leads)
