"""A customer's lifelines: everything within the drawing, in order, and nothing over another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from console.drawing.axis import RIGHT
from console.drawing.lanes import BOUGHT_ONCE, GROUPS, lanes_of
from console.drawing.lifelines import (
    LANES_MAX,
    MARKS_MAX,
    SEGMENTS_MAX,
    TOLD_MAX,
    WIDTH_MIN,
    lifelines,
)
from console.tones import MEANINGS, tone_of
from domain.lateness import Stretch
from projections.read_models.periods import Lasting
from tests.support.histories import NOON, aggregates, said
from tests.support.lifecycles import lifecycle
from tests.support.strategies import lives

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.resources.lifecycle import Lifecycle
    from console.drawing.lifelines import DrawnLane, Lifelines
    from domain.delivery import Delivery

DAY = timedelta(days=1)
KIND = st.sampled_from([*GROUPS, "refund", "payout"])
STATUS = st.sampled_from(["active", "past_due", "succeeded", "failed", "<b>", "x" * 300, None])
INSTANTS = st.integers(0, 5_000).map(lambda hours: NOON + timedelta(hours=hours)) | st.datetimes(
    timezones=st.just(UTC)
)


@st.composite
def periods_of_things(draw: st.DrawFn) -> list[Lasting]:
    """Things of any kind, with periods of any length, and of none."""
    found: list[Lasting] = []
    for number in range(draw(st.integers(0, 12))):
        kind, begun = draw(KIND), sorted(draw(st.lists(INSTANTS, min_size=1, max_size=9)))
        ends = [
            *begun[1:],
            draw(st.none() | st.just(begun[-1] + DAY)) if begun[-1] < NOON else None,
        ]
        belongs = draw(st.sampled_from([None, "x_0", "x_1"]))
        found += [
            Lasting(
                kind, f"x_{number}", draw(STATUS), begin, end, belongs, belongs, 100, "EUR", 1, ()
            )
            for begin, end in zip(begun, ends, strict=True)
        ]
    return sorted(found, key=lambda one: one.valid_from)


def of_periods(told: Sequence[Lasting], stretches: Sequence[Stretch] = ()) -> Lifecycle:
    return msgspec.structs.replace(lifecycle({}), periods=[*told], stretches=[*stretches])


def check(drawn: Lifelines) -> None:
    assert 0 <= drawn.now_x <= 100
    for band in drawn.bands:
        assert band.x >= 0
        assert band.width > 0
        assert band.x + band.width <= 100
    for lane in drawn.lanes:
        check_lane(lane)
    order = [*GROUPS]
    places = [order.index(lane.kind) for lane in drawn.lanes]
    assert places == sorted(places)
    headed = [lane.heading for lane in drawn.lanes if lane.heading is not None]
    assert headed == [GROUPS[kind] for kind in dict.fromkeys(lane.kind for lane in drawn.lanes)]


def check_lane(lane: DrawnLane) -> None:
    assert lane.height <= 40
    assert lane.tone in MEANINGS
    for segment in lane.segments:
        assert segment.x >= 0
        assert segment.width >= WIDTH_MIN - 1e-6
        assert segment.x + segment.width <= 100
        assert segment.y >= 0
        assert segment.y + segment.height <= lane.height
        assert segment.tone in MEANINGS
        if segment.tail is not None:
            assert segment.tail > 0
            assert segment.x + segment.width + segment.tail <= 100
    for one, other in pairwise(lane.segments):
        assert one.x + one.width <= other.x + 1e-6
    for dot in lane.dots:
        assert 0 <= dot.x <= 100
        assert 5 < dot.y <= lane.height - 5
        assert dot.reach is None or 0 <= dot.reach <= 100
    assert [dot.x for dot in lane.dots] == sorted(dot.x for dot in lane.dots)
    assert len(lane.told) <= TOLD_MAX
    assert len(lane.title.text) <= 60


@given(periods_of_things(), INSTANTS, st.integers(1, LANES_MAX))
def test_everything_is_within_the_drawing_and_in_order(
    told: list[Lasting], at: datetime, lanes_max: int
) -> None:
    drawn = lifelines(of_periods(told), at=at, lanes_max=lanes_max)
    check(drawn)
    lanes = lanes_of(of_periods(told))
    shown = [(lane.kind, lane.id) for lane in drawn.lanes]
    assert shown == [lane for lane in ((one.kind, one.id) for one in lanes) if lane in shown]
    assert len(shown) == min(len(lanes), lanes_max)
    fewer = len(lanes) - len(shown)
    assert any(sentence.startswith(f"{fewer} lane") for sentence in drawn.left_out) == (fewer > 0)


@given(lives())
def test_what_was_folded_of_any_life_can_be_drawn(arrivals: list[Delivery]) -> None:
    life = lifecycle(aggregates(arrivals))
    drawn = lifelines(life, at=NOON + DAY)
    check(drawn)
    for lane in drawn.lanes:
        if lane.segments:
            objects = {
                (one.kind, one.id): one.status for one in life.periods if one.valid_to is None
            }
            assert lane.tone == tone_of(lane.kind, objects[lane.kind, lane.id])


LIFE = (
    said("subscription.active", 0, subscription_id="sub_1", product_id="pdt_1",
         recurring_pre_tax_amount=1000, currency="EUR", status="active"),
    said("payment.succeeded", 0, payment_id="pay_1", subscription_id="sub_1", total_amount=1000,
         currency="EUR"),
    said("payment.succeeded", 30, payment_id="pay_2", total_amount=500, currency="EUR"),
    said("refund.succeeded", 60, refund_id="ref_1", payment_id="pay_1", amount=400, currency="EUR"),
    said("dispute.won", 90, dispute_id="dp_1", payment_id="pay_2", amount="500", currency="EUR"),
    said("subscription.plan_changed", 120, subscription_id="sub_1", product_id="pdt_2",
         recurring_pre_tax_amount=2000, currency="EUR", status="active"),
    said("subscription.past_due", 150, subscription_id="sub_1", product_id="pdt_2",
         recurring_pre_tax_amount=2000, currency="EUR", status="past_due"),
    said("subscription.paused", 180, subscription_id="sub_1", product_id="pdt_2",
         recurring_pre_tax_amount=2000, currency="EUR", status="past_due"),
)  # fmt: skip


def test_each_mark_stands_on_the_lane_of_what_it_is_about() -> None:
    lanes = {(lane.kind, lane.id): lane for lane in lanes_of(lifecycle(aggregates(LIFE)))}
    subscription = lanes["subscription", "sub_1"]
    marks = [(mark.shape, mark.kind) for mark in subscription.marks]
    assert marks == [
        ("payment", "payment"), ("refund", "refund"), ("change", "subscription"),
        ("refused", "subscription"),
    ]  # fmt: skip
    assert [stay.status for stay in subscription.stays] == ["active", "past_due"]
    assert [mark.text for mark in subscription.marks[1:3]] == [
        "refunded 4.00\N{NO-BREAK SPACE}EUR",
        "plan changed, 10.00\N{NO-BREAK SPACE}EUR → 20.00\N{NO-BREAK SPACE}EUR",
    ]
    assert [mark.shape for mark in lanes[BOUGHT_ONCE].marks] == ["payment", "dispute"]
    dispute = lanes["dispute", "dp_1"]
    assert (dispute.begins_in_gap, [mark.shape for mark in dispute.marks]) == (True, ["gap"])
    (drawn,) = [
        lane for lane in lifelines(lifecycle(aggregates(LIFE)), at=NOON + DAY).lanes
        if lane.kind == "dispute"
    ]  # fmt: skip
    assert drawn.lead_in is not None
    assert "history partial" in drawn.notes
    assert sum(drawn.lead_in) == drawn.segments[0].x


def test_what_came_late_reaches_to_when_it_was_recorded() -> None:
    life = lifecycle(aggregates(LIFE))
    late = msgspec.structs.replace(life.items[0], recorded_at=NOON + DAY / 2, late_s=43_200)
    life = msgspec.structs.replace(life, notable=[late])
    drawn = lifelines(life, at=NOON + DAY)
    (dot,) = [dot for lane in drawn.lanes for dot in lane.dots if dot.shape == "late"]
    assert dot.reach is not None
    assert dot.x < dot.reach < RIGHT
    assert "recorded 12 hours late" in dot.title
    afterwards = Stretch(3, NOON, NOON + DAY / 4, NOON + DAY, NOON + DAY, out_of_order=True)
    told = lifelines(msgspec.structs.replace(life, stretches=[afterwards]), at=NOON + DAY)
    assert [band.title for band in told.bands] == [
        "3 facts recorded afterwards, 2026-05-02 12:00, out of order"
    ]


def test_a_short_state_between_long_ones_is_seen_and_many_short_ones_are_one() -> None:
    def stay(status: str, begin: timedelta, end: timedelta | None) -> Lasting:
        until = NOON + end if end is not None else None
        return Lasting(
            "subscription", "sub_1", status, NOON + begin, until, None, "sub_1", 1, "EUR", 1, ()
        )

    minute = timedelta(minutes=1)
    told = [
        stay("active", 0 * DAY, 100 * DAY),
        stay("past_due", 100 * DAY, 100 * DAY + minute),
        stay("active", 100 * DAY + minute, 200 * DAY),
        *(stay(("on_hold", "paused")[n % 2], 200 * DAY + n * minute, 200 * DAY + (n + 1) * minute)
          for n in range(10)),
        stay("cancelled", 200 * DAY + 10 * minute, None),
    ]  # fmt: skip
    (lane,) = lifelines(of_periods(told), at=NOON + 300 * DAY).lanes
    words = [segment.word for segment in lane.segments]
    assert words == ["active", "past due", "active", "paused", "cancelled"]
    assert lane.segments[-1].tail is None
    assert lane.segments[-1].height < lane.segments[0].height


def test_what_there_is_no_space_for_is_told() -> None:
    of_one = [
        Lasting("subscription", "sub_1", ("active", "on_hold")[n % 2], NOON + n * DAY,
                NOON + (n + 1) * DAY, None, "sub_1", 1, "EUR", 1, ())
        for n in range(SEGMENTS_MAX + 5)
    ]  # fmt: skip
    payments = [
        Lasting("payment", f"pay_{n}", "succeeded", NOON + n * DAY, None, f"pay_{n}", "sub_1", 1,
                "EUR", None, ())
        for n in range(MARKS_MAX + 1)
    ]  # fmt: skip
    drawn = lifelines(of_periods([*of_one, *payments]), at=NOON + 900 * DAY)
    check(drawn)
    assert drawn.left_out == ("5 older states are left out", "1 older mark is left out")
    (lane,) = drawn.lanes
    assert sum(dot.times for dot in lane.dots) == MARKS_MAX
    assert lane.untold == SEGMENTS_MAX + 5 + MARKS_MAX + 1 - TOLD_MAX


def test_lanes_of_one_kind_are_told_apart() -> None:
    told = [
        Lasting("license_key", f"lic_{n}", "active", NOON, None, None, None, None, None, None, one)
        for n, one in enumerate([("pdt_1",), ("pdt_2",), ("pdt_1",)])
    ]
    titles = [lane.title for lane in lanes_of(of_periods(told))]
    assert titles == ["pdt_1 (lic_0)", "pdt_2", "pdt_1 (lic_2)"]


def test_who_has_nothing_has_no_lanes() -> None:
    drawn = lifelines(lifecycle({}), at=NOON)
    assert (drawn.lanes, drawn.left_out, drawn.ticks != ()) == ((), (), True)
