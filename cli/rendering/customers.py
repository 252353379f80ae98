"""Who a customer is, what there is of it, and what happened, by time."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from cli.rendering.objects import id_of, kind_of
from cli.rendering.tables import show_line, show_table
from cli.rendering.timelines import show_happenings, show_stretches
from cli.rendering.words import (
    NOTHING,
    amount,
    counted,
    day,
    drifted,
    moment,
    money,
    oddities,
    price,
    products_of,
)
from domain.aggregates.dispute import OPEN
from domain.entity import spoken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from api.answers.persons import Identified
    from api.resources.lifecycle import Lifecycle
    from domain.aggregates.subscription import SubscriptionEntity
    from domain.customer import Customer
    from domain.entity import Entity


def show_customer(console: Console, found: Lifecycle, past: str) -> None:
    """Print a customer's lifecycle."""
    for line in _who(found.customer, past):
        show_line(console, line)
    _show_subscriptions(console, found)
    _show_disputes(console, found)
    _show_keys(console, found)
    _show_grants(console, found)
    _show_credits(console, found)
    _show_dunnings(console, found)
    for entity in filter(lambda one: one.drift, _objects(found)):
        assert entity.drift is not None
        named = f"{spoken(kind_of(entity))} {id_of(entity)}"
        show_line(console, f"! {named}: {drifted(entity.drift)}")
    _headed(console, "What happened")
    show_stretches(console, found.stretches)
    # What a subscription costs may have changed since; the others have one amount for ever.
    lasting = (one for one in _objects(found) if kind_of(one) != "subscription")
    amounts = {(kind_of(one), id_of(one)): amount(one) for one in lasting}
    show_happenings(console, found.items, amounts)
    if found.next is not None:
        show_line(console, f"Only the first {len(found.items)} facts are shown.")


def show_customers(console: Console, customers: Sequence[Customer]) -> None:
    """Print a list of customers, a row each."""
    heads = "id", "e-mail", "name", "active", "payments", "paid", "seen from (UTC)", "to"
    rows = [
        (
            one.customer_id,
            one.email or NOTHING,
            one.name or NOTHING,
            str(one.active_subscriptions),
            str(one.payments),
            ", ".join(money(total.paid, currency) for currency, total in one.totals.items()),
            moment(one.first_seen_at),
            moment(one.last_seen_at),
        )
        for one in customers
    ]
    show_table(console, heads, rows)


def names(customer: Customer | Identified) -> Iterator[str]:
    """Write what names a customer."""
    for name, value in (
        ("e-mail", customer.email),
        ("name", customer.name),
        ("phone", customer.phone_number),
    ):
        if value is not None:
            yield f"{name} {value}"
    if customer.metadata:
        pairs = (f"{key}={value}" for key, value in sorted(customer.metadata.items()))
        yield f"metadata {', '.join(pairs)}"


def _who(customer: Customer, past: str) -> Iterator[str]:
    yield f"customer {customer.customer_id} of {customer.business_id}{past}"
    yield from names(customer)
    yield f"seen from {moment(customer.first_seen_at)} to {moment(customer.last_seen_at)} (UTC)"
    for currency, total in sorted(customer.totals.items()):
        yield f"paid {money(total.paid, currency)}, refunded {money(total.refunded, currency)}"
    active, succeeded = customer.active_subscriptions, customer.succeeded_payments
    failed = customer.failed_payments
    counts = (
        f"{counted(customer.subscriptions, 'subscription')} ({active} active)",
        f"{counted(customer.payments, 'payment')} ({succeeded} succeeded, {failed} failed)",
        counted(customer.refunds, "refund"),
        f"{counted(customer.disputes, 'dispute')} ({customer.open_disputes} open)",
        counted(customer.license_keys, "licence key"),
        counted(customer.entitlement_grants, "entitlement grant"),
        counted(customer.abandoned_checkouts, "abandoned checkout"),
        f"{counted(customer.refused, 'fact')} refused",
    )
    yield ", ".join(counts)


def _show_subscriptions(console: Console, found: Lifecycle) -> None:
    if not found.subscriptions:
        return
    _headed(console, "Subscriptions", found.customer.subscriptions - len(found.subscriptions))
    heads = "id", "status", "product", "price", "since", "what is next", "of note"
    rows = [
        (
            one.subscription_id,
            one.status or NOTHING,
            products_of(one) or NOTHING,
            price(one),
            day(one.created_at),
            _to_come(one),
            oddities(one),
        )
        for one in found.subscriptions
    ]
    show_table(console, heads, rows)


def _to_come(subscription: SubscriptionEntity) -> str:
    if subscription.status == "past_due" and subscription.past_due_ends_at is not None:
        return f"grace ends on {day(subscription.past_due_ends_at)}"
    if subscription.status != "active" or subscription.next_billing_date is None:
        return ""
    what = "ends" if subscription.cancel_at_next_billing_date else "is billed"
    return f"{what} on {day(subscription.next_billing_date)}"


def _show_disputes(console: Console, found: Lifecycle) -> None:
    disputes = [one for one in found.disputes if one.status in OPEN]
    if not disputes:
        return
    _headed(console, "Open disputes", found.customer.open_disputes - len(disputes))
    heads = "id", "status", "stage", "payment", "amount", "since", "of note"
    rows = [
        (
            one.dispute_id,
            one.status or NOTHING,
            one.stage or "",
            one.payment_id or "",
            amount(one),
            day(one.created_at),
            oddities(one),
        )
        for one in disputes
    ]
    show_table(console, heads, rows)


def _show_keys(console: Console, found: Lifecycle) -> None:
    if not found.license_keys:
        return
    _headed(console, "Licence keys", found.customer.license_keys - len(found.license_keys))
    heads = "id", "status", "product", "since", "expires", "of note"
    rows = [
        (
            one.id,
            one.status or NOTHING,
            products_of(one) or NOTHING,
            day(one.created_at),
            day(one.expires_at) if one.expires_at else "",
            oddities(one),
        )
        for one in found.license_keys
    ]
    show_table(console, heads, rows)


def _show_grants(console: Console, found: Lifecycle) -> None:
    if not found.entitlement_grants:
        return
    older = found.customer.entitlement_grants - len(found.entitlement_grants)
    _headed(console, "Entitlement grants", older)
    heads = "id", "status", "what", "since", "why", "of note"
    rows = [
        (
            one.id,
            one.status or NOTHING,
            one.integration_type or NOTHING,
            day(one.created_at),
            (one.revocation_reason if one.status == "revoked" else one.error_code) or "",
            oddities(one),
        )
        for one in found.entitlement_grants
    ]
    show_table(console, heads, rows)


def _show_credits(console: Console, found: Lifecycle) -> None:
    if not found.credits:
        return
    _headed(console, "Credits", found.customer.credits - len(found.credits))
    heads = "credit", "balance", "overage", "entries", "of note"
    rows = [
        (
            one.credit_entitlement_name or one.credit_entitlement_id,
            NOTHING if one.balance is None else str(one.balance),
            str(one.overage) if one.overage else "",
            str(one.entries),
            oddities(one),
        )
        for one in found.credits
    ]
    show_table(console, heads, rows)


def _show_dunnings(console: Console, found: Lifecycle) -> None:
    if not found.dunnings:
        return
    _headed(console, "Dunning", found.customer.dunnings - len(found.dunnings))
    heads = "subscription", "status", "because of", "since", "of note"
    rows = [
        (
            one.subscription_id,
            one.status or NOTHING,
            one.trigger_state or "",
            day(one.created_at),
            oddities(one),
        )
        for one in found.dunnings
    ]
    show_table(console, heads, rows)


def _headed(console: Console, head: str, others: int = 0) -> None:
    show_line(console)
    show_line(console, f"{head} (and {others} older)" if others > 0 else head)


def _objects(found: Lifecycle) -> Iterator[Entity]:
    yield from chain(
        found.subscriptions,
        found.payments,
        found.refunds,
        found.disputes,
        found.license_keys,
        found.entitlement_grants,
        found.credits,
        found.dunnings,
        found.abandoned_checkouts,
    )
