"""Whatever a thing has lived through, an explanation can be checked by the deliveries it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domain.explanation.explain import (
    Explanation,
    explain,
)
from domain.explanation.rules import RULES
from tests.support.histories import NOON, of_one
from tests.support.strategies import lives, recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

    from domain.aggregate import Aggregate, Known
    from domain.delivery import Delivery
    from domain.explanation.evidence import Source


_COUNTED = {
    *("history", "refused", "settled", "missing_since", "refunded_amount", "anomaly", "drift")
}
"""The fields that follow from several deliveries together."""


_BY_FACTS = {"status", "folded_status", "stage"}


_READ = {"product_ids", "observed_status", "cart", "billing_country", "license_key_id"}
"""The fields with a rule of their own that are read from one observation all the same."""


@given(lives())
def test_the_value_is_the_fields_as_in_json(arrivals: list[Delivery]) -> None:
    aggregate = recorded(arrivals)
    for known in aggregate.entities():
        entity = msgspec.json.decode(msgspec.json.encode(known.entity))
        values = {one.field: one.value for one in _explained(aggregate, known)}
        assert values == entity


@given(lives(), st.randoms(use_true_random=False))
def test_an_explanation_is_the_same_in_every_order_of_arrival(
    arrivals: list[Delivery], random: Random
) -> None:
    shuffled = random.sample(arrivals, len(arrivals)) + random.choices(arrivals, k=3)
    assert _placeless(of_one(*arrivals)) == _placeless(of_one(*shuffled))


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


@given(lives(one_body_each=True))
def test_what_was_passed_over_can_be_taken_away(arrivals: list[Delivery]) -> None:
    aggregate = recorded(arrivals)
    for known in aggregate.entities():
        for one in _explained(aggregate, known):
            if one.field == "folded_status" or _is_read(known, one.field):
                without = _without(aggregate, one.passed_over)
                assert _value(without, known, one.field) == one.value


@given(lives(one_body_each=True))
def test_the_fact_that_moved_the_state_moves_it_from_nothing_too(arrivals: list[Delivery]) -> None:
    aggregate = recorded(arrivals)
    for known in aggregate.entities():
        one = _explain(aggregate, known, "folded_status")
        assert bool(one.set_by) == (one.value is not None) == (one.note is None)
        if one.set_by:
            assert _value(_only(aggregate, one.set_by), known, "folded_status") == one.value


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
        looked = roles == ["observation"] and entity.status == entity.folded_status
        if roles == ["observation"] and not looked:
            assert entity.status == entity.observed_status
            assert _place(one.set_by) == _place(observed.set_by)
        else:
            led = aggregate.folded()[known.kind.name, _id(known)].led
            assert entity.status in {entity.folded_status, led and led.status}
            assert len(roles) == (entity.status is not None)
        if entity.drift is not None:
            followed = roles == ["observation"] and not looked
            seen = _place(source for source in one.passed_over if source.role == "observation")
            assert followed != (_place(observed.set_by) <= seen)


@given(lives())
def test_counts_and_sums_are_those_of_their_sources(arrivals: list[Delivery]) -> None:
    aggregate = recorded(arrivals)
    for known in aggregate.entities():
        entity = known.entity
        assert _explain(aggregate, known, "refused").set_by_count == entity.refused
        partial = bool(_explain(aggregate, known, "history").set_by) or entity.folded_status is None
        if known.kind.name != "credit":
            assert (entity.history == "complete") == (not partial)
        assert _explain(aggregate, known, "settled").set_by_count == entity.settled
        assert _explain(aggregate, known, "missing_since").set_by_count == bool(
            entity.missing_since
        )
        assert bool(_explain(aggregate, known, "drift").set_by) == (entity.drift is not None)
        if "refunded_amount" in entity.__struct_fields__:
            one = _explain(aggregate, known, "refunded_amount")
            assert sum(int(str(source.said)) for source in one.set_by) == one.value
            refunds = [other for other in aggregate.entities() if other.kind.name == "refund"]
            assert one.set_by_count + one.passed_over_count == len(refunds)


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
