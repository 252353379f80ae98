"""Every code of an anomaly: what it tells, and what to do about it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from domain.entity import spoken
from domain.money import decimal_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from domain.anomalies.span import Named, Testimony


class Code(NamedTuple):
    """What a code tells, in words that the evidence's fields are put into, and what to do."""

    text: str
    action: str


_READ_AGAIN: Final = "Look at it in Dodo's dashboard"
CODES: Final[Mapping[str, Code]] = {
    "overdue": Code(
        "{Thing} is active, was due {next_billing_date}, and nothing was heard since: no renewal,"
        " no failure, no end.",
        f"{_READ_AGAIN}: was it renewed, its webhook was lost, so press Recover there; was it not,"
        " ask Dodo why. Until then access rests on a date that has passed.",
    ),
    "grace_ended": Code(
        "{Thing} is past due, its grace ended {past_due_ends_at}, and nothing was heard since.",
        f"{_READ_AGAIN}: it was paid, put on hold or cancelled by now, and the webhook is missing:"
        " press Recover there.",
    ),
    "drift": Code(
        "Of {thing} Dodo last said {observed_status}, while its webhooks lead to {folded_status}:"
        " for longer than it tries to deliver.",
        "A webhook was lost: press Recover in Dodo's dashboard for the time before. The status"
        " follows what Dodo said where it may.",
    ),
    "gap": Code(
        "Of {thing} a webhook is missing that must have come before {type}.",
        "Press Recover in Dodo's dashboard for the time before. What is known since is right; what"
        " was before is not known.",
    ),
    "refused": Code(
        "{Type} of {thing} is no valid transition: it is kept, and the state stays"
        " {folded_status}.",
        "Read its timeline: a webhook before it is missing, or Dodo contradicts itself. It settles"
        " when the missing one comes, or Dodo says the state again.",
    ),
    "after_end": Code(
        "Dodo says that {thing} is {status} after {folded_status}, which is final.",
        f"{_READ_AGAIN}, and ask Dodo: by its documentation the customer needs a new one.",
    ),
    "over_refunded": Code(
        "Of {thing} more is given back than was paid: {refunded_amount} of {total_amount}.",
        "Look for a refund that was made twice, and talk to Dodo.",
    ),
    "gone": Code(
        "Dodo's API does not have {thing} any more, which was {status}.",
        "It was deleted there, or the API key is of another mode or business. What is known of it"
        " stays.",
    ),
    "unreadable": Code(
        "The webhook {id} of type {type} cannot be read: {problem}.",
        "It is kept as it came, and read again by every rebuild. Look at its body, and at what it"
        " is about in Dodo's dashboard.",
    ),
    "two_live": Code(
        "{Thing} is live beside {other}, of the same customer for the same product.",
        "Ask the customer whether both are meant; if not, cancel one and refund what was paid for"
        " it.",
    ),
    "paid_unseen": Code(
        "{Thing} has succeeded for {other}, of which nothing was ever heard.",
        f"{_READ_AGAIN}: the customer has paid. Press Recover there for the subscription's"
        " webhooks.",
    ),
    "charged_after_end": Code(
        "{Thing} was charged for {other} after that had ended.",
        "Refund it, unless it settles what was used before; see that the mandate is gone.",
    ),
    "amount_unfit": Code(
        "{Thing} does not fit what was to be paid. {reason}",
        "Look at its line items in Dodo's dashboard. Was too much charged, refund it, and this"
        " settles. A customer's balance, or a price that was changed by hand, may explain it, too.",
    ),
    "silent": Code(
        "From {thing} no webhook has come since {last_at}, longer than it was ever quiet lately.",
        "Look in Dodo's dashboard whether the endpoint is disabled, filtered or failing, and press"
        " Recover for the time since.",
    ),
}
"""In the order of the documentation, docs/anomalies.md."""


def told(
    code: str,
    thing: Named,
    others: Sequence[Named],
    evidence: Sequence[Testimony],
    currency: str | None,
) -> str:
    """Tell of an anomaly in words."""
    said: dict[str, object] = {}
    for one in reversed(evidence):
        said |= {name: _shown(name, value, currency) for name, value in one.fields.items()}
    named, type_ = _named(thing), evidence[0].type if evidence else ""
    other = _named(others[0]) if others else ""
    return CODES[code].text.format_map(
        {
            **said,
            "id": thing.id,
            "thing": named,
            "Thing": f"{named[0].upper()}{named[1:]}",
            "other": other,
            "type": type_,
            "Type": type_,
        }
    )


def _named(thing: Named) -> str:
    return f"{spoken(thing.kind)} {thing.id}"


def _shown(name: str, value: object, currency: str | None) -> str:
    if value is None:
        return "not known"
    if name.endswith("_amount") and isinstance(value, int) and currency is not None:
        return f"{decimal_text(value, currency)} {currency}"
    if isinstance(value, str) and name.endswith(("_at", "_date")):
        return f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M:%S} UTC"
    return str(value)
