"""Heat maps and sparklines: a figure's heat, and a line that stays within its space."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from api.answers.revenue import Cohort, CohortReport
from console.drawing.heat_map import COLUMNS_MAX, ROWS_MAX, heat_of, percent, retention
from console.drawing.sparkline import HEIGHT, POINTS_MAX, WIDTH, sparkline
from domain.revenue.cohorts import Retained

SHARES = st.none() | st.floats(-1, 20, allow_nan=False)


def report(*cohorts: Cohort) -> CohortReport:
    return CohortReport(datetime(2026, 5, 1, tzinfo=UTC), "month", None, [*cohorts], {})


def cohort(number: int, shares: list[float | None], currency: str | None = "EUR") -> Cohort:
    start = date(2020, 1, 1) + timedelta(days=number)
    left = [Retained(n, 2, one, 300, one, f"/v1/x?n={n}") for n, one in enumerate(shares)]
    return Cohort(start, start, currency, 4, 600, left)


@given(SHARES, SHARES)
def test_more_is_never_colder_and_what_is_unknown_has_no_heat(
    one: float | None, other: float | None
) -> None:
    heats = heat_of(one), heat_of(other)
    assert all(heat is None or heat in range(11) for heat in heats)
    if one is None:
        assert heats[0] is None
    elif other is not None and one <= other:
        assert heats[0] is not None
        assert heats[1] is not None
        assert heats[0] <= heats[1]


def test_percents_are_not_rounded_to_all_or_nothing() -> None:
    shares = (0, 0.001, 0.004, 0.5, 0.996, 0.9999, 1, 1.12)
    assert [percent(share) for share in shares] == ["0", "<1", "<1", "50", "99", "99", "100", "112"]


def test_a_cohorts_row_has_its_size_and_what_is_left_of_it() -> None:
    drawn = retention(report(cohort(0, [1.0, 0.5, None]), cohort(40, [1.0], "USD")), currency="EUR")
    (row,) = drawn.rows
    assert (row.head, row.size) == ("Jan 2020", "4 customers")
    assert [(cell.text, cell.heat, cell.made_of) for cell in row.cells] == [
        ("100 %", 10, "/v1/x?n=0"),
        ("50 %", 5, "/v1/x?n=1"),
        ("–", None, "/v1/x?n=2"),
    ]
    assert row.cells[1].title == "2 of 4 customers, 3.00\N{NO-BREAK SPACE}EUR"
    assert drawn.heads == ("0", "1", "2")
    of_mrr = retention(report(cohort(0, [1.0])), measure="mrr", currency="EUR")
    assert of_mrr.rows[0].size == "6.00\N{NO-BREAK SPACE}EUR"


def test_a_heat_map_has_a_limit_and_says_what_is_left_out() -> None:
    drawn = retention(report(*(cohort(n, [1.0] * 40) for n in range(ROWS_MAX + 2))), currency="EUR")
    assert (len(drawn.rows), len(drawn.heads)) == (ROWS_MAX, COLUMNS_MAX)
    assert all(len(row.cells) == COLUMNS_MAX for row in drawn.rows)
    assert drawn.rows[-1].head == "Mar 2020"
    assert [sentence.split()[0] for sentence in drawn.left_out] == ["2", "What"]


@given(
    st.lists(
        st.none()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.integers(-(10**15), 10**15),
        max_size=POINTS_MAX + 20,
    )
)
def test_a_sparkline_stays_within_its_space(values: list[float | None]) -> None:
    drawn = sparkline(values, title="MRR")
    for path in (*drawn.lines, *drawn.areas):
        numbers = [*map(float, re.findall(r"-?\d+(?:\.\d+)?", path))]
        assert all(0 <= x <= WIDTH for x in numbers[::2])
        assert all(0 <= y <= HEIGHT for y in numbers[1::2])
        if path in drawn.lines:
            assert numbers[::2] == sorted(numbers[::2])
    known = [value for value in values[-POINTS_MAX:] if value is not None]
    assert (drawn.last is None) == (known == [])


def test_a_sparkline_says_in_words_where_it_went_and_leaves_a_hole_where_nothing_is_known() -> None:
    words = ["1 EUR", "–", "3 EUR", "2 EUR"]
    drawn = sparkline([1, None, 3, 2], title="MRR", words=words)
    assert drawn.description == "from 1 EUR to 2 EUR; lowest 1 EUR, highest 3 EUR"
    assert len(drawn.lines) == 2
    assert sparkline([None], title="MRR").description == "no figures"
    assert sparkline([-1, 1], title="MRR").zero_y == HEIGHT / 2
