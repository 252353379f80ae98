"""A licence key's life: its creation is announced, whatever comes later is only observed."""

from __future__ import annotations

from itertools import permutations

import pytest

from domain.aggregates.license_key import LicenseKeyEntity
from domain.delivery import Delivery
from tests.support.histories import delivery, of_one, rendered, said
from tests.support.samples import samples

STATUSES = ["active", "disabled", "expired"]


def _created(minute: int = 0, status: str | None = None, **data: object) -> Delivery:
    stated = {"status": status} if status else {}
    return said("license_key.created", minute, None, **{"id": "lic_1"} | stated | data)


def _known(*deliveries: Delivery) -> LicenseKeyEntity:
    (known,) = of_one(*deliveries).entities()
    assert isinstance(known.entity, LicenseKeyEntity)
    return known.entity


def test_a_key_that_was_created_is_active() -> None:
    entity = _known(_created())
    assert (entity.status, entity.folded_status, entity.observed_status) == (
        "active",
        "active",
        None,
    )
    assert (entity.history, entity.drift, entity.refused) == ("complete", None, 0)


def test_created_again_is_valid_and_changes_nothing() -> None:
    verdicts = [entry.verdict for entry in of_one(_created(5), _created(0)).timeline()]
    assert verdicts == ["applied", "unchanged"]


@pytest.mark.parametrize("observed", STATUSES)
def test_a_key_follows_what_is_observed(observed: str) -> None:
    entity = _known(_created(0, observed))
    assert (entity.status, entity.folded_status) == (observed, "active")
    # No event announces what may come of it, so none is missing.
    assert entity.drift is None


@pytest.mark.parametrize(("before", "after"), list(permutations(STATUSES, 2)))
def test_a_key_follows_in_any_direction_by_what_occurred_last(before: str, after: str) -> None:
    history = [_created(0, before), _created(5, after)]
    for order in permutations(history):
        assert _known(*order).status == after


def test_a_status_that_no_schema_lists_is_drift_and_is_not_followed() -> None:
    entity = _known(_created(0, "frozen"))
    assert (entity.status, entity.observed_status) == ("active", "frozen")
    assert entity.drift is not None
    assert (entity.drift.folded, entity.drift.observed) == ("active", "frozen")


def test_a_later_creation_that_says_no_status_leaves_the_key_as_it_was_observed() -> None:
    assert _known(_created(0, "disabled"), _created(5)).status == "disabled"


def test_the_key_itself_is_a_credential_and_stays_in_the_body() -> None:
    body = samples()["license_key.created"]
    stream = of_one(delivery(body))
    assert b"RAPH-DESK-7Q2M-K9XD" in body
    assert b"RAPH-DESK-7Q2M-K9XD" not in rendered({stream.id: stream})


def test_a_key_may_have_no_payment() -> None:
    entity = _known(_created(payment_id=None, subscription_id="sub_1", customer_id="cus_1"))
    assert (entity.payment_id, entity.subscription_id) == (None, "sub_1")
    assert entity.customer_id == "cus_1"
