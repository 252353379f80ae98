"""Judging: what falls due with each event, whatever else is read with it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.factory import aggregate
from domain.aggregates.notice import Notice
from domain.look import is_look
from domain.state_machine import Verdict
from tests.support.histories import aggregates, delivery, of_one, said
from tests.support.strategies import lives, recorded
from workflows.outbox.due_facts import fallen_due, trigger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domain.aggregate import Aggregate
    from domain.delivery import Delivery
    from workflows.outbox.due_facts import Due

SPLITS = st.sets(st.integers(0, 9))
STORY = "active paused unpaused renewed on_hold past_due cancelled".split()
"""In this order all are valid; in many others some are refused at first."""

SETTLED = {
    (Verdict.REFUSED, Verdict.ANOMALY),
    (Verdict.REFUSED, Verdict.APPLIED),
    (Verdict.REFUSED, Verdict.UNCHANGED),
    (Verdict.REFUSED, None),
    (Verdict.ANOMALY, Verdict.APPLIED),
    (Verdict.ANOMALY, Verdict.UNCHANGED),
}
"""The changes of a verdict with which a fact counts for more than before."""


class Fell(NamedTuple):
    """What can be told of what fell due, apart from how it was read."""

    place: tuple[str, str, str]
    verdict: Verdict | None
    known_position: int


def fell(due: Due) -> Fell:
    one = due.trigger
    return Fell((one.kind, one.id, one.webhook_id), one.verdict, due.known_position)


def in_pages(known: Aggregate, splits: set[int]) -> Iterator[Due]:
    """Read a stream page by page: each up to one of the splits, the last up to the end."""
    ends = sorted({0, len(known.events), *(one for one in splits if one < len(known.events))})
    for after, end in pairwise(ends):
        yield from fallen_due(aggregate(known.id, known.events[:end]), after)


def by_the_book(known: Aggregate) -> list[Fell]:
    """Say what falls due, event by event, by nothing but what is known before and after it."""
    found, verdicts = [], dict[tuple[str, str, str], Verdict | None]()
    for count in range(1, len(known.events) + 1):
        for entry in aggregate(known.id, known.events[:count]).timeline():
            if is_look(entry.type):
                continue
            place = entry.kind, entry.id, entry.webhook_id
            is_new = place not in verdicts
            before = None if is_new else verdicts[place]
            if is_new or (before, entry.verdict) in SETTLED:
                found.append(Fell(place, entry.verdict, count))
            verdicts[place] = entry.verdict
    return found


def first_not_refused(due: Sequence[Due]) -> list[str]:
    """Return what a route without `refused` starts: each event once, as the outbox has it once."""
    firing = [one.trigger.webhook_id for one in due if one.trigger.verdict != Verdict.REFUSED]
    return list(dict.fromkeys(firing))


def test_an_anomaly_falls_due_again_when_it_turns_out_to_be_a_transition() -> None:
    # A mandate that fails after the beginning is refused, so what comes after it is valid.
    told = [
        said("subscription.failed", 1, "msg_1", subscription_id="sub_1", status="failed"),
        said("subscription.renewed", 2, "msg_2", subscription_id="sub_1", status="active"),
        said("subscription.active", 0, "msg_3", subscription_id="sub_1", status="active"),
    ]
    due = list(in_pages(recorded(told), {0, 1, 2}))
    assert [(one.trigger.webhook_id, one.trigger.verdict) for one in due] == [
        ("msg_1", Verdict.APPLIED),
        ("msg_2", Verdict.ANOMALY),
        ("msg_3", Verdict.APPLIED),
        ("msg_2", Verdict.UNCHANGED),
    ]


@given(lives(), SPLITS)
def test_what_falls_due_is_the_same_however_the_log_is_cut_into_pages(
    arrivals: list[Delivery], splits: set[int]
) -> None:
    known = recorded(arrivals)
    found = list(in_pages(known, splits))
    assert [fell(one) for one in found] == by_the_book(known)
    whole = list(fallen_due(known, 0))
    assert found == whole


@given(lives(one_body_each=True), SPLITS)
def test_each_event_that_is_not_refused_in_the_end_has_fallen_due_once(
    arrivals: list[Delivery], splits: set[int]
) -> None:
    known = recorded(arrivals)
    due = list(in_pages(known, splits))
    facts = [e for e in known.timeline() if not is_look(e.type)]
    accepted = {e.webhook_id for e in facts if e.verdict is not Verdict.REFUSED}
    started = first_not_refused(due)
    assert accepted <= set(started)
    # With every event a route that takes refused ones as well starts exactly one job.
    assert {one.trigger.webhook_id for one in due} == {one.webhook_id for one in facts}
    new = Counter(fell(one).place for one in due if one.trigger.position == one.known_position)
    assert set(new.values()) <= {1}


@given(lives(), SPLITS)
def test_positions_never_go_back(arrivals: list[Delivery], splits: set[int]) -> None:
    known = recorded(arrivals)
    positions = [one.known_position for one in in_pages(known, splits)]
    assert positions == sorted(positions)
    assert all(one.trigger.position <= one.known_position for one in fallen_due(known, 0))


@given(lives())
def test_what_is_loaded_for_a_job_is_what_fell_due(arrivals: list[Delivery]) -> None:
    known = recorded(arrivals)
    for one, position in fallen_due(known, 0):
        then = aggregate(known.id, [e for e in known.events if (e.position or 0) <= position])
        loaded = trigger(then, one.webhook_id, one.position)
        assert loaded is not None
        if (loaded.kind, loaded.id) == (one.kind, one.id):  # but where one event tells of two
            assert loaded._replace(entity=None) == one


@given(lives(), st.sampled_from(["subscription.*", "payment.succeeded", "dispute.opened"]))
def test_only_wanted_types_are_given(arrivals: list[Delivery], wanted: str) -> None:
    known = recorded(arrivals)

    def wants(type_: str) -> bool:
        return type_.startswith(wanted.rstrip("*"))

    everything = list(fallen_due(known, 0))
    some = list(fallen_due(known, 0, wants))
    assert some == [one for one in everything if wants(one.trigger.type)]


def about_sub(type_: str, minute: int) -> Delivery:
    return said(f"subscription.{type_}", minute, f"msg_{type_}", subscription_id="sub_1")


@given(st.permutations([*enumerate(STORY)]), SPLITS)
def test_a_story_told_in_any_order_falls_due_the_same_however_it_is_read(
    told: list[tuple[int, str]], splits: set[int]
) -> None:
    known = of_one(*(about_sub(word, minute) for minute, word in told))
    assert [fell(one) for one in in_pages(known, splits)] == by_the_book(known)


def test_a_refused_fact_falls_due_again_behind_the_one_that_was_missing() -> None:
    known = of_one(
        about_sub("active", 0),
        about_sub("paused", 1),
        about_sub("renewed", 3),
        about_sub("unpaused", 2),
    )
    for split in range(5):
        found = [fell(one) for one in in_pages(known, {split})]
        assert [(one.place[2], one.verdict, one.known_position) for one in found] == [
            ("msg_active", Verdict.APPLIED, 1),
            ("msg_paused", Verdict.APPLIED, 2),
            ("msg_renewed", Verdict.REFUSED, 3),
            ("msg_unpaused", Verdict.APPLIED, 4),
            ("msg_renewed", Verdict.UNCHANGED, 4),
        ]


def test_what_no_machine_judges_falls_due_as_it_comes() -> None:
    (known,) = aggregates([said("payout.reversed", 0, "msg_1", payout_id="po_1")]).values()
    assert isinstance(known, Notice)
    ((one, position),) = fallen_due(known, 0)
    assert (one.type, one.verdict, one.webhook_id, position) == (
        "payout.reversed",
        None,
        "msg_1",
        1,
    )


def test_what_cannot_be_read_never_falls_due() -> None:
    (known,) = aggregates([delivery(b"[]", "msg_1")]).values()
    assert list(fallen_due(known, 0)) == []


def test_a_number_that_no_float_can_hold_is_no_obstacle() -> None:
    body = said("payment.succeeded", 0, "msg_1", payment_id="pay_1", metadata={"n": 0}).body
    known = of_one(delivery(body.replace(b'"n":0', b'"n":1e999'), "msg_1"))
    ((one, _),) = fallen_due(known, 0)
    assert one.payload["data"]["metadata"] == {"n": float("inf")}


def test_one_webhook_id_that_tells_of_two_things_is_loaded_as_the_one_that_fell_due() -> None:
    known = of_one(
        said("payment.succeeded", 0, "msg_1", payment_id="pay_1"),
        said("refund.succeeded", 1, "msg_1", payment_id="pay_1", refund_id="ref_1"),
    )
    found = [trigger(known, "msg_1", position) for position in (1, 2)]
    assert [one and one.type for one in found] == ["payment.succeeded", "refund.succeeded"]
    assert trigger(known, "msg_2") is None
