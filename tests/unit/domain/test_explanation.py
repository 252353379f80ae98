"""An explanation names the deliveries that a value follows from, and says how."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import msgspec
import pytest

from domain.aggregates.catalogue import KINDS
from domain.explanation.explain import (
    SOURCES_MAX,
    UnknownEntityError,
    UnknownFieldError,
    explain,
)
from domain.explanation.rules import RULES
from tests.support.histories import NOON, aggregates, of_one, said
from tests.support.strategies import recorded

if TYPE_CHECKING:
    from domain.delivery import Delivery


def test_a_status_stands_by_the_last_fact_that_moved_it() -> None:
    life = [_said("active", 0), _said("on_hold", 5), _said("renewed", 9), _said("renewed", 12)]
    for order in permutations(life):
        one = explain(of_one(*order), "subscription", "sub_1", "status")
        (source,) = one.set_by
        assert (one.value, source.role, source.said) == ("active", "fact", "renewed")
        assert (source.webhook_id, one.since) == ("msg_subscription.renewed_9", source)
        assert (one.passed_over, one.note) == ([], None)


def test_a_status_that_follows_an_observation_says_so_and_since_when() -> None:
    life = [
        _said("active", 0, status="active"),
        _said("updated", 5, status="cancelled"),
        _said("updated", 9, status="cancelled"),
    ]
    one = explain(of_one(*life), "subscription", "sub_1", "status")
    assert (one.value, one.set_by[0].webhook_id) == ("cancelled", "msg_subscription.updated_9")
    assert one.since is not None
    assert one.since.webhook_id == "msg_subscription.updated_5"
    assert one.note == (
        "The status follows what Dodo last said, cancelled, while the facts lead to active."
    )
    assert [source.said for source in one.passed_over] == ["active"]


@pytest.mark.parametrize(
    ("word", "status", "why"),
    [
        ("cancelled", "active", "cancelled is final, and only a fact leads out of it"),
        ("active", "pending", "pending counts only before a fact has set a state"),
        ("active", "failed", "no valid transitions lead from active to failed"),
        ("active", "dormant", "dormant is not a status of a subscription"),
    ],
)
def test_an_observation_that_cannot_be_followed_is_passed_over_with_the_reason(
    word: str, status: str, why: str
) -> None:
    stream = of_one(_said(word, 0, status=status))
    one = explain(stream, "subscription", "sub_1", "status")
    (passed,) = one.passed_over
    assert (one.value, passed.role, passed.said, passed.reason) == (
        word,
        "observation",
        status,
        why,
    )
    assert one.note is not None
    assert one.note.endswith(f"it is not followed: {why}.")


def test_an_observation_at_an_earlier_stage_is_passed_over_with_the_reason() -> None:
    stages = {"dispute_id": "dp_1", "dispute_status": "dispute_opened"}
    stream = of_one(
        said("dispute.opened", 0, None, **stages, dispute_stage="dispute"),
        said("dispute.opened", 5, None, **stages, dispute_stage="pre_dispute"),
    )
    status = explain(stream, "dispute", "dp_1", "status")
    assert [source.reason for source in status.passed_over] == [
        "refused: stage pre_dispute is earlier than dispute, where the dispute stands",
        "stage pre_dispute is earlier than dispute",
    ]
    stage = explain(stream, "dispute", "dp_1", "stage")
    assert (stage.value, stage.set_by[0].webhook_id) == ("dispute", "msg_dispute.opened_0")
    assert [source.said for source in stage.passed_over] == ["pre_dispute"]


def test_a_later_stage_that_is_only_observed_sets_the_stage_and_the_status() -> None:
    fact: dict[str, object] = {"dispute_id": "dp_1", "dispute_status": "dispute_opened"}
    stages = ("dispute", "pre_arbitration")
    bodies = [said("dispute.opened", 0, "msg_1", **fact, dispute_stage=one) for one in stages]
    for order in permutations(bodies):
        stream = of_one(*order)
        status = explain(stream, "dispute", "dp_1", "status")
        stage = explain(stream, "dispute", "dp_1", "stage")
        assert (status.value, status.set_by[0].role) == ("opened", "observation")
        assert (stage.value, stage.set_by[0].said) == ("pre_arbitration", "pre_arbitration")
        assert stage.note == "The stage follows what Dodo last said."


def test_a_refused_fact_is_named_with_the_reason() -> None:
    stream = of_one(_said("cancelled", 0), _said("renewed", 5))
    for field in ("status", "folded_status"):
        (passed,) = explain(stream, "subscription", "sub_1", field).passed_over
        assert (passed.role, passed.said) == ("fact", "renewed")
        assert passed.reason == (
            "refused: subscription.renewed is not a valid transition from cancelled"
        )
    refused = explain(stream, "subscription", "sub_1", "refused")
    assert (refused.value, [one.said for one in refused.set_by]) == (1, ["renewed"])


def test_a_contradicted_end_names_the_facts_that_contradict_it_and_the_end() -> None:
    life = [
        _said("cancelled", 0, status="cancelled"),
        _said("active", 5, status="active"),
        _said("renewed", 6, status="active"),
    ]
    stream = of_one(*life)
    anomaly = explain(stream, "subscription", "sub_1", "anomaly")
    assert anomaly.value == "Dodo says active after cancelled, which is final"
    assert [one.said for one in anomaly.set_by] == ["renewed", "active", "cancelled"]
    assert anomaly.set_by[0].reason.startswith("anomaly: subscription.renewed is not a valid")
    status = explain(stream, "subscription", "sub_1", "status")
    assert (status.value, status.set_by[0].said) == ("active", "active")
    assert status.note == (
        "The status follows what Dodo last said, active, while the facts lead to cancelled."
    )
    assert explain(stream, "subscription", "sub_1", "refused").value == 2
    odd = explain(
        of_one(*life, _said("updated", 9, status="dormant")), "subscription", "sub_1", "status"
    )
    assert (odd.value, [one.said for one in odd.set_by]) == ("active", ["renewed"])
    assert odd.note == "Dodo last said dormant, which does not follow from active."
    ended = of_one(*life, _said("cancelled", 9, status="cancelled"))
    again = explain(ended, "subscription", "sub_1", "anomaly")
    assert (again.value, again.set_by, again.passed_over_count) == (None, [], 2)
    assert again.note == "Dodo has said the end again since."


def test_drift_names_what_dodo_said_and_since_when() -> None:
    life = [
        _said("active", 0, status="active"),
        _said("updated", 5, status="paused"),
        _said("updated", 7),
        _said("updated", 9, status="paused"),
    ]
    one = explain(of_one(*life), "subscription", "sub_1", "drift")
    assert [(s.webhook_id, s.role, s.said) for s in one.set_by] == [
        ("msg_subscription.updated_9", "observation", "paused"),
        ("msg_subscription.active_0", "fact", "active"),
    ]
    assert one.since is not None
    assert one.since.webhook_id == "msg_subscription.updated_5"
    assert one.note == "Dodo last said paused, while the facts lead to active."


@pytest.mark.parametrize(
    ("data", "note"),
    [
        ({"status": "active"}, "What Dodo last said agrees with the facts."),
        ({}, "Dodo has said no status."),
    ],
)
def test_without_drift_the_note_tells_what_was_compared(data: dict[str, object], note: str) -> None:
    one = explain(of_one(_said("active", 0, **data)), "subscription", "sub_1", "drift")
    assert (one.value, one.set_by, one.note) == (None, [], note)


def test_a_partial_history_names_its_gaps_or_that_nothing_set_a_state() -> None:
    gap = explain(of_one(_said("paused", 0)), "subscription", "sub_1", "history")
    assert (gap.value, [source.said for source in gap.set_by]) == ("partial", ["paused"])
    unset = explain(of_one(_said("updated", 0)), "subscription", "sub_1", "history")
    assert (unset.value, unset.set_by, unset.note) == ("partial", [], "No fact has set a state.")


def test_an_ordinary_field_is_the_newest_deliverys_whatever_arrived_last() -> None:
    older, newer = _said("active", 0, quantity=1), _said("plan_changed", 5, quantity="3")
    latest = _said("renewed", 9, quantity=3)
    one = explain(recorded([latest, newer, older]), "subscription", "sub_1", "quantity")
    (source,), (passed,) = one.set_by, one.passed_over
    assert (one.value, source.said, source.position) == (3, 3, "1")
    assert (passed.said, passed.recorded_at > NOON) == (1, True)
    assert passed.reason == "a newer delivery says otherwise"
    assert one.since is not None
    assert (one.since.type, one.since.said) == ("subscription.plan_changed", "3")


@pytest.mark.parametrize(
    ("data", "shown", "note"),
    [
        ({}, None, "does not say it"),
        ({"quantity": None}, None, "does not say it"),
        ({"quantity": "many"}, "many", "says it in a way that cannot be read"),
        ({"quantity": {"secret": "SECRET17"}}, "…", "says it in a way that cannot be read"),
        ({"quantity": 2**63}, "…", "says it in a way that cannot be read"),
        ({"quantity": "x" * 501}, "x" * 500, "says it in a way that cannot be read"),
    ],
)
def test_a_field_that_the_newest_delivery_lacks_is_not_taken_from_an_older_one(
    data: dict[str, object], shown: object, note: str
) -> None:
    stream = of_one(_said("active", 0, quantity=2), _said("renewed", 5, **data))
    one = explain(stream, "subscription", "sub_1", "quantity")
    assert (one.value, one.set_by[0].said, one.passed_over[0].said) == (None, shown, 2)
    assert one.note == f"The newest delivery {note}, and no older one counts."


def test_a_link_keeps_its_last_known_value_over_newer_deliveries_that_lack_it() -> None:
    life = [
        _said("active", 0, customer={"customer_id": "cus_0", "email": "SECRET17"}),
        _said("renewed", 3, customer={"customer_id": "cus_1", "email": "SECRET17"}),
        _said("renewed", 5, customer=None),
        _said("renewed", 9),
    ]
    one = explain(of_one(*life), "subscription", "sub_1", "customer_id")
    assert (one.value, one.set_by[0].webhook_id) == ("cus_1", "msg_subscription.renewed_3")
    assert [(s.said, s.reason) for s in one.passed_over] == [
        (None, "it does not say it, so the last known stays"),
        (None, "it does not say it, so the last known stays"),
        ("cus_0", "a newer delivery says otherwise"),
    ]
    assert b"SECRET17" not in msgspec.json.encode(one)


def test_a_link_that_was_never_said_has_no_source() -> None:
    one = explain(of_one(_said("active", 0)), "subscription", "sub_1", "customer_id")
    assert (one.value, one.set_by, one.passed_over) == (None, [], [])
    assert one.note == "No delivery has said it."


def test_without_dodos_time_of_creation_the_first_fact_counts() -> None:
    stream = of_one(_said("renewed", 5), _said("active", 0, created_at="2026-04-01T00:00:00Z"))
    one = explain(stream, "subscription", "sub_1", "created_at")
    assert (one.value, one.set_by[0].role) == ("2026-05-01T12:00:00Z", "fact")
    assert [source.said for source in one.passed_over] == ["2026-04-01T00:00:00Z"]


def test_refunds_that_count_and_those_that_do_not_are_told_apart() -> None:
    def refunded(name: str, word: str, amount: object, currency: str = "USD") -> Delivery:
        data = {"payment_id": "pay_1", "refund_id": name, "amount": amount, "currency": currency}
        return said(f"refund.{word}", 5, f"msg_{name}", **data)

    paid: dict[str, object] = {"payment_id": "pay_1", "total_amount": 500, "currency": "USD"}
    stream = of_one(
        said("payment.succeeded", 0, None, **paid),
        refunded("ref_1", "succeeded", 300),
        refunded("ref_2", "succeeded", "250"),
        refunded("ref_3", "failed", 100),
        refunded("ref_4", "succeeded", 100, "INR"),
        refunded("ref_5", "succeeded", None),
    )
    one = explain(stream, "payment", "pay_1", "refunded_amount")
    assert (one.value, [source.said for source in one.set_by]) == (550, ["250", 300])
    assert [source.reason for source in one.passed_over] == [
        "ref_5: the refund does not say its amount",
        "ref_4: the refund is in another currency than the payment",
        "ref_3: the refund is failed",
    ]
    anomaly = explain(stream, "payment", "pay_1", "anomaly")
    assert anomaly.value == "the refunds exceed the total"
    assert [source.said for source in anomaly.set_by] == [500, "250", 300]


def test_each_of_several_bodies_under_one_webhook_id_is_a_source_of_its_own() -> None:
    first = said("subscription.active", 0, "msg_1", subscription_id="sub_1", status="active")
    other = said("subscription.active", 0, "msg_1", subscription_id="sub_1", status="cancelled")
    between = [_said("updated", minute, status="active") for minute in (-2, -1)]
    one = explain(recorded([first, *between, other]), "subscription", "sub_1", "status")
    (source,) = one.set_by
    assert (source.said, source.position, source.recorded_at > NOON) == ("cancelled", "4", True)


def test_of_many_sources_the_newest_are_shown_and_all_are_counted() -> None:
    stream = of_one(*(_said("updated", n, quantity=n) for n in range(SOURCES_MAX + 5)))
    one = explain(stream, "subscription", "sub_1", "quantity")
    assert (one.passed_over_count, len(one.passed_over)) == (SOURCES_MAX + 4, SOURCES_MAX)
    assert one.passed_over[0].said == SOURCES_MAX + 3


def test_a_field_that_there_is_not_is_refused_with_the_names_of_those_that_there_are() -> None:
    stream = of_one(_said("active", 0))
    with pytest.raises(UnknownFieldError, match=r"has no field colour; it has business_id, .*"):
        explain(stream, "subscription", "sub_1", "colour")


@pytest.mark.parametrize(("kind", "name"), [("subscription", "sub_2"), ("payment", "sub_1")])
def test_a_thing_that_the_stream_is_not_about_cannot_be_explained(kind: str, name: str) -> None:
    with pytest.raises(UnknownEntityError, match=f"there is no {kind} {name}"):
        explain(of_one(_said("active", 0)), kind, name, "status")


def test_a_notice_has_nothing_to_explain() -> None:
    (notice,) = aggregates([said("payout.created")]).values()
    with pytest.raises(UnknownEntityError):
        explain(notice, "notice", "msg_1", "status")


def test_every_rule_is_of_a_field_that_there_is() -> None:
    fields = {name for kind in KINDS.values() for name in kind.entity.__struct_fields__}
    assert RULES.keys() <= fields


def _said(word: str, minute: int, **data: object) -> Delivery:
    return said(f"subscription.{word}", minute, None, subscription_id="sub_1", **data)
