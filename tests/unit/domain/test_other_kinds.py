"""Dunning, abandoned checkouts and payouts: what is named oddly, seen only, or ordered loosely."""

from __future__ import annotations

from itertools import permutations

import pytest

from tests.support.histories import of_one, said

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


def test_the_older_name_of_a_new_payout_is_understood() -> None:
    (known,) = of_one(said("payout.not_initiated", 0, None, payout_id="pyt_1")).entities()
    assert known.entity.status == "not_initiated"
