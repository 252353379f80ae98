"""What a query may say, and how clearly it is told what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from api.http.cursors import Cursor
from api.http.errors import ApiError, InvalidParameterError
from api.http.operations import Operation
from api.http.parameters import Flag, Instant, Position, Text, Texts, Uuid, between, one_of
from api.http.questions import Past, PastPage, narrowed
from api.http.reader import Reader
from api.openapi import document

CURSOR = Cursor("payments", int)
STATES = ("waiting", "parked")


class Asked(PastPage[int], frozen=True, kw_only=True):
    """One parameter of each type."""

    id: Text
    status: Text | None = None
    active: Flag | None = None
    created_at_gte: Instant | None = None
    after: Position | None = None
    state: Annotated[Literal["parked", "waiting"], one_of(STATES)] | None = None
    job_id: Uuid | None = None
    metadata: Annotated[Texts | None, Meta(description="Of those with all of these.")] = None
    cursor: Annotated[int | None, CURSOR.meta] = None


READER = Reader(Asked, "/v1/payments/{id:path}")


def read(query: str, path: str = "pay_1") -> Asked:
    """Read a query."""
    return READER.read({"id": path}, query.encode())


def refused(query: str) -> ApiError:
    """Read a query that must be refused."""
    with pytest.raises(ApiError) as error:
        read(query)
    assert error.value.status == 400
    return error.value


def test_what_is_absent_has_its_default() -> None:
    given = read("")
    assert given == Asked(id="pay_1")
    assert (given.status, given.limit, given.active, given.created_at_gte) == (None, 50, None, None)


def test_what_is_given_is_read_as_declared() -> None:
    given = read("status=on_hold&limit=7&active=false&after=12&created_at_gte=2026-01-31T12:00:00Z")
    assert (given.status, given.limit, given.active, given.after) == ("on_hold", 7, False, 12)
    assert given.created_at_gte == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert given.given("status", "active", "cursor") == {"status": "on_hold", "active": False}


def test_zeros_before_a_number_mean_nothing() -> None:
    assert (read("limit=007").limit, read("after=007").after) == (7, 7)


def test_a_text_that_looks_like_something_else_is_a_text() -> None:
    for text in ("5", "true", "null"):
        assert read(f"status={text}").status == text


def test_one_of_several_words_and_an_id_are_read_as_they_are() -> None:
    job_id = "123E4567-e89b-12d3-a456-426614174000"
    given = read(f"state=parked&job_id={job_id}")
    assert (given.state, given.job_id) == ("parked", job_id)
    assert (read("").state, read("").job_id) == (None, None)


def test_an_offset_is_the_same_instant_in_utc() -> None:
    given = read("created_at_gte=2026-01-31T14:00:00%2B02:00")
    assert given.created_at_gte == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert given.created_at_gte.tzinfo is UTC


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "1.0"),
        ("limit", ""),
        ("limit", "٣"),
        ("limit", "+5"),
        ("limit", " 5"),
        ("limit", "9" * 5_000),
        ("active", "yes"),
        ("active", "1"),
        ("active", "TRUE"),
        ("active", "True"),
        ("created_at_gte", "2026-01-31"),
        ("created_at_gte", "2026-01-31T12:00:00"),
        ("created_at_gte", "2026-01-31T12:00:00 02:00"),
        ("created_at_gte", "0001-01-01T00:00:00+23:59"),
        ("created_at_gte", "now"),
        ("created_at_gte", "1767225600"),
        ("after", "-1"),
        ("after", "9" * 19),
        ("after", "1e3"),
        ("after", "-0"),
        ("as_of", "2099-01-01T00:00:00Z"),
        ("status", ""),
        ("status", "a\0b"),
        ("status", "a\n"),
        ("status", "x" * 201),
        ("state", "lost"),
        ("state", ""),
        ("job_id", "1"),
        ("job_id", "123e4567-e89b-12d3-a456-426614174000\n"),
        ("job_id", "123e4567e89b12d3a456426614174000"),
        ("job_id", "123e4567-e89b-12d3-a456-42661417400g"),
        ("state", "x - at `$.limit`"),
        ("metadata[]", "x"),
        ("metadata[x]", ""),
        ("metadata[x]", "a\0b"),
        ("metadata[a\n]", "x"),
        ("metadata[x]", "x" * 501),
        ("metadata[" + "x" * 101 + "]", "x"),
        ("cursor", "made-up"),
        ("cursor", "é"),
        ("cursor", ""),
        ("cursor", "A" * 5_000),
    ],
)
def test_what_is_not_as_declared_is_refused_by_name(parameter: str, value: str) -> None:
    error = refused(urlencode({parameter: value}))
    assert error.body.error.code == "invalid_parameter"
    name = parameter.partition("[")[0]
    assert error.body.error.details == {"parameter": name}
    assert error.body.error.message.startswith(f"{name} ")


def test_an_unknown_parameter_is_refused_and_the_known_ones_are_told() -> None:
    problem = refused("statuss=active").body.error
    assert (problem.code, problem.details["parameter"]) == ("unknown_parameter", "statuss")
    assert problem.message == (
        "unknown parameter; known are active, after, as_of, created_at_gte, cursor, job_id,"
        " known_at, limit, metadata[key], min_position, state, status"
    )


@pytest.mark.parametrize("name", ["id", "metadata", "status[x]", "metadata[x", "x[y]", ""])
def test_what_is_not_named_as_it_is_spelled_is_unknown(name: str) -> None:
    assert refused(urlencode({name: "x"})).body.error.code == "unknown_parameter"


def test_texts_are_given_by_their_keys() -> None:
    given = read("metadata[user_id]=42&status=x&metadata%5Ba%5Db%5D=true")
    assert (given.metadata, given.status) == ({"user_id": "42", "a]b": "true"}, "x")
    assert "more than once" in refused("metadata[a]=1&metadata[a]=2").body.error.message


def test_what_is_wrong_first_is_told() -> None:
    assert "limit" in refused("limit=x&bogus=1").body.error.message
    assert "unknown" in refused("bogus=1&limit=x").body.error.message


def test_a_parameter_is_read_alone() -> None:
    READER.check("limit", "5")
    READER.check("id", "pay_1")
    for name in ("limit", "id"):
        with pytest.raises(InvalidParameterError, match=f"{name} must be") as error:
            READER.check(name, "")
        assert error.value.problem.startswith("must be")


def test_a_time_that_has_not_come_cannot_be_asked_about() -> None:
    with pytest.raises(InvalidParameterError, match="known_at must not lie in the future"):
        Past(known_at=datetime.now(UTC) + timedelta(minutes=5))


def test_a_narrower_query_keeps_the_defaults_of_its_base() -> None:
    narrow = narrowed(Asked, "narrow", limit=Annotated[int, between(1, 5)], more=Text | None)
    assert narrow(id="x") == narrow(id="x", limit=50)
    reader = Reader(narrow, "/{id}")
    assert (next(iter(reader.query)), "more" in reader.query) == ("more", True)
    with pytest.raises(TypeError, match="id"):
        narrow()  # type: ignore[call-arg]


def test_parameters_are_described_as_they_are_spelled() -> None:
    async def handle(_needs: object, _asked: Asked) -> None: ...

    operation = Operation("/x/{id}", "x", "", handle, Asked, type(None))
    described = document([operation])["paths"]["/x/{id}"]["get"]["parameters"]
    schemas = {parameter["name"]: parameter["schema"] for parameter in described}
    text = {"type": "string", "maxLength": 200, "pattern": r"^[^\u0000-\u001f\u007f]+$"}
    assert schemas["id"] == schemas["status"] == text
    assert schemas["limit"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}
    assert schemas["active"] == {"type": "boolean"}
    assert schemas["created_at_gte"] == {"type": "string", "format": "date-time"}
    assert schemas["after"] == {"type": "string", "pattern": "^[0-9]{1,18}$"}
    assert schemas["state"] == {"type": "string", "enum": ["waiting", "parked"]}
    assert (schemas["job_id"]["format"], schemas["cursor"]["type"]) == ("uuid", "string")
    (metadata,) = (parameter for parameter in described if parameter["name"] == "metadata")
    assert (metadata["style"], metadata["explode"]) == ("deepObject", True)
    assert metadata["description"] == "Of those with all of these."
    assert metadata["schema"]["additionalProperties"] == {**text, "maxLength": 500}


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
        READER.read({"id": "pay_1"}, query)
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
