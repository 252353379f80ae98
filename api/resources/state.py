"""The state of a person in one answer: what there is, what may be had, and how sure that is."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from msgspec import Meta

from api.answers.named import called, name_of, names_of, with_names
from api.answers.persons import Identified
from api.answers.state import (
    HeldGrant,
    HeldKey,
    HeldPurchase,
    HeldSubscription,
    OpenDispute,
    Price,
    ProductAccess,
    State,
    Unpaid,
)
from api.http.errors import never_seen
from api.http.operations import Operation
from api.http.parameters import Text, text
from api.http.questions import Past
from api.queries.holdings import Gathered, gather
from api.queries.persons import PersonQuery
from domain.access.access import Access, decide, products
from domain.access.doubts import doubts
from domain.access.judgement import Judgement, judge
from domain.aggregates.dispute import OPEN, DisputeEntity
from domain.aggregates.entitlement_grant import EntitlementGrantEntity
from domain.aggregates.license_key import LicenseKeyEntity
from domain.aggregates.payment import PaymentEntity
from domain.aggregates.subscription import SubscriptionEntity
from domain.field_readers import TEXT_CHARS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from api.answers.named import Names
    from api.queries.read_side import ReadSide
    from domain.access.holding import Holding
    from domain.access.policy import Policy


class CustomerStateQuery(Past, frozen=True, kw_only=True):
    """Asks for the state of a customer."""

    id: Annotated[Text, Meta(description="Dodo's id of the customer.")]


class ExternalStateQuery(Past, frozen=True, kw_only=True):
    """Asks for the state of a person by the merchant's own id."""

    external_id: Annotated[
        str,
        text(TEXT_CHARS_MAX),
        Meta(description="Your own id of the person, from the metadata."),
    ]


async def state(read_side: ReadSide, query: PersonQuery) -> State:
    """Tell the state of a person.

    Raises:
        ApiError: 404, nothing of the person was there at that time; 400; 503.
    """
    found = await gather(read_side, query, Identified)
    if not found.is_known:
        raise never_seen("customer")
    names = await read_side.names.of(found.products())
    return _state(found, read_side.rules.policy.current(), names)


def _state(found: Gathered[Identified], policy: Policy, names: Names) -> State:
    judgements = judge(found.holdings, found.at, policy)
    held = _Held([], [], [], [], names)
    of_product: dict[str, list[Judgement]] = defaultdict(list)
    for one in judgements:
        held.add(one)
        for product_id in one.holding.product_ids:
            of_product[product_id].append(one)
    others = [one for one in held.subscriptions if one.status != "active"]
    return State(
        at=found.at,
        customers=found.customers,
        access=with_names(decide(judgements, None), names),
        active=[one for one in held.subscriptions if one.status == "active"],
        in_grace=[one for one in others if one.access],
        without_access=[one for one in others if not one.access],
        bought_once=held.purchases,
        license_keys=held.keys,
        grants=held.grants,
        open_disputes=[
            _dispute(one.entity)
            for one in found.holdings
            if isinstance(one.entity, DisputeEntity) and one.entity.status in OPEN
        ],
        unpaid=_unpaid(found.holdings, names),
        products=[
            _product(product_id, decide(of_product[product_id], product_id), names)
            for product_id in products(found.holdings)
        ],
        doubts=[*found.doubts, *doubts(found.holdings, found.at)],
        freshness=found.freshness,
    )


class _Held(NamedTuple):
    """What is judged, as it is told of each kind."""

    subscriptions: list[HeldSubscription]
    purchases: list[HeldPurchase]
    keys: list[HeldKey]
    grants: list[HeldGrant]
    names: Names

    def add(self, one: Judgement) -> None:
        entity = one.holding.entity
        if isinstance(entity, SubscriptionEntity):
            self.subscriptions.append(_subscription(one, entity, self.names))
        elif isinstance(entity, PaymentEntity):
            if entity.status == "succeeded" and entity.subscription_id is None:
                self.purchases.append(_purchase(one, entity, self.names))
        elif isinstance(entity, LicenseKeyEntity):
            self.keys.append(_key(one, entity, self.names))
        elif isinstance(entity, EntitlementGrantEntity):
            self.grants.append(_grant(one, entity))


def _subscription(judged: Judgement, entity: SubscriptionEntity, names: Names) -> HeldSubscription:
    goes_on = entity.status == "active" and not entity.cancel_at_next_billing_date
    return HeldSubscription(
        subscription_id=entity.subscription_id,
        product_id=entity.product_id,
        product_name=name_of(names, entity.business_id, entity.product_id),
        status=entity.status,
        access=judged.gives,
        access_until=judged.until,
        reason=judged.text,
        price=Price(
            entity.recurring_pre_tax_amount,
            entity.currency,
            entity.quantity,
            entity.payment_frequency_count,
            entity.payment_frequency_interval,
        ),
        next_charge_at=entity.next_billing_date if goes_on and not entity.on_demand else None,
        next_billing_date=entity.next_billing_date,
        cancel_at_next_billing_date=entity.cancel_at_next_billing_date,
        past_due_ends_at=entity.past_due_ends_at,
        created_at=entity.created_at,
    )


def _purchase(judged: Judgement, entity: PaymentEntity, names: Names) -> HeldPurchase:
    return HeldPurchase(
        payment_id=entity.payment_id,
        product_ids=entity.product_ids,
        product_names=names_of(names, entity.business_id, entity.product_ids),
        access=judged.gives,
        reason=judged.text,
        total_amount=entity.total_amount,
        refunded_amount=entity.refunded_amount,
        currency=entity.currency,
        created_at=entity.created_at,
    )


def _key(judged: Judgement, entity: LicenseKeyEntity, names: Names) -> HeldKey:
    return HeldKey(
        id=entity.id,
        product_id=entity.product_id,
        product_name=name_of(names, entity.business_id, entity.product_id),
        status="disabled" if judged.code == "license_revoked" else entity.status,
        access=judged.gives,
        access_until=judged.until,
        reason=judged.text,
        activations_limit=entity.activations_limit,
        instances_count=entity.instances_count,
        expires_at=entity.expires_at,
    )


def _grant(judged: Judgement, entity: EntitlementGrantEntity) -> HeldGrant:
    return HeldGrant(
        id=entity.id,
        entitlement_id=entity.entitlement_id,
        integration_type=entity.integration_type,
        status=entity.status,
        access=judged.gives,
        access_until=judged.until,
        reason=judged.text,
        payment_id=entity.payment_id,
        subscription_id=entity.subscription_id,
        license_key_id=entity.license_key_id,
        delivered_at=entity.delivered_at,
        revoked_at=entity.revoked_at,
    )


def _dispute(entity: DisputeEntity) -> OpenDispute:
    return OpenDispute(
        dispute_id=entity.dispute_id,
        payment_id=entity.payment_id,
        status=entity.status,
        stage=entity.stage,
        amount=entity.amount,
        currency=entity.currency,
        created_at=entity.created_at,
    )


def _unpaid(holdings: Iterable[Holding], names: Names) -> list[Unpaid]:
    payments = [one.entity for one in holdings if isinstance(one.entity, PaymentEntity)]
    payments.sort(key=lambda one: (one.created_at, one.payment_id))
    paid_at = {one.subscription_id: one.created_at for one in payments if one.status == "succeeded"}
    return [
        Unpaid(
            payment_id=one.payment_id,
            subscription_id=one.subscription_id,
            product_ids=one.product_ids,
            product_names=names_of(names, one.business_id, one.product_ids),
            total_amount=one.total_amount,
            currency=one.currency,
            error_code=one.error_code,
            created_at=one.created_at,
        )
        for one in payments
        if one.status == "failed" and not _was_paid_later(one, paid_at)
    ]


def _was_paid_later(payment: PaymentEntity, paid_at: Mapping[str | None, datetime]) -> bool:
    later = paid_at.get(payment.subscription_id) if payment.subscription_id else None
    return later is not None and later >= payment.created_at


def _product(product_id: str, access: Access, names: Names) -> ProductAccess:
    found = with_names(access, names)
    return ProductAccess(
        found.access,
        found.until,
        found.reason,
        found.rests_on,
        product_id=product_id,
        product_name=called(names, product_id),
    )


async def _of_customer(read_side: ReadSide, query: CustomerStateQuery) -> State:
    person = PersonQuery(customer_id=query.id, as_of=query.as_of, known_at=query.known_at)
    return await state(read_side, person)


async def _of_external(read_side: ReadSide, query: ExternalStateQuery) -> State:
    person = PersonQuery(external_id=query.external_id, as_of=query.as_of, known_at=query.known_at)
    return await state(read_side, person)


_NEVER_SEEN: Final = {404: "Nothing of such a customer was there."}
GET_CUSTOMER_STATE: Final = Operation["ReadSide", CustomerStateQuery, State](
    path="/v1/customers/{id:path}/state",
    name="get_customer_state",
    summary="Get all that counts of a customer now: what there is, access, and how sure that is.",
    handle=_of_customer,
    takes=CustomerStateQuery,
    answers=State,
    may_fail=_NEVER_SEEN,
)
GET_EXTERNAL_STATE: Final = Operation["ReadSide", ExternalStateQuery, State](
    path="/v1/customers/external/{external_id:path}/state",
    name="get_customer_state_by_external_id",
    summary="Get all that counts of a person by your own id of theirs.",
    handle=_of_external,
    takes=ExternalStateQuery,
    answers=State,
    may_fail=_NEVER_SEEN,
)
