"""Dunning, abandoned checkouts and payouts: what is named oddly, seen only, or ordered loosely."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from domain.aggregates.payout import PayoutEntity
from domain.explanation.explain import explain
from domain.periods import periods
from tests.support.histories import of_one, said

if TYPE_CHECKING:
    from domain.delivery import Delivery

ATTEMPT = {"subscription_id": "sub_1", "created_at": "2026-05-01T11:00:00Z", "customer_id": "cus_1"}


def test_the_attempts_for_one_subscription_are_told_apart_by_when_they_were_made() -> None:
    later = ATTEMPT | {"created_at": "2026-05-09T11:00:00.5Z"}
    stream = of_one(
        said("dunning.started", 0, None, **ATTEMPT),
        said("dunning.started", 1, "msg_2", **later),
        said("dunning.recovered", 2, None, **ATTEMPT | {"created_at": "2026-05-01T13:00:00+02:00"}),
    )
    found = {one.entity.id: one.entity.status for one in stream.entities()}  # type: ignore[attr-defined]  # of attempts
    assert found == {
        "sub_1/2026-05-01T11:00:00Z": "recovered",
        "sub_1/2026-05-09T11:00:00.500000Z": "recovering",
    }


@pytest.mark.parametrize(
    ("type_", "names", "status"),
    [
        ("dunning.started", ATTEMPT, "exhausted"),
        ("abandoned_checkout.detected", {"payment_id": "pay_1"}, "opted_out"),
        ("license_key.created", {"id": "lic_1"}, "disabled"),
    ],
)
def test_a_state_that_nobody_announces_is_followed_and_is_no_drift(
    type_: str, names: dict[str, object], status: str
) -> None:
    (known,) = of_one(said(type_, 0, None, **names, status=status)).entities()
    assert (known.entity.status, known.entity.observed_status) == (status, status)
    assert known.entity.drift is None


def test_giving_up_after_a_recovery_is_not_followed_and_is_drift() -> None:
    life = [
        said("dunning.started", 0, None, **ATTEMPT),
        said("dunning.recovered", 1, None, **ATTEMPT, status="exhausted"),
    ]
    (known,) = of_one(*life).entities()
    assert known.entity.status == "recovered"
    assert known.entity.drift is not None


def test_a_payout_may_fail_after_it_has_succeeded_and_the_other_way_round() -> None:
    words = ["created", "in_progress", "success", "failed"]
    life = [said(f"payout.{word}", n, None, payout_id="pyt_1") for n, word in enumerate(words)]
    for order in permutations(life):
        (known,) = of_one(*order).entities()
        assert (known.entity.status, known.entity.refused) == ("failed", 0)
        assert known.entity.history == "complete"


def payout(word: str, minute: int, status: str, updated: int, **data: object) -> Delivery:
    """Say a fact in a body that was written at another minute than it occurred."""
    written = f"2026-05-01T12:{updated:02}:00Z"
    told = {"payout_id": "pyt_1", "status": status, "updated_at": written, "amount": updated}
    return said(f"payout.{word}", minute, None, **told | data)


def test_of_payouts_the_body_that_was_written_last_is_the_newest_whatever_its_fact() -> None:
    # The first webhook was sent again after the money had come back and gone out once more.
    life = [
        payout("in_progress", 1, "success", 9),
        payout("success", 3, "success", 3),
        payout("failed", 5, "failed", 5),
    ]
    for order in permutations(life):
        (known,) = of_one(*order).entities()
        entity = known.entity
        assert isinstance(entity, PayoutEntity)
        assert (entity.status, entity.folded_status, entity.amount) == ("success", "failed", 9)
        assert entity.drift is not None
        assert entity.drift.webhook_id == "msg_payout.in_progress_1"
        # The webhook that was lost, once it comes, settles it.
        (known,) = of_one(*order, payout("success", 9, "success", 9)).entities()
        assert (known.entity.status, known.entity.drift) == ("success", None)


def test_what_a_body_that_is_older_says_sets_nothing_and_explains_nothing() -> None:
    life = of_one(payout("success", 1, "failed", 9), payout("in_progress", 5, "in_progress", 5))
    for field, value in (("status", "failed"), ("amount", 9)):
        explanation = explain(life, "payout", "pyt_1", field)
        assert explanation.value == value
        assert [one.webhook_id for one in explanation.set_by] == ["msg_payout.success_1"]
    # As of a moment before the second fact the first body was all there was.
    assert [(one.valid_from.minute, one.status) for one in periods(life)] == [(1, "failed")]


@pytest.mark.parametrize("last", ["success", "failed"])
def test_of_two_bodies_under_one_webhook_id_the_one_that_was_written_last_counts(last: str) -> None:
    other = {"success": "failed", "failed": "success"}[last]
    bodies = [payout("success", 1, other, 1), payout("success", 1, last, 5)]
    for order in permutations(bodies):
        (known,) = of_one(*order).entities()
        assert known.entity.status == last


def test_a_payout_whose_bodies_do_not_say_when_they_were_written_follows_its_timeline() -> None:
    life = [
        payout("success", 1, "success", 9),
        payout("failed", 5, "failed", 0, updated_at=None),
    ]
    for order in permutations(life):
        (known,) = of_one(*order).entities()
        assert (known.entity.status, known.entity.drift) == ("failed", None)


def test_a_grant_that_was_granted_again_is_known_by_the_body_that_was_written_last() -> None:
    def grant(word: str, minute: int, status: str, updated: int) -> Delivery:
        written = f"2026-05-01T12:{updated:02}:00Z"
        return said(f"entitlement_grant.{word}", minute, None, id="g", status=status,
                    updated_at=written)  # fmt: skip

    life = [
        grant("created", 0, "Delivered", 7),
        grant("revoked", 3, "Revoked", 3),
    ]
    for order in permutations(life):
        (known,) = of_one(*order).entities()
        assert (known.entity.status, known.entity.folded_status) == ("delivered", "revoked")


def test_the_older_name_of_a_new_payout_is_understood() -> None:
    (known,) = of_one(said("payout.not_initiated", 0, None, payout_id="pyt_1")).entities()
    assert known.entity.status == "not_initiated"
