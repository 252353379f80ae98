"""An aggregate at an instant equals the one built from what had occurred, or was known, by then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict, cast

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.catalogue import KINDS
from tests.support.histories import NOON, aggregates, delivery, of_one, said
from tests.support.strategies import MINUTES, lives, recorded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domain.aggregate import Aggregate
    from domain.delivery import Delivery
    from domain.event import Event


class Body(TypedDict):
    type: str
    timestamp: datetime
    data: dict[str, object]


_INSTANTS = st.builds(
    lambda minute, seconds: NOON + timedelta(minutes=minute, seconds=seconds),
    st.integers(-1, MINUTES + 1),
    st.sampled_from([-1, 0, 1]),
)


@given(lives(), _INSTANTS)
def test_as_of_an_instant_it_is_built_from_the_facts_that_had_occurred(
    arrivals: list[Delivery], instant: datetime
) -> None:
    whole = recorded(arrivals)
    _assert_built_from(_occurred(whole.events, instant), whole.at(as_of=instant))


@given(lives(), _INSTANTS)
def test_as_known_at_an_instant_it_is_built_from_what_had_been_recorded(
    arrivals: list[Delivery], instant: datetime
) -> None:
    whole = recorded(arrivals)
    _assert_built_from(
        _recorded(whole.events, instant), whole.at(known_position=_position(whole, instant))
    )


@given(lives(), _INSTANTS, _INSTANTS)
def test_both_at_once_ask_what_was_known_then_about_an_earlier_time(
    arrivals: list[Delivery], as_of: datetime, known_at: datetime
) -> None:
    whole = recorded(arrivals)
    known_position = _position(whole, known_at)
    was = whole.at(as_of=as_of, known_position=known_position)
    _assert_built_from(_occurred(_recorded(whole.events, known_at), as_of), was)
    assert was.events == whole.at(known_position=known_position).at(as_of=as_of).events


@given(lives())
def test_at_the_last_instants_it_is_the_whole(arrivals: list[Delivery]) -> None:
    whole = recorded(arrivals)
    last = NOON + timedelta(minutes=MINUTES)
    for now in (whole.at(), whole.at(as_of=last), whole.at(known_position=whole.version)):
        assert (now.events, now.entities()) == (whole.events, whole.entities())
        assert now.timeline() == whole.timeline()


def test_what_occurs_later_does_not_show_as_of_an_instant_and_the_instant_itself_counts() -> None:
    active = said("subscription.active", 0, subscription_id="sub_1")
    cancelled = said("subscription.cancelled", 9, subscription_id="sub_1")
    whole = of_one(cancelled, active)
    assert [_status(whole, minute) for minute in (-1, 0, 8, 9, 10)] == [
        None,
        "active",
        "active",
        "cancelled",
        "cancelled",
    ]


def test_a_late_arrival_changes_what_was_true_and_not_what_was_known() -> None:
    renewed = said("subscription.renewed", 1, subscription_id="sub_1")
    again = said("subscription.renewed", 1, "msg_again", subscription_id="sub_1")
    late = said("subscription.cancelled", 2, subscription_id="sub_1")
    whole = recorded([renewed, again, late])
    (then,) = whole.at(as_of=NOON + timedelta(minutes=2), known_position=2).entities()
    (now,) = whole.at(as_of=NOON + timedelta(minutes=2)).entities()
    assert (then.entity.status, now.entity.status) == ("active", "cancelled")


def test_a_further_body_of_a_fact_belongs_to_the_time_of_the_fact() -> None:
    first = said("subscription.active", 0, "msg_1", subscription_id="sub_1", quantity=1)
    other = said("subscription.active", 5, "msg_1", subscription_id="sub_1", quantity=2)
    assert of_one(first, other).at(as_of=NOON).version == 2
    assert of_one(other).at(as_of=NOON).version == 0


def test_what_was_not_yet_known_does_not_move_a_fact_to_its_earlier_time() -> None:
    first = said("subscription.active", 2, "msg_1", subscription_id="sub_1", quantity=1)
    between = [said("subscription.updated", n, subscription_id="sub_1") for n in (3, 4)]
    earlier = said("subscription.active", 0, "msg_1", subscription_id="sub_1", quantity=2)
    whole = recorded([first, *between, earlier])
    assert whole.at(as_of=NOON).version == 2
    assert whole.at(as_of=NOON, known_position=2).version == 0


def test_before_anything_is_known_nothing_is_there() -> None:
    for built in aggregates([said("dispute.won", dispute_id="dp_1"), delivery(b"{")]).values():
        nothing = built.at(known_position=0)
        assert (nothing.version, nothing.entities(), nothing.timeline()) == (0, [], [])
        assert nothing.at(as_of=NOON).timeline() == []


def test_a_notice_occurs_when_it_says_so_and_else_when_it_was_recorded() -> None:
    payout, unreadable = said("payout.created", 5, "msg_7"), delivery(b"not json", "msg_8")
    for one, occurred_at in ((payout, NOON + timedelta(minutes=5)), (unreadable, NOON)):
        notice = of_one(one)
        assert notice.at(as_of=occurred_at).timeline() == notice.timeline()
        assert notice.at(as_of=occurred_at - timedelta(seconds=1)).timeline() == []


def _status(whole: Aggregate, minute: int) -> str | None:
    known = whole.at(as_of=NOON + timedelta(minutes=minute)).entities()
    return known[0].entity.status if known else None


def _position(whole: Aggregate, instant: datetime) -> int:
    """Return the last position recorded by an instant."""
    return max((event.position or 0 for event in _recorded(whole.events, instant)), default=0)


def _recorded(events: Iterable[Event], instant: datetime) -> list[Event]:
    return [event for event in events if event.recorded_at and event.recorded_at <= instant]


def _occurred(events: list[Event], instant: datetime) -> list[Event]:
    # A fact occurs when the first of the bodies under its webhook-id says so.
    first: dict[tuple[object, ...], datetime] = {}
    for event in events:
        name, occurred_at = _fact(event)
        first[name] = min(first.get(name, occurred_at), occurred_at)
    return [event for event in events if first[_fact(event)[0]] <= instant]


def _fact(event: Event) -> tuple[tuple[object, ...], datetime]:
    body = msgspec.json.decode(event.delivery.body, type=Body)
    first, _, rest = body["type"].partition(".")
    kind = rest.rpartition("_")[0] if first == "raphus" else first
    names = tuple(body["data"][name] for name in KINDS[kind].names)
    name = (kind, names, event.delivery.webhook_id)
    return name, body["timestamp"]


def _assert_built_from(events: list[Event], was: Aggregate) -> None:
    """Take the deliveries of the events anew, and compare all but where they stand in the log."""
    if not events:
        assert (was.events, was.entities(), was.timeline()) == ([], [], [])
        return
    anew = of_one(*(event.delivery for event in events))
    at = {e.delivery: cast("datetime", e.recorded_at) for e in events}
    stamped = [msgspec.structs.replace(e, recorded_at=at[e.delivery]) for e in anew.events]
    built = type(anew)(anew.id, stamped)
    assert [known.entity for known in was.entities()] == [k.entity for k in built.entities()]
    assert _placeless(was) == _placeless(built)


def _placeless(aggregate: Aggregate) -> list[object]:
    return [msgspec.structs.replace(entry, position="") for entry in aggregate.timeline()]
