"""What a query may say, and how clearly it is told what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.cursors import Cursor
from api.http.errors import ApiError
from api.http.parameters import (
    Arguments,
    Declared,
    Parameter,
    flag,
    instant,
    integer,
    one_of,
    path_text,
    position,
    text,
    uuid,
)

STATUS = text("status", "")
LIMIT = integer("limit", "", minimum=1, maximum=100, default=50)
ACTIVE = flag("active", "")
SINCE = instant("created_at_gte", "")
AFTER = position("after", "")
CURSOR = Cursor("payments", int)
ID = path_text("id", "")
STATE = one_of("state", "", ("waiting", "parked"))
JOB_ID = uuid("job_id", "")
TAKEN = Declared((ID,), (STATUS, LIMIT, ACTIVE, SINCE, AFTER, STATE, JOB_ID, CURSOR.parameter))


def read(query: str, path: str = "pay_1") -> Arguments:
    """Read a query."""
    return TAKEN.read({"id": path}, query.encode())


def refused(query: str) -> ApiError:
    """Read a query that must be refused."""
    with pytest.raises(ApiError) as error:
        read(query)
    assert error.value.status == 400
    return error.value


def test_what_is_absent_has_its_default() -> None:
    given = read("")
    assert (given[STATUS], given[LIMIT], given[ACTIVE], given[SINCE]) == (None, 50, None, None)
    assert given[ID] == "pay_1"


def test_what_is_given_is_read_as_declared() -> None:
    given = read("status=on_hold&limit=7&active=false&after=12&created_at_gte=2026-01-31T12:00:00Z")
    assert (given[STATUS], given[LIMIT], given[ACTIVE], given[AFTER]) == ("on_hold", 7, False, 12)
    assert given[SINCE] == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert given.among((STATUS, SINCE, CURSOR.parameter)).keys() == {"status", "created_at_gte"}


def test_one_of_several_words_and_an_id_are_read_as_they_are() -> None:
    job_id = "123E4567-e89b-12d3-a456-426614174000"
    given = read(f"state=parked&job_id={job_id}")
    assert (given[STATE], given[JOB_ID]) == ("parked", job_id)
    assert (read("")[STATE], read("")[JOB_ID]) == (None, None)


def test_an_offset_is_the_same_instant_in_utc() -> None:
    given = read("created_at_gte=2026-01-31T14:00:00%2B02:00")
    assert given[SINCE] == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (LIMIT, "0"),
        (LIMIT, "101"),
        (LIMIT, "1.0"),
        (LIMIT, ""),
        (LIMIT, "٣"),
        (LIMIT, "+5"),
        (LIMIT, " 5"),
        (LIMIT, "9" * 5_000),
        (ACTIVE, "yes"),
        (ACTIVE, "1"),
        (ACTIVE, "TRUE"),
        (ACTIVE, "True"),
        (SINCE, "2026-01-31"),
        (SINCE, "2026-01-31T12:00:00"),
        (SINCE, "2026-01-31T12:00:00 02:00"),
        (SINCE, "0001-01-01T00:00:00+23:59"),
        (SINCE, "now"),
        (SINCE, "1767225600"),
        (AFTER, "-1"),
        (AFTER, "9" * 19),
        (AFTER, "1e3"),
        (STATUS, ""),
        (STATUS, "a\0b"),
        (STATUS, "a\n"),
        (STATUS, "x" * 201),
        (STATE, "lost"),
        (STATE, ""),
        (JOB_ID, "1"),
        (JOB_ID, "123e4567-e89b-12d3-a456-426614174000\n"),
        (JOB_ID, "123e4567e89b12d3a456426614174000"),
        (JOB_ID, "123e4567-e89b-12d3-a456-42661417400g"),
        (CURSOR.parameter, "made-up"),
        (CURSOR.parameter, "é"),
        (CURSOR.parameter, ""),
        (CURSOR.parameter, "A" * 5_000),
    ],
)
def test_what_is_not_as_declared_is_refused_by_name(parameter: Parameter[Any], value: str) -> None:
    error = refused(urlencode({parameter.name: value}))
    assert error.body.error.code == "invalid_parameter"
    assert error.body.error.details == {"parameter": parameter.name}
    assert parameter.name in error.body.error.message


def test_an_unknown_parameter_is_refused_and_the_known_ones_are_told() -> None:
    problem = refused("statuss=active").body.error
    assert (problem.code, problem.details["parameter"]) == ("unknown_parameter", "statuss")
    assert "status" in problem.message


def test_a_parameter_that_is_given_twice_is_refused() -> None:
    assert "more than once" in refused("status=active&status=on_hold").body.error.message


def test_more_parameters_than_there_can_be_are_refused() -> None:
    assert refused("&".join(["a=b"] * 100)).body.error.code == "invalid_query"


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 201])
def test_a_path_that_names_nothing_is_not_found(path: str) -> None:
    with pytest.raises(ApiError) as error:
        read("", path)
    assert error.value.status == 404


@given(st.binary(max_size=200))
def test_any_query_is_read_or_refused_and_nothing_worse(query: bytes) -> None:
    refusals = []
    try:
        TAKEN.read({"id": "pay_1"}, query)
    except ApiError as error:
        refusals.append(error.status)
    assert set(refusals) <= {400}


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_cursor_gives_back_what_it_was_made_of(key: int) -> None:
    assert CURSOR.read(CURSOR.write(key)) == key


def test_no_cursor_looks_like_an_option_of_a_command() -> None:
    # One in 64 digests would begin with a hyphen.
    assert not any(CURSOR.write(key).startswith("-") for key in range(1_000))


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(ValueError, match="not a cursor of this list"):
        CURSOR.read(Cursor("refunds", int).write(7))


@given(st.integers(min_value=0, max_value=10**9), st.integers(0, 30), st.sampled_from("Ab0_-"))
def test_a_changed_cursor_is_refused(key: int, at: int, put: str) -> None:
    cursor = CURSOR.write(key)
    changed = cursor[:at] + put + cursor[at + 1 :]
    if changed != cursor:
        with pytest.raises(ValueError, match="not a cursor"):
            CURSOR.read(changed)


def test_the_longest_key_of_a_timeline_fits_into_a_cursor() -> None:
    cursor = Cursor("timeline", tuple[datetime, int, str, int])
    key = (datetime(9999, 12, 31, tzinfo=UTC), 1_000, "🦤" * 200, 2**63 - 1)
    assert cursor.read(cursor.write(key)) == key
