"""The right to a product for as long as it is paid for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

import msgspec

from domain.aggregate import Aggregate
from domain.entity import Entity, Kind
from domain.state_machine import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping

STATES = {
    "active": "Paid for, or in its trial: give access.",
    "past_due": "A renewal failed and the grace period runs: give access until it ends.",
    "on_hold": "A charge failed (a renewal, a plan change, one on demand, the settlement of a"
    " pause), or the payment method could not be authorised: no access until it is paid.",
    "paused": "Halted on purpose: no access; it can be taken up again.",
    "failed": "The mandate could not be made: it never began, and never will.",
    "cancelled": "Ended for good, by the merchant, the customer, or the end of a grace.",
    "expired": "Its term has ended, for good.",
}
EVENTS = {
    "updated": "A field has changed; the state has not.",
    "plan_changed": "It is for another product, quantity or price now.",
    "update_payment_method": "It will be charged in another way.",
    "active": "The mandate was made, or the subscription has recovered.",
    "renewed": "A period was charged, the first one too.",
    "past_due": "A renewal failed; grace is given.",
    "on_hold": "A charge failed; no grace is given, or none is left.",
    "paused": "It was halted.",
    "unpaused": "It was taken up again.",
    "failed": "The mandate could not be made.",
    "cancelled": "It was ended.",
    "expired": "Its term has run out.",
}
RANKS = {
    "updated": 200,
    "plan_changed": 210,
    "update_payment_method": 210,
    "active": 220,
    "renewed": 230,
    "past_due": 240,
    "on_hold": 250,
    "paused": 260,
    "unpaused": 270,
    "failed": 280,
    "cancelled": 290,
    "expired": 300,
}
# Three burst events of one purchase share a timestamp, so the order decides which of them is seen
# first. Sources of the grid: docs.dodopayments.com/features/subscription, "Subscription States",
# and where that page is silent docs/decisions/0028-what-dodo-says-after-an-end.md.
MACHINE = Machine(
    kind="subscription",
    states=STATES,
    events=EVENTS,
    ranks=RANKS,
    final=frozenset({"cancelled", "failed", "expired"}),
    observed_first=frozenset({"pending"}),
    grid="""
           active   renewed  past_due   on_hold   paused   unpaused  cancelled   failed  expired   updated  plan_changed  update_payment_method
(none)     active   active   past_due?  on_hold?  paused?  active?   cancelled?  failed  expired?  =        =?            =
active     =        =        past_due   on_hold   paused   =         cancelled   ✗       expired   =        =             =
past_due   active   active   =          on_hold   ✗        ✗         cancelled   ✗       expired   =        =             =
on_hold    active   active   ✗          =         paused   active    cancelled   ✗       expired   =        =             =
paused     active   ✗        ✗          on_hold   =        active    cancelled   ✗       expired   =        =             =
failed     active!  active!  past_due!  on_hold!  paused!  active!   cancelled!  =       expired!  =        =             =
cancelled  active!  active!  past_due!  on_hold!  paused!  active!   =           ✗       =         =        =             =
expired    active!  active!  past_due!  on_hold!  paused!  active!   cancelled!  ✗       =         =        =             =
""",  # noqa: E501
)


class Addon(msgspec.Struct, frozen=True):
    """What is billed beside the product."""

    addon_id: str | None
    quantity: int | None


class Meter(msgspec.Struct, frozen=True):
    """What is billed by use; `price_per_unit` as Dodo writes it, in minor units."""

    meter_id: str | None
    name: str | None
    currency: str | None
    measurement_unit: str | None
    free_threshold: int | None
    price_per_unit: str | None


class Discount(msgspec.Struct, frozen=True):
    """A discount; `amount` is in basis points where the type is `percentage`.

    `cycles_remaining` billing cycles are left of `subscription_cycles`; null is no limit.
    """

    discount_id: str | None
    code: str | None
    type: str | None
    amount: int | None
    cycles_remaining: int | None
    subscription_cycles: int | None
    expires_at: datetime | None


class ScheduledChange(msgspec.Struct, frozen=True):
    """A change of the plan that is to come. A pause does not put `effective_at` off."""

    id: str | None
    product_id: str | None
    quantity: int | None
    addons: tuple[Addon, ...]
    effective_at: datetime | None
    created_at: datetime | None


class Canceller(msgspec.Struct, frozen=True):
    """Who cancelled, or had the end scheduled: no name and no address, which `data` has too."""

    actor_type: str | None


class SubscriptionEntity(Entity, kw_only=True):
    """A subscription as it is known; amounts in minor units of `currency`.

    `anomaly` tells that Dodo's data puts it into a state to which no transition leads.
    `trial_amount` is for one unit, before tax, in the currency of the product's price.
    `cancelled_by` is null where the system ended it. `cancellation_comment` is the buyer's own.
    """

    subscription_id: str
    product_id: str | None
    quantity: int | None
    currency: str | None
    recurring_pre_tax_amount: int | None
    tax_inclusive: bool | None
    payment_frequency_count: int | None
    payment_frequency_interval: str | None
    subscription_period_count: int | None
    subscription_period_interval: str | None
    trial_period_days: int | None
    on_demand: bool | None
    discount_id: str | None
    previous_billing_date: datetime | None
    next_billing_date: datetime | None
    past_due_ends_at: datetime | None
    cancel_at_next_billing_date: bool | None
    cancelled_at: datetime | None
    expires_at: datetime | None
    anomaly: str | None
    metadata: dict[str, str]
    addons: tuple[Addon, ...]
    meters: tuple[Meter, ...]
    discounts: tuple[Discount, ...]
    scheduled_change: ScheduledChange | None
    paused_at: datetime | None
    payment_method_id: str | None
    trial_amount: int | None
    cancelled_by: Canceller | None
    cancellation_feedback: str | None
    cancellation_comment: str | None
    tax_id: str | None


def counts_as_active(status: str | None, past_due_ends_at: datetime | None, at: datetime) -> bool:
    """Tell whether a subscription counts as active at an instant: is so, or past due in its grace.

    Where the end of the grace is not known, the status alone decides. Source:
    docs.dodopayments.com/features/subscription, "Grace Period". Whether somebody has access is
    another question, for which there is a policy: domain/access.
    """
    in_grace = status == "past_due" and (past_due_ends_at is None or at < past_due_ends_at)
    return status == "active" or in_grace


def due_at(
    status: str | None,
    *,
    on_demand: bool | None,
    next_billing_date: datetime | None,
    past_due_ends_at: datetime | None,
) -> datetime | None:
    """Return when something must be heard of a subscription: a renewal, its failure or an end.

    None where nothing is due. What is charged on demand has no date that says so
    (docs.dodopayments.com/features/subscription, "Subscription States" and "Grace Period").
    """
    if status == "active" and not on_demand:
        return next_billing_date
    return past_due_ends_at if status == "past_due" else None


SUBSCRIPTION = Kind(
    MACHINE,
    SubscriptionEntity,
    "subscription_id",
    derived={"anomaly": None},
)


class Subscription(Aggregate):
    """A subscription's stream."""

    kinds: ClassVar[tuple[Kind, ...]] = (SUBSCRIPTION,)

    def derive(self, described: Mapping[tuple[str, str], Entity]) -> None:
        """Add whether Dodo contradicts an end."""
        for named, entity in described.items():
            status, ended = entity.status, entity.folded_status
            contradicted = self.folded()[named].led is not None and status != ended
            if contradicted and isinstance(entity, SubscriptionEntity):
                entity.anomaly = f"Dodo says {status} after {ended}, which is final"
