"""What a webhook says otherwise than the one before it in the timeline, from and to."""

from __future__ import annotations

from itertools import permutations

from domain.timeline import CHANGED_CHARS_MAX, CHANGES_MAX, Change
from tests.support.histories import of_one, said

SUBSCRIPTION = {
    "subscription_id": "sub_1",
    "status": "active",
    "quantity": 1,
    "product_id": "pdt_1",
}


def changes(*lives: dict[str, object]) -> list[tuple[Change, ...]]:
    deliveries = [
        said("subscription.updated", n, f"msg_{n}", **SUBSCRIPTION | data)
        for n, data in enumerate(lives)
    ]
    told = {
        tuple(entry.changes for entry in of_one(*order).lines())
        for order in permutations(deliveries)
    }
    (only,) = told
    return list(only)


def test_the_first_webhook_changes_nothing_and_the_next_what_it_says_otherwise() -> None:
    first, second, third = changes({}, {"quantity": 3, "product_id": "pdt_2"}, {"quantity": 3})
    assert first == ()
    assert second == (Change("product_id", "pdt_1", "pdt_2"), Change("quantity", 1, 3))
    assert third == (Change("product_id", "pdt_2", "pdt_1"),)


def test_the_same_written_otherwise_is_no_change() -> None:
    _, second = changes(
        {"payment_frequency_interval": "Month", "addons": [{"addon_id": "a", "quantity": 1}]},
        {
            "payment_frequency_interval": "month",
            "addons": [{"quantity": 1, "addon_id": "a", "x": 2}],
        },
    )
    assert second == ()


def test_structures_and_times_are_told_as_json() -> None:
    scheduled = {"id": "sch_1", "product_id": "pdt_9", "effective_at": "2026-06-01T00:00:00Z"}
    _, second = changes({}, {"scheduled_change": scheduled, "paused_at": "2026-05-02T00:00:00Z"})
    (change, paused) = second
    assert (change.field, change.from_) == ("scheduled_change", None)
    assert '"product_id":"pdt_9"' in str(change.to)
    assert paused == Change("paused_at", None, "2026-05-02T00:00:00Z")


def test_words_of_dodos_are_in_changes_and_what_somebody_else_may_have_written_is_not() -> None:
    field = "cancellation_feedback"
    lives: list[dict[str, object]] = [
        {field: one} for one in ("unused", "Jane is angry", "Jane is still angry", "other")
    ]
    first, *told = changes(*lives)
    assert first == ()
    assert told == [(Change(field, "unused", None),), (), (Change(field, None, "other"),)]


def test_what_people_write_is_in_no_change_and_the_status_is_told_beside() -> None:
    _, second = changes(
        {},
        {
            "status": "on_hold",
            "metadata": {"user_id": "SECRET"},
            "tax_id": "SECRET",
            "cancellation_comment": "SECRET",
            "cancelled_by": {"actor_type": "customer", "email": "SECRET", "name": "SECRET"},
        },
    )
    assert second == (Change("cancelled_by", None, '{"actor_type":"customer"}'),)


def test_changes_are_few_and_short() -> None:
    many = {name: f"{number}" for number, name in enumerate("abc")}
    long: dict[str, object] = {
        "currency": "x" * 500,
        "addons": [{"addon_id": f"add_{n}", "quantity": n} for n in range(100)],
        **many,
    }
    _, second = changes({}, long)
    assert 0 < len(second) <= CHANGES_MAX
    assert all(len(str(one.to)) <= CHANGED_CHARS_MAX for one in second)
