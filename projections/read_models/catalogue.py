"""Every read model, and every list that is made of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from projections.read_models import (
    abandoned_checkouts,
    credit_accounts,
    disputes,
    dunnings,
    entitlement_grants,
    license_keys,
    payments,
    payouts,
    products,
    refunds,
    subscriptions,
)
from projections.read_models.anomaly_spans import ANOMALY_SPANS
from projections.read_models.customer_records import CUSTOMER_RECORDS
from projections.read_models.holdings import HOLDINGS
from projections.read_models.identities import IDENTITIES
from projections.read_models.joint_anomalies import JOINT_ANOMALIES
from projections.read_models.periods import PERIODS
from projections.read_models.recurring import RECURRING
from projections.read_models.takings import TAKINGS
from projections.read_models.timeline import TIMELINE
from projections.read_models.unfit_payments import UNFIT_PAYMENTS

if TYPE_CHECKING:
    from projections.listing import Listing
    from projections.read_model import ReadModel

READ_MODELS: Final[tuple[ReadModel, ...]] = (
    subscriptions.SUBSCRIPTIONS,
    payments.PAYMENTS,
    refunds.REFUNDS,
    disputes.DISPUTES,
    license_keys.LICENSE_KEYS,
    entitlement_grants.ENTITLEMENT_GRANTS,
    credit_accounts.CREDITS,
    credit_accounts.CREDIT_ENTRIES,
    dunnings.DUNNINGS,
    abandoned_checkouts.ABANDONED_CHECKOUTS,
    payouts.PAYOUTS,
    products.PRODUCTS,
    CUSTOMER_RECORDS,
    TIMELINE,
    PERIODS,
    ANOMALY_SPANS,
    JOINT_ANOMALIES,
    IDENTITIES,
    HOLDINGS,
    UNFIT_PAYMENTS,
    RECURRING,
    TAKINGS,
)
# Any: the lists are of different entities.
LISTINGS: Final[dict[str, Listing[Any]]] = {
    listing.resource: listing
    for listing in (
        subscriptions.LISTING,
        payments.LISTING,
        refunds.LISTING,
        disputes.LISTING,
        license_keys.LISTING,
        entitlement_grants.LISTING,
        credit_accounts.LISTING,
        dunnings.LISTING,
        abandoned_checkouts.LISTING,
        payouts.LISTING,
        products.LISTING,
    )
}
