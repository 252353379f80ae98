"""What an erasure says of the rows that it has emptied."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.erasure import Erasure, body_of, ranges, read_erasure
from domain.aggregates.routing import route
from domain.delivery import Delivery
from tests.support.histories import NOON


@given(st.sets(st.integers(1, 60)))
def test_positions_are_told_as_ranges_and_read_back_with_their_contents(found: set[int]) -> None:
    rows = [(position, bytes([position]) * 32) for position in sorted(found)]
    erasure = Erasure(
        customer_id="cus_1",
        reason="he asked",
        requested_by=None,
        count=len(rows),
        positions=ranges(position for position, _ in rows),
        contents=b"".join(content for _, content in rows),
    )
    told = read_erasure(Delivery("raphus_erasure_1", "", "", body_of("bus_1", erasure, NOON)))
    assert told == erasure
    assert list(told.emptied()) == rows
    firsts = [first for first, _ in told.positions]
    assert all(
        first > last + 1 for first, (_, last) in zip(firsts[1:], told.positions, strict=False)
    )


def test_what_says_it_is_an_erasure_is_routed_to_a_notice_when_it_comes_from_outside() -> None:
    erasure = Erasure(
        customer_id="c", reason="", requested_by=None, count=0, positions=[], contents=b""
    )
    outside = Delivery("msg_1", "", "", body_of("bus_1", erasure, NOON))
    assert route(outside).stream_id == "notice/msg_1"
