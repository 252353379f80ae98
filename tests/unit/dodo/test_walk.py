"""A walk through a list that changes while it is read."""

from __future__ import annotations

import random
from bisect import insort
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodo.client import Page
from dodo.endpoints import CUSTOMERS, PRODUCTS, ListEndpoint
from dodo.errors import UnreadableAnswerError
from dodo.walk import Place, Walk

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
UNTIL = BEGAN + timedelta(seconds=1_000)
FROM_NOW = Place(until=UNTIL)

Change = tuple[str, float]
"""Whether something comes or goes, and when it was made, in seconds."""


class Changing:
    """A list as Dodo's are: pages by offset, bounds in time, and changes between the answers."""

    def __init__(
        self, seconds: list[float], changes: list[list[Change]], *, order: str = "newest first"
    ) -> None:
        self.rows = sorted((second, f"cus_{number}") for number, second in enumerate(seconds))
        self.changes = changes
        self.order = order
        self.stayed = {id_ for _, id_ in self.rows}
        self.asked = 0
        self.pages_max = 10**6

    def page(
        self,
        endpoint: ListEndpoint,
        number: int = 0,
        *ids: str,
        size: int = 100,
        parameters: Mapping[str, str] | None = None,
    ) -> Page:
        bounds = {name: seconds_of(text) for name, text in (parameters or {}).items()}
        since = bounds.get("created_at_gte", -1.0)
        until = bounds.get("created_at_lte", 10.0**6)
        rows = [row for row in self.rows if since <= row[0] <= until]
        if self.order == "newest first":
            rows.reverse()
        elif self.order == "none":
            random.Random(7).shuffle(rows)
        items = [item(*row) for row in rows[number * size : (number + 1) * size]]
        self.asked += 1
        for kind, second in self.changes.pop(0) if self.changes else []:
            self.change(kind, second)
        return Page(items, UNTIL)

    def change(self, kind: str, second: float) -> None:
        if kind == "comes":
            insort(self.rows, (second, f"cus_new_{self.asked}_{second}"))
        elif self.rows:
            _, gone = self.rows.pop(int(second) % len(self.rows))
            self.stayed.discard(gone)


def item(second: float, id_: str) -> bytes:
    made_at = BEGAN + timedelta(seconds=second)
    return msgspec.json.encode({"customer_id": id_, "product_id": id_, "created_at": made_at})


def seconds_of(text: str) -> float:
    return (datetime.fromisoformat(text) - BEGAN).total_seconds()


def walked(
    rows: Changing, size: int, endpoint: ListEndpoint = CUSTOMERS, place: Place = FROM_NOW
) -> list[str]:
    steps = list(Walk(rows, endpoint, place=place, size=size))
    return [one.id for step in steps for one in step.items]


@given(
    seconds=st.lists(st.integers(0, 450).map(lambda n: n * 2.0), max_size=80, unique=True),
    there=st.integers(0, 40),
    moves=st.lists(st.lists(st.integers(-1, 80), max_size=8), max_size=40),
    size=st.integers(3, 6),
    order=st.sampled_from(["newest first", "oldest first"]),
)
def test_whatever_comes_and_goes_between_pages_all_that_stays_is_met(
    seconds: list[float], there: int, moves: list[list[int]], size: int, order: str
) -> None:
    coming = seconds[there:]
    changes = [
        [
            ("goes", float(move)) if move >= 0 or not coming else ("comes", coming.pop())
            for move in some
        ]
        for some in moves
    ]
    rows = Changing(seconds[:there], changes, order=order)
    met = {*walked(rows, size)}
    assert rows.stayed <= met


def test_pages_alone_would_miss_what_moves_into_a_page_that_was_read() -> None:
    rows = Changing([float(second) for second in range(9)], [[("goes", 8.0)]])
    read = [one for number in range(4) for one in rows.page(CUSTOMERS, number, size=3).items]
    assert len(read) == 8
    assert item(5.0, "cus_5") not in read
    rows = Changing([float(second) for second in range(9)], [[("goes", 8.0)]])
    assert {f"cus_{number}" for number in range(9)} == {*walked(rows, 3)}


@given(
    seconds=st.lists(st.integers(0, 12), max_size=40),
    size=st.integers(2, 6),
    order=st.sampled_from(["newest first", "oldest first"]),
)
def test_a_list_that_stands_still_is_met_whole_however_dense(
    seconds: list[int], size: int, order: str
) -> None:
    rows = Changing([second / 4 for second in seconds], [], order=order)
    assert rows.stayed == {*walked(rows, size)}


def test_a_list_in_no_order_is_read_by_pages() -> None:
    # That a page of so many looks ordered by chance has the odds of one in 479 million.
    rows = Changing([float(second) for second in range(100)], [], order="none")
    assert rows.stayed == {*walked(rows, 12)}


@pytest.mark.parametrize("order", ["newest first", "oldest first"])
def test_a_list_that_does_not_keep_to_its_bounds_is_read_by_pages(order: str) -> None:
    class Unbounded(Changing):
        def page(
            self,
            endpoint: ListEndpoint,
            number: int = 0,
            *ids: str,
            size: int = 100,
            parameters: Mapping[str, str] | None = None,
        ) -> Page:
            return super().page(endpoint, number, *ids, size=size)

    rows = Unbounded([float(3 * second) for second in range(50)], [], order=order)
    assert rows.stayed == {*walked(rows, 7)}
    assert rows.asked < 30


def test_what_moves_within_a_dense_second_is_met_by_the_next_pass() -> None:
    rows = Changing([5.0] * 9 + [500.0], [[], [("goes", 9.0)], [("goes", 8.0)]])
    assert rows.stayed <= {*walked(rows, 3)}


def test_a_list_without_times_is_read_until_a_pass_brings_nothing_new() -> None:
    rows = Changing([float(second) for second in range(9)], [[("goes", 8.0)]])
    met = walked(rows, 3, PRODUCTS)
    assert rows.stayed <= {*met}
    assert len(met) == len({*met})
    assert rows.asked > 2 * 4


def test_a_walk_goes_on_where_it_was_broken_off() -> None:
    for endpoint, size in ((CUSTOMERS, 4), (PRODUCTS, 4)):
        rows = Changing([float(3 * second) for second in range(30)], [])
        steps = []
        for step in Walk(rows, endpoint, place=FROM_NOW, size=size):
            steps.append(step)
            if len(steps) == 4:
                break
        kept = msgspec.json.decode(msgspec.json.encode(steps[-1].place), type=Place)
        before = {one.id for step in steps for one in step.items}
        rows.asked = 0
        after = walked(rows, size, endpoint, kept)
        assert before | {*after} == rows.stayed
        if endpoint is CUSTOMERS:
            assert len(after) < 30


def test_a_walk_within_bounds_meets_what_was_made_within_them() -> None:
    rows = Changing([float(second) for second in range(100)], [])
    place = Place(UNTIL, BEGAN + timedelta(seconds=60))
    assert {*walked(rows, 7, place=place)} == {f"cus_{second}" for second in range(60, 100)}


def test_what_is_made_after_the_walk_began_is_left_to_the_next() -> None:
    rows = Changing([1.0], [[("comes", 5_000.0)]])
    assert walked(rows, 3) == ["cus_0"]


def test_a_small_list_costs_two_requests_and_a_large_one_about_one_a_page() -> None:
    small = Changing([1.0, 2.0], [])
    assert walked(small, 100) == ["cus_1", "cus_0"]
    assert small.asked == 2
    large = Changing([float(3 * second) for second in range(300)], [])
    walked(large, 10)
    assert large.asked <= 36


def test_a_server_that_gives_smaller_pages_than_were_asked_for_is_walked_to_its_end() -> None:
    class Stingy(Changing):
        def page(
            self,
            endpoint: ListEndpoint,
            number: int = 0,
            *ids: str,
            size: int = 100,
            parameters: Mapping[str, str] | None = None,
        ) -> Page:
            return super().page(endpoint, number, *ids, size=5, parameters=parameters)

    for endpoint in (CUSTOMERS, PRODUCTS):
        rows = Stingy([float(3 * second) for second in range(30)], [])
        assert {*walked(rows, 100, endpoint)} == rows.stayed


@pytest.mark.parametrize(
    "odd",
    [
        b"{}",
        b'{"customer_id":7}',
        b'{"customer_id":""}',
        b'{"customer_id":"x"}',
        b'{"customer_id":"x","created_at":"2026-01-01T00:00:00"}',
    ],
)
def test_an_item_without_id_or_time_stops_the_walk_and_is_not_quoted(odd: bytes) -> None:
    class Odd(Changing):
        def page(
            self,
            endpoint: ListEndpoint,
            number: int = 0,
            *ids: str,
            size: int = 100,
            parameters: Mapping[str, str] | None = None,
        ) -> Page:
            return Page([item(1.0, "cus_1"), odd], UNTIL)

    with pytest.raises(UnreadableAnswerError, match="GET /customers cannot be read: it has no"):
        walked(Odd([], []), 3)
