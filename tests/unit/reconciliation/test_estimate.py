"""How long a list is, is found by few looks at where it ends."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodo.client import Page
from dodo.errors import RefusedError
from reconciliation.estimate import estimated

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Listed:
    """A list of so many items, of which late pages may be refused."""

    def __init__(self, items: int, pages_max: int = 10_000) -> None:
        self.items, self.pages_max, self.requests = items, pages_max, 0

    def page(self, number: int) -> Page:
        self.requests += 1
        if number >= self.pages_max:
            raise RefusedError("too late a page")
        return Page([b"{}"] * max(0, min(100, self.items - number * 100)), NOW)


@pytest.mark.parametrize("items", [0, 1, 99])
def test_a_list_of_one_page_takes_no_request(items: int) -> None:
    listed = Listed(items)
    assert estimated(items, 100, listed.page) == items
    assert listed.requests == 0


@given(st.integers(100, 300_000))
def test_a_longer_list_is_told_to_about_an_eighth(items: int) -> None:
    listed = Listed(items)
    told = estimated(100, 100, listed.page)
    assert abs(told - items) <= 200 + items / 7
    assert listed.requests <= 3 + 2 * (items // 100).bit_length()


def test_a_list_whose_late_pages_are_refused_is_told_as_far_as_it_goes() -> None:
    assert 9_000 <= estimated(100, 100, Listed(100_000, pages_max=100).page) <= 11_000
