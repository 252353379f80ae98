"""Shared: what customers are told, by which event, and as long as what is so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Letter(NamedTuple):
    """A subject, a text, a text for a telephone, and the statuses in which they are true.

    In the texts `{name}`, `{where}`, `{id}` and `{until}` are filled in; in the short one, which
    has nothing that buyers wrote, all but the name.
    """

    true_while: frozenset[str]
    subject: str
    text: str
    short: str


LETTERS: Mapping[str, Letter] = {
    "subscription.active": Letter(
        frozenset({"active"}),
        "Welcome",
        "your subscription has begun. Thank you!",
        "Welcome! Your subscription has begun.",
    ),
    "subscription.on_hold": Letter(
        frozenset({"on_hold"}),
        "Your payment did not go through",
        "we could not charge you for your subscription, so it is on hold.\n"
        "To take it up again, please check how you pay{where}.",
        "We could not charge you: your subscription is on hold. Please check how you pay{where}",
    ),
    "subscription.past_due": Letter(
        frozenset({"past_due"}),
        "Your payment is due",
        "we could not charge you for your subscription. It goes on for now{until}.\n"
        "To keep it, please check how you pay{where}.",
        "We could not charge you. Your subscription goes on for now{until}. "
        "Please check how you pay{where}",
    ),
    "subscription.cancelled": Letter(
        frozenset({"cancelled"}),
        "Your subscription has been cancelled",
        "your subscription has been cancelled, and you will not be charged again.",
        "Your subscription has been cancelled.",
    ),
    "payment.failed": Letter(
        frozenset({"failed"}),
        "Your payment did not go through",
        "we could not charge you. Please try again{where}.",
        "Your payment did not go through. Please try again{where}",
    ),
    "trial_ends": Letter(
        frozenset({"active"}),
        "Your trial ends soon",
        "your trial ends soon{until}. You need not do anything to go on.\n"
        "To change how you pay, or to cancel{where}.",
        "Your trial ends soon{until}.",
    ),
}
FRAME = "Hello {name},\n\n{text}\n\nThis message is about {id}.\n"
ENDS = {"past_due": "past_due_ends_at", "active": "next_billing_date"}


def filled(
    text: str,
    name: str,
    where: str,
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    state: dict[str, Any],
) -> str:
    """Fill in a text; what fills it is not filled in again."""
    ends = state.get(ENDS.get(state["status"], "")) or ""
    return text.format(
        name=name or "customer",
        where=f": {where}" if where else "",
        id=id,
        until=f" until {ends[:10]}" if ends else "",
    )
