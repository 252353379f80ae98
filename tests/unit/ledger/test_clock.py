"""The clock: at what time a batch is recorded when clocks jump, and when that is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.clock import AHEAD_MAX, TOLERANCE, Clocks, Stamp, doubt, signing_times, stamp

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
_SKEWS = st.builds(
    lambda base, extra_us: base + timedelta(microseconds=extra_us),
    st.sampled_from([timedelta(0), TOLERANCE, -TOLERANCE, AHEAD_MAX, -AHEAD_MAX, HOUR, -HOUR]),
    st.integers(-2, 2),
)
_TIMES = _SKEWS.map(lambda skew: NOON + skew)
_RIGHT = st.builds(
    lambda part: NOON + part * TOLERANCE, st.floats(-1, 1)
)  # a clock that is as right as we can know
CLOCKS = st.builds(Clocks, _TIMES, _TIMES, st.lists(_TIMES, max_size=2).map(tuple), _TIMES)


def clocks(
    *, database: timedelta, own: timedelta, signed: timedelta | None, head: timedelta | None
) -> Clocks:
    """Tell the clocks by how far they are from noon."""
    signed_at = () if signed is None else (NOON + signed,)
    return Clocks(NOON + database, NOON + own, signed_at, None if head is None else NOON + head)


@given(CLOCKS)
def test_a_batch_has_the_time_of_a_clock_or_of_the_log(given_: Clocks) -> None:
    assert stamp(given_).recorded_at in (given_.database_at, given_.own_at, given_.head_at)


@given(CLOCKS)
def test_time_goes_back_only_as_a_correction_and_by_more_than_clocks_may_be_apart(
    given_: Clocks,
) -> None:
    found = stamp(given_)
    assert given_.head_at is not None
    assert found.corrects == (found.recorded_at < given_.head_at)
    assert not found.corrects or given_.head_at - found.recorded_at > AHEAD_MAX


@given(CLOCKS)
def test_without_a_fresh_signature_our_clock_counts_for_nothing(given_: Clocks) -> None:
    unsigned = given_._replace(signed_at=())
    assert unsigned.head_at is not None
    assert stamp(unsigned) == Stamp(max(unsigned.database_at, unsigned.head_at))


@given(st.lists(st.tuples(_SKEWS, _RIGHT, _RIGHT), min_size=1, max_size=20))
def test_whatever_the_databases_clock_does_a_signed_log_is_near_the_true_time(
    batches: list[tuple[timedelta, datetime, datetime]],
) -> None:
    """Writers whose deliveries verify never correct one another, and follow no jump."""
    head = None
    for database_skew, own_at, signed_at in batches:
        near = signed_at if abs(own_at - signed_at) <= TOLERANCE else own_at
        found = stamp(Clocks(NOON + database_skew, own_at, (near,), head))
        assert not found.corrects
        assert abs(found.recorded_at - NOON) <= 2 * TOLERANCE
        head = found.recorded_at


@pytest.mark.parametrize(
    ("given_", "recorded_at", "corrects"),
    [
        # All agree: the database's time.
        (
            clocks(database=TOLERANCE, own=0 * HOUR, signed=0 * HOUR, head=None),
            NOON + TOLERANCE,
            False,
        ),
        # The database's clock jumps, either way: ours.
        (clocks(database=HOUR, own=0 * HOUR, signed=0 * HOUR, head=-HOUR), NOON, False),
        (clocks(database=-HOUR, own=0 * HOUR, signed=0 * HOUR, head=-2 * HOUR), NOON, False),
        # Ours jumps, so that no signature is fresh: the database's.
        (clocks(database=0 * HOUR, own=HOUR, signed=0 * HOUR, head=-HOUR), NOON, False),
        # The log is ahead of two that are right: it is corrected.
        (clocks(database=0 * HOUR, own=0 * HOUR, signed=0 * HOUR, head=HOUR), NOON, True),
        (clocks(database=2 * HOUR, own=0 * HOUR, signed=0 * HOUR, head=HOUR), NOON, True),
        # Both jump back, so that no signature is fresh: the log keeps its time.
        (clocks(database=-HOUR, own=-HOUR, signed=0 * HOUR, head=0 * HOUR), NOON, False),
        # The log is ahead by no more than clocks may be apart: it is waited for.
        (
            clocks(database=0 * HOUR, own=0 * HOUR, signed=0 * HOUR, head=AHEAD_MAX),
            NOON + AHEAD_MAX,
            False,
        ),
    ],
)
def test_two_of_three_clocks_decide(given_: Clocks, recorded_at: datetime, corrects: bool) -> None:
    assert stamp(given_) == Stamp(recorded_at, corrects)


def test_what_is_told_names_the_clock_that_is_off_and_by_how_much() -> None:
    assert doubt(NOON + TOLERANCE, NOON, NOON + TOLERANCE) is None
    assert doubt(NOON, NOON, None) is None
    ahead, behind = doubt(NOON + HOUR, NOON, None), doubt(NOON - HOUR, NOON, None)
    assert "the database's clock is 3600 s ahead of this process'" in str(ahead)
    assert "the database's clock is 3600 s behind this process'" in str(behind)
    assert "a time that is 3600 s ahead of the clocks" in str(doubt(NOON, NOON, NOON + HOUR))


def test_signing_times_are_read_and_what_is_none_is_left_out() -> None:
    at = str(int(NOON.timestamp()))
    assert signing_times([at, "", "x", "1e400", "-1e300", "nan", "9" * 32, f" {at}"]) == (
        NOON,
        NOON,
    )
