"""An explanation names the deliveries that a value follows from, and it can be checked by them."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aggregates.catalogue import KINDS
from domain.explanation.explain import (
    SOURCES_MAX,
    Explanation,
    UnknownEntityError,
    UnknownFieldError,
    explain,
)
from domain.explanation.rules import RULES
from tests.support.histories import NOON, aggregates, of_one, said
from tests.support.strategies import lives, recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

    from domain.aggregate import Aggregate, Known
    from domain.delivery import Delivery
    from domain.explanation.evidence import Source

_COUNTED = {"history", "refused", "refunded_amount", "anomaly", "drift"}
"""The fields that follow from several deliveries together."""
_BY_FACTS = {"status", "folded_status", "stage"}
_READ = {"product_ids", "observed_status"}
"""The fields with a rule of their own that are read from one observation all the same."""


@settings(max_examples=50, deadline=None)
@given(lives())
def test_the_value_is_the_fields_as_in_json(arrivals: list[Delivery]) -> None:
    aggregate = recorded(arrivals)
    for known in aggregate.entities():
        entity = msgspec.json.decode(msgspec.json.encode(known.entity))
        values = {one.field: one.value for one in _explained(aggregate, known)}
        assert values == entity


@settings(max_examples=50, deadline=None)
@given(lives(), st.randoms(use_true_random=False))
def test_an_explanation_is_the_same_in_every_order_of_arrival(
    arrivals: list[Delivery], random: Random
) -> None:
    shuffled = random.sample(arrivals, len(arrivals)) + random.choices(arrivals, k=3)
    assert _placeless(of_one(*arrivals)) == _placeless(of_one(*shuffled))


@settings(max_examples=50, deadline=None)
@given(lives())
def test_the_delivery_that_set_a_field_alone_gives_it_its_value(arrivals: list[Delivery]) -> None:
    aggregate = recorded(arrivals)
    for known in aggregate.entities():
        for one in _explained(aggregate, known):
            if one.set_by and _is_read(known, one.field):
                (source,) = one.set_by
                assert source.role == "observation"
                alone = _only(aggregate, [source])
                assert _value(alone, known, one.field) == one.value
                assert _value(_only(aggregate, _since(one)), known, one.field) == one.value


@settings(max_examples=50, deadline=None)
@given(lives(one_body_each=True))
def test_what_was_passed_over_can_be_taken_away(arrivals: list[Delivery]) -> None:
    aggregate = recorded(arrivals)
    for known in aggregate.entities():
        for one in _explained(aggregate, known):
            if one.field == "folded_status" or _is_read(known, one.field):
                without = _without(aggregate, one.passed_over)
                assert _value(without, known, one.field) == one.value


@settings(max_examples=50, deadline=None)
@given(lives(one_body_each=True))
def test_the_fact_that_moved_the_state_moves_it_from_nothing_too(arrivals: list[Delivery]) -> None:
    aggregate = recorded(arrivals)
    for known in aggregate.entities():
        one = _explain(aggregate, known, "folded_status")
        assert bool(one.set_by) == (one.value is not None) == (one.note is None)
        if one.set_by:
            assert _value(_only(aggregate, one.set_by), known, "folded_status") == one.value


@settings(max_examples=50, deadline=None)
@given(lives())
def test_the_status_stands_by_a_fact_or_follows_the_last_observation(
    arrivals: list[Delivery],
) -> None:
    aggregate = recorded(arrivals)
    for known in aggregate.entities():
        entity, one = known.entity, _explain(aggregate, known, "status")
        observed = _explain(aggregate, known, "observed_status")
        roles = [source.role for source in one.set_by]
        refused = [source.role for source in one.passed_over].count("fact")
        assert refused == entity.refused
        if roles == ["observation"]:
            assert entity.status == entity.observed_status
            assert _place(one.set_by) == _place(observed.set_by)
        else:
            led = aggregate.folded()[known.kind.name, _id(known)].led
            assert entity.status in {entity.folded_status, led and led.status}
            assert roles == ["fact"] * (entity.status is not None)
        if entity.drift is not None:
            followed = roles == ["observation"]
            seen = _place(source for source in one.passed_over if source.role == "observation")
            assert followed != (_place(observed.set_by) <= seen)


@settings(max_examples=50, deadline=None)
@given(lives())
def test_counts_and_sums_are_those_of_their_sources(arrivals: list[Delivery]) -> None:
    aggregate = recorded(arrivals)
    for known in aggregate.entities():
        entity = known.entity
        assert _explain(aggregate, known, "refused").set_by_count == entity.refused
        partial = bool(_explain(aggregate, known, "history").set_by) or entity.folded_status is None
        assert entity.history == ("partial" if partial else "complete")
        assert bool(_explain(aggregate, known, "drift").set_by) == (entity.drift is not None)
        if "refunded_amount" in entity.__struct_fields__:
            one = _explain(aggregate, known, "refunded_amount")
            assert sum(int(str(source.said)) for source in one.set_by) == one.value
            refunds = [other for other in aggregate.entities() if other.kind.name == "refund"]
            assert one.set_by_count + one.passed_over_count == len(refunds)


@settings(max_examples=50, deadline=None)
@given(lives())
def test_sources_stand_newest_first_and_name_deliveries_of_the_stream(
    arrivals: list[Delivery],
) -> None:
    aggregate = recorded(arrivals)
    events = {(e.delivery.webhook_id, str(e.position), e.recorded_at) for e in aggregate.events}
    for known in aggregate.entities():
        for one in _explained(aggregate, known):
            assert one.passed_over == _newest_first(one.passed_over)
            if one.field not in {"drift", "anomaly"}:
                assert one.set_by == _newest_first(one.set_by)
            sources = [*one.set_by, *one.passed_over, *_since(one)]
            assert {(s.webhook_id, s.position, s.recorded_at) for s in sources} <= events


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


def _id(known: Known) -> str:
    return str(getattr(known.entity, known.kind.id_field))


def _explain(aggregate: Aggregate, known: Known, field: str) -> Explanation:
    return explain(aggregate, known.kind.name, _id(known), field)


def _explained(aggregate: Aggregate, known: Known) -> Iterator[Explanation]:
    for field in known.entity.__struct_fields__:
        yield _explain(aggregate, known, field)


def _is_read(known: Known, field: str) -> bool:
    ordinary = field not in RULES and field != known.kind.id_field
    assert not ordinary or field not in _COUNTED | _BY_FACTS
    return ordinary or field in _READ


def _since(one: Explanation) -> list[Source]:
    return [] if one.since is None else [one.since]


def _value(aggregate: Aggregate, known: Known, field: str) -> object:
    return _explain(aggregate, known, field).value


def _place(sources: Iterable[Source]) -> set[tuple[str, str]]:
    return {(source.webhook_id, source.position) for source in sources}


def _only(aggregate: Aggregate, sources: list[Source]) -> Aggregate:
    positions = {source.position for source in sources}
    events = [event for event in aggregate.events if str(event.position) in positions]
    return type(aggregate)(aggregate.id, events)


def _without(aggregate: Aggregate, sources: list[Source]) -> Aggregate:
    positions = {source.position for source in sources}
    events = [event for event in aggregate.events if str(event.position) not in positions]
    return type(aggregate)(aggregate.id, events)


def _newest_first(sources: list[Source]) -> list[Source]:
    return sorted(sources, key=lambda source: source.occurred_at, reverse=True)


def _placeless(aggregate: Aggregate) -> list[Explanation]:
    def blank(source: Source) -> Source:
        return msgspec.structs.replace(source, position="", recorded_at=NOON)

    return [
        msgspec.structs.replace(
            one,
            set_by=[*map(blank, one.set_by)],
            since=one.since and blank(one.since),
            passed_over=[*map(blank, one.passed_over)],
        )
        for known in aggregate.entities()
        for one in _explained(aggregate, known)
    ]
