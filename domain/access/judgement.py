"""Judgements: whether one holding gives access, until when, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from domain.aggregates.dispute import DisputeEntity
from domain.aggregates.entitlement_grant import EntitlementGrantEntity
from domain.aggregates.license_key import LicenseKeyEntity, followed
from domain.aggregates.payment import PaymentEntity
from domain.aggregates.refund import RefundEntity
from domain.aggregates.subscription import SubscriptionEntity
from domain.entity import spoken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from domain.access.holding import Holding
    from domain.access.policy import Policy

Code: TypeAlias = Literal[
    "active",
    "grace",
    "paid_through",
    "bought",
    "license",
    "granted",
    "by_policy",
    "on_hold",
    "past_due",
    "paused",
    "cancelled",
    "expired",
    "dispute_lost",
    "refunded",
    "license_revoked",
    "grant_revoked",
    "license_expired",
    "pending",
    "processing",
    "subscription_unseen",
    "payment_failed",
    "failed",
    "not_by_policy",
    "status_unknown",
    "never_bought",
    "unknown_person",
]
"""Why there is access, the first seven, or why there is none: those, the most telling first."""
PERIOD_SLACK: Final = timedelta(days=1)
"""A payment of a period may be made so long before the period is said to begin."""


class Judgement(NamedTuple):
    """Whether a holding gives access at an instant.

    `until` is when that ends by time alone; None where it does not, or gives none. `evidence` is
    the holding, then what else it rests on.
    """

    gives: bool
    until: datetime | None
    code: Code
    text: str
    evidence: tuple[Holding, ...]

    @property
    def holding(self) -> Holding:
        """What is judged."""
        return self.evidence[0]


def judge(holdings: Iterable[Holding], at: datetime, policy: Policy) -> list[Judgement]:
    """Judge what may give access: subscriptions, what was bought once, licence keys and grants.

    A refund and a dispute count for their payment, and a payment for its subscription.
    """
    in_order = sorted(holdings, key=lambda one: (one.kind, one.id, one.entity.business_id))
    return list(_Judge(in_order, at, policy).judgements())


class _Judge:
    def __init__(self, holdings: Sequence[Holding], at: datetime, policy: Policy) -> None:
        self._at = at
        self._policy = policy
        self._holdings = holdings
        self._seen = {
            (one.entity.business_id, one.id) for one in holdings if one.kind == "subscription"
        }
        self._against: dict[tuple[str, str], list[Holding]] = {}
        self._paid: dict[tuple[str, str, str | None], list[Holding]] = {}
        self._grants: dict[tuple[str, str, str | None], Holding] = {}
        for one in holdings:
            entity = one.entity
            if isinstance(entity, RefundEntity | DisputeEntity) and entity.payment_id:
                named = entity.business_id, entity.payment_id
                self._against.setdefault(named, []).append(one)
            elif isinstance(entity, PaymentEntity) and entity.subscription_id:
                key = entity.business_id, entity.subscription_id, entity.customer_id
                self._paid.setdefault(key, []).append(one)
            elif isinstance(entity, EntitlementGrantEntity) and entity.license_key_id:
                key = entity.business_id, entity.license_key_id, entity.customer_id
                last = self._grants.get(key)
                if last is None or _newness(last) < _newness(one):
                    self._grants[key] = one

    def judgements(self) -> Iterator[Judgement]:
        own: dict[tuple[str, str, str, str | None], Judgement] = {}
        for one in self._holdings:
            if (found := self._of_bought(one)) is not None:
                own[one.kind, one.id, one.entity.business_id, one.entity.customer_id] = found
                yield found
        for one in self._holdings:
            entity = one.entity
            if isinstance(entity, LicenseKeyEntity | EntitlementGrantEntity):
                # It follows what its own customer bought: nobody else's purchase can end it.
                of = entity.business_id, entity.customer_id
                came_with = own.get(("subscription", entity.subscription_id or "", *of)) or own.get(
                    ("payment", entity.payment_id or "", *of)
                )
                if isinstance(entity, LicenseKeyEntity):
                    yield self._of_key(one, entity, came_with)
                else:
                    yield self._of_grant(one, entity, came_with)

    def _of_bought(self, one: Holding) -> Judgement | None:
        entity = one.entity
        if isinstance(entity, SubscriptionEntity):
            return self._of_subscription(one, entity)
        if not isinstance(entity, PaymentEntity):
            return None
        if entity.subscription_id is None:
            return self._of_purchase(one, entity)
        is_seen = (entity.business_id, entity.subscription_id) in self._seen
        return None if is_seen else _of_unseen(one, entity)

    def _of_subscription(self, one: Holding, entity: SubscriptionEntity) -> Judgement:
        status, rule = entity.status, self._policy.of_status(entity.status)
        named = f"Subscription {one.id}"
        if not rule.gives:
            return _denied(one, status, f"{named} {_STANDS.get(status, _UNKNOWN)}.")
        until = rule.ends_at(entity, one.since)
        if rule.until is not None and until is None and status != "past_due":
            text = f"{named} {_STANDS[status]}; Dodo does not say its {rule.until}."
            return _denied(one, status, text)
        if until is not None and self._at >= until:
            return _denied(one, status, f"{named} {_STANDS[status]}; access ended {_told(until)}.")
        if status == "cancelled" and (back := self._taken_back(one, entity)):
            text = f"{named} {_STANDS[status]}, and the payment of its last period went back."
            return Judgement(False, None, "cancelled", text, (one, *back))
        code, ends = _giving(status, rule.days), f" until {_told(until)}" if until else ""
        text = f"{named} {_STANDS[status]}"
        if code == "active":
            text += f"{ends}."
        elif code == "paid_through":
            text += f", and gives access{ends}, the end of its billing period."
        else:
            text += f", and gives access{ends}." if ends else ", and gives access."
        return Judgement(True, until, code, text, (one,))

    def _taken_back(self, one: Holding, entity: SubscriptionEntity) -> list[Holding]:
        """Return what took back all that was paid for the last period; nothing if some stayed."""
        paid = self._paid.get((entity.business_id, one.id, entity.customer_id), [])
        begun = entity.previous_billing_date
        of_period = [
            payment
            for payment in paid
            if payment.entity.status == "succeeded"
            and (begun is None or payment.entity.created_at + PERIOD_SLACK >= begun)
        ]
        back = [self._against_payment(payment) for payment in of_period]
        if not all(back):
            return []
        return [one for taken in back if taken is not None for one in taken.evidence]

    def _of_purchase(self, one: Holding, entity: PaymentEntity) -> Judgement:
        if entity.status != "succeeded":
            return _denied_payment(one, entity.status)
        if back := self._against_payment(one):
            return back
        named = f"Payment {one.id} bought it once"
        if not self._policy.bought_once.gives:
            text = f"{named}, which gives no access by the policy."
            return Judgement(False, None, "not_by_policy", text, (one,))
        return Judgement(True, None, "bought", f"{named}, and was not given back.", (one,))

    def _against_payment(self, payment: Holding) -> Judgement | None:
        """Return what took all of a payment's money back: a lost dispute, or refunds."""
        entity = payment.entity
        assert isinstance(entity, PaymentEntity)
        against = self._against.get((entity.business_id, payment.id), [])
        for one in against:
            if one.kind == "dispute" and one.entity.status in self._policy.disputes:
                text = f"Dispute {one.id} about payment {payment.id} is {one.entity.status}."
                return Judgement(False, None, "dispute_lost", text, (payment, one))
        refunds = [one for one in against if one.kind == "refund"]
        if _is_refunded(entity, refunds):
            given = tuple(one for one in refunds if one.entity.status == "succeeded")
            text = f"Payment {payment.id} was refunded as a whole."
            return Judgement(False, None, "refunded", text, (payment, *given))
        return None

    def _of_key(
        self, one: Holding, entity: LicenseKeyEntity, came_with: Judgement | None
    ) -> Judgement:
        named, status = f"Licence key {one.id}", entity.status
        grant = self._grants.get((entity.business_id, one.id, entity.customer_id))
        if grant is not None and followed(status, grant.entity.status) != status:
            text = f"{named} is disabled: its grant {grant.id} was revoked."
            return Judgement(False, None, "license_revoked", text, (one, grant))
        if status == "disabled":
            return Judgement(False, None, "license_revoked", f"{named} is disabled.", (one,))
        expired = entity.expires_at is not None and self._at >= entity.expires_at
        if status == "expired" or expired:
            return Judgement(False, None, "license_expired", f"{named} has expired.", (one,))
        if status != "active":
            return _denied(one, None, f"{named} {_UNKNOWN}.")
        if not self._policy.license_key.gives:
            text = f"{named} is active, which gives no access by the policy."
            return Judgement(False, None, "not_by_policy", text, (one,))
        given = Judgement(True, entity.expires_at, "license", f"{named} is active", (one,))
        return _as_long_as(named, given, came_with)

    def _of_grant(
        self, one: Holding, entity: EntitlementGrantEntity, came_with: Judgement | None
    ) -> Judgement:
        named, status, key = f"Grant {one.id}", entity.status, entity.license_key
        if status == "revoked":
            return Judgement(False, None, "grant_revoked", f"{named} was revoked.", (one,))
        if status is None:
            return _denied(one, None, f"{named} {_UNKNOWN}.")
        expires_at = key.expires_at if key else None
        if expires_at is not None and self._at >= expires_at:
            text = f"The licence key of {named.lower()} has expired."
            return Judgement(False, None, "license_expired", text, (one,))
        if not self._policy.grant.gives:
            text = f"{named} is {status}, which gives no access by the policy."
            return Judgement(False, None, "not_by_policy", text, (one,))
        given = Judgement(True, expires_at, "granted", f"{named} is {status}", (one,))
        return _as_long_as(named, given, came_with)


_STANDS: Final[dict[str | None, str]] = {
    "active": "is active",
    "past_due": "is past due: a renewal failed",
    "on_hold": "is on hold: a charge failed",
    "paused": "is paused",
    "cancelled": "is cancelled",
    "failed": "never began: its mandate could not be made",
    "expired": "has expired: its term is over",
    "pending": "is pending: it has not begun",
}
_UNKNOWN: Final = "has a status that no webhook has told yet"
_CODES: Final[dict[str | None, Code]] = {
    "active": "not_by_policy",
    "past_due": "past_due",
    "on_hold": "on_hold",
    "paused": "paused",
    "cancelled": "cancelled",
    "failed": "failed",
    "expired": "expired",
    "pending": "pending",
}
_ENDING: Final = frozenset(
    {
        "past_due",
        "on_hold",
        "paused",
        "cancelled",
        "expired",
        "failed",
        "pending",
        "dispute_lost",
        "refunded",
        "not_by_policy",
    }
)
"""What ends a licence key or a grant too. That a payment is under way, or failed before the one
that made it, does not."""


def _newness(grant: Holding) -> tuple[datetime, str]:
    """Return by what one of several grants of a licence key is newer than another."""
    return grant.entity.created_at, grant.id


def _as_long_as(named: str, given: Judgement, came_with: Judgement | None) -> Judgement:
    """Let what is given end with what it came with."""
    until = given.until
    if came_with is not None and not came_with.gives and came_with.code in _ENDING:
        text = f"{named} ends with what it came with: {came_with.text}"
        evidence = (*given.evidence, *came_with.evidence)
        return Judgement(False, None, came_with.code, text, evidence)
    if came_with is not None and came_with.gives and came_with.until is not None:
        until = came_with.until if until is None else min(until, came_with.until)
    told = f" until {_told(until)}" if until else ""
    evidence = given.evidence if came_with is None else (*given.evidence, *came_with.evidence)
    return Judgement(True, until, given.code, f"{given.text}{told}.", evidence)


def _giving(status: str | None, days: int | None) -> Code:
    if status == "active":
        return "active"
    if status == "past_due" or days is not None:
        return "grace"
    return "paid_through" if status == "cancelled" else "by_policy"


def _denied(one: Holding, status: str | None, text: str) -> Judgement:
    return Judgement(False, None, _CODES.get(status, "status_unknown"), text, (one,))


def _denied_payment(one: Holding, status: str | None) -> Judgement:
    if status is None:
        return _denied(one, None, f"Payment {one.id} {_UNKNOWN}.")
    if status in {"failed", "cancelled"}:
        did = "failed" if status == "failed" else "was cancelled"
        return Judgement(False, None, "payment_failed", f"Payment {one.id} {did}.", (one,))
    return Judgement(False, None, "processing", f"Payment {one.id} is under way.", (one,))


def _of_unseen(one: Holding, entity: PaymentEntity) -> Judgement:
    of = f"subscription {entity.subscription_id}, of which no webhook has been seen"
    text = f"{spoken(one.kind).capitalize()} {one.id} is for {of}."
    return Judgement(False, None, "subscription_unseen", text, (one,))


def _is_refunded(payment: PaymentEntity, refunds: Sequence[Holding]) -> bool:
    if payment.total_amount is not None:
        return payment.refunded_amount > 0 and payment.refunded_amount >= payment.total_amount
    entities = [one.entity for one in refunds if isinstance(one.entity, RefundEntity)]
    return any(one.status == "succeeded" and one.is_partial is False for one in entities)


def _told(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"
