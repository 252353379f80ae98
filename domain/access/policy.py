"""The policy: what gives access, and until when. A table, by default as Dodo documents access."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from domain.aggregates import dispute

if TYPE_CHECKING:
    from domain.aggregates.subscription import SubscriptionEntity

ENDS: Final = ("past_due_ends_at", "next_billing_date", "expires_at")
"""The fields of a subscription that may end an access."""
DAYS_MAX: Final = 3_650
_UNTIL: Final = re.compile(f"until ({'|'.join(ENDS)})")
_DAYS: Final = re.compile("([0-9]{1,4}) days?")


class Rule(NamedTuple):
    """Whether a status gives access: no; yes; until an instant; or for some days since it began.

    `until` names the field of the subscription that has the instant.
    """

    gives: bool
    until: str | None = None
    days: int | None = None

    def __str__(self) -> str:
        """Write it as it stands in a policy file."""
        if self.until is not None:
            return f"until {self.until}"
        if self.days is not None:
            return f"{self.days} day{'' if self.days == 1 else 's'}"
        return "yes" if self.gives else "no"

    def ends_at(self, subscription: SubscriptionEntity, since: datetime) -> datetime | None:
        """Return when an access by this rule ends; None where nothing tells an end."""
        if self.until is not None:
            end: datetime | None = getattr(subscription, self.until)
            return end
        try:
            return None if self.days is None else since + timedelta(days=self.days)
        except OverflowError:
            return None


YES: Final = Rule(gives=True)
NO: Final = Rule(gives=False)
GRACE: Final = Rule(gives=True, until="past_due_ends_at")
PAID_PERIOD: Final = Rule(gives=True, until="next_billing_date")


def read_rule(value: object) -> Rule:
    """Read the rule of a status.

    Raises:
        ValueError: it is none; the message tells what it must be.
    """
    if value in ("yes", "no"):
        return YES if value == "yes" else NO
    if isinstance(value, str) and (found := _UNTIL.fullmatch(value)):
        return Rule(gives=True, until=found[1])
    if isinstance(value, str) and (found := _DAYS.fullmatch(value)):
        if not 1 <= int(found[1]) <= DAYS_MAX:
            raise ValueError(f"must be 1 to {DAYS_MAX} days")
        return Rule(gives=True, days=int(found[1]))
    ends = ", ".join(f'"until {field}"' for field in ENDS)
    raise ValueError(f'must be "yes", "no", a grace such as "3 days", or one of {ends}')


def read_yes_or_no(value: object) -> Rule:
    """Read the rule of what gives access or does not, without an end of its own.

    Raises:
        ValueError: it is neither; the message tells what it must be.
    """
    if value not in ("yes", "no"):
        raise ValueError('must be "yes" or "no"')
    return YES if value == "yes" else NO


def read_disputes(value: object) -> tuple[str, ...]:
    """Read which statuses of a dispute take away what the disputed payment bought.

    Raises:
        ValueError: it is no list of statuses; the message tells what it must be.
    """
    statuses = tuple(dispute.STATES)
    if not isinstance(value, list) or any(one not in statuses for one in value):
        raise ValueError(f"must list statuses of disputes, of {', '.join(statuses)}")
    return tuple(dict.fromkeys(value))


@dataclass(frozen=True)
class Policy:
    """What gives access, a rule for each status of a subscription, and what else there is to have.

    The default follows docs.dodopayments.com: features/subscription, "Subscription States" and
    "Grace Period", for the statuses, a trial being `active`; the official SDK's
    types/subscription.py for `next_billing_date`, which "indicates the end of current billing
    period"; developer-resources/webhooks/intents/dispute for the disputes whose money goes back to
    the cardholder: those that are lost or accepted. What an expired one comes to is not said there.
    """

    active: Rule = YES
    past_due: Rule = GRACE
    on_hold: Rule = NO
    paused: Rule = NO
    cancelled: Rule = PAID_PERIOD
    failed: Rule = NO
    expired: Rule = NO
    pending: Rule = NO
    bought_once: Rule = YES
    license_key: Rule = YES
    grant: Rule = YES
    disputes: tuple[str, ...] = ("lost", "accepted")

    def of_status(self, status: str | None) -> Rule:
        """Return the rule of a subscription's status: no for one that nobody knows."""
        rule = getattr(self, status) if status in STATUSES else NO
        assert isinstance(rule, Rule)
        return rule


STATUSES: Final = (
    "active",
    "past_due",
    "on_hold",
    "paused",
    "cancelled",
    "failed",
    "expired",
    "pending",
)
"""The statuses that a subscription may have, by which the policy's rules are named."""

_MEANINGS: Final = {
    "active": "a subscription that is paid for, or in its trial",
    "past_due": "a renewal failed, and Dodo's grace period runs",
    "on_hold": "a charge failed, and no grace is left",
    "paused": "halted on purpose",
    "cancelled": "ended; what was paid for may go on until the period's end",
    "failed": "the mandate could not be made",
    "expired": "its term is over",
    "pending": "being made",
    "bought_once": "a product that is paid for, until all of it is given back",
    "license_key": "a key that is neither disabled nor expired, as long as what it came with",
    "grant": "an entitlement that was not revoked, as long as what it came with",
    "disputes": "the disputes that take away what the disputed payment bought",
}


class Line(NamedTuple):
    """A line of the policy's table; `value` as it stands in a policy file."""

    key: str
    value: str
    meaning: str


def table(policy: Policy) -> list[Line]:
    """Return the policy as a table."""
    return [Line(one.name, _value(policy, one.name), _MEANINGS[one.name]) for one in fields(policy)]


def _value(policy: Policy, key: str) -> str:
    value = getattr(policy, key)
    return str(value) if isinstance(value, Rule) else ", ".join(value) or "none"


KEYS: Final = tuple(one.name for one in fields(Policy))
"""What a policy file may have."""
