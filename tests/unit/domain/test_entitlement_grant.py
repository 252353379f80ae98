"""A grant's life: created, delivered, taken back, and granted again."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from domain.aggregates.entitlement_grant import EntitlementGrantEntity, GrantedKey
from domain.aggregates.license_key import followed
from tests.support.histories import of_one, said

if TYPE_CHECKING:
    from domain.delivery import Delivery


def granted(word: str, minute: int, **data: object) -> Delivery:
    return said(f"entitlement_grant.{word}", minute, None, id="grant_1", **data)


def known(*deliveries: Delivery) -> EntitlementGrantEntity:
    (one,) = of_one(*deliveries).entities()
    assert isinstance(one.entity, EntitlementGrantEntity)
    return one.entity


def test_what_was_granted_at_once_is_delivered_without_a_word_and_without_drift() -> None:
    at_once = {"status": "Delivered", "delivered_at": "2026-05-01T12:00:01Z"}
    entity = known(granted("created", 0, **at_once))
    assert (entity.status, entity.folded_status, entity.drift) == ("delivered", "delivered", None)
    assert entity.history == "complete"
    again = known(granted("created", 0, **at_once), granted("delivered", 0, **at_once))
    assert (again.status, again.drift, again.refused) == ("delivered", None, 0)


def test_a_late_body_of_a_creation_says_what_came_after_and_not_at_once() -> None:
    entity = known(granted("created", 0, status="Delivered", delivered_at="2026-05-01T12:09:00Z"))
    assert (entity.status, entity.folded_status) == ("delivered", "pending")
    assert entity.drift is not None


def test_what_was_taken_back_may_be_granted_again_in_every_order() -> None:
    life = [granted(word, n) for n, word in enumerate(["created", "delivered", "revoked"])]
    assert known(*life).status == "revoked"
    again = granted("delivered", 5, status="Delivered")
    for order in permutations([*life, again]):
        entity = known(*order)
        assert (entity.status, entity.refused, entity.history) == ("delivered", 0, "complete")


@pytest.mark.parametrize("status", ["Revoked", "revoked", "REVOKED"])
def test_the_case_of_a_status_does_not_count(status: str) -> None:
    entity = known(granted("revoked", 0, status=status))
    assert (entity.status, entity.drift) == ("revoked", None)


def test_what_opens_something_is_held_by_no_field() -> None:
    secret = "SECRET17"
    entity = known(
        granted(
            "delivered",
            0,
            license_key={"id": "lic_1", "key": secret, "status": "active", "activations_used": 2},
            digital_product_delivery={"files": [{"download_url": secret}]},
            oauth_url=secret,
        )
    )
    assert entity.license_key == GrantedKey("lic_1", "active", 2, None, None)
    assert secret not in repr(entity)


def test_the_key_of_a_grant_stays_known_when_a_later_body_does_not_name_it() -> None:
    entity = known(
        granted("delivered", 0, license_key={"id": "lic_1"}),
        granted("revoked", 1, license_key=None),
    )
    assert (entity.license_key_id, entity.license_key) == ("lic_1", None)


@pytest.mark.parametrize(
    ("own", "grant", "expected"),
    [
        ("active", "revoked", "disabled"),
        ("active", "delivered", "active"),
        ("active", None, "active"),
        ("disabled", "delivered", "disabled"),
        ("expired", "revoked", "expired"),
        (None, "revoked", None),
    ],
)
def test_a_key_follows_its_grant(own: str | None, grant: str | None, expected: str | None) -> None:
    assert followed(own, grant) == expected
