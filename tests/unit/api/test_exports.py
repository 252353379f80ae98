"""What can be exported, how it is asked for, and how far it has come."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.exports.catalogue import EXPORTS, find
from api.exports.columns import columns_of
from api.exports.formats import FORMATS, MEDIA_TYPES, file_of
from api.exports.report_rows import ROWS_OF
from api.exports.walk import Course
from api.exports.warehouse.comparing import changed
from api.exports.warehouse.state import Change
from api.exports.warehouse.tables import COMPARED, ERASURES, EVENTS
from api.http.errors import ApiError
from api.http.pagination import Page
from api.http.places import Places
from api.routes import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.exports.catalogue import Export

TABLES = (*(one.table for one in COMPARED), EVENTS, ERASURES)


OF_THE_SERVER = {"list_keys", "list_snapshots", "list_upkeep"}
"""Short lists of what the server has, and nobody else."""


def test_every_list_and_report_can_be_exported() -> None:
    listed = {one.path for one in OPERATIONS if get_origin(one.answers) is Page}
    reports = {one.path for one in OPERATIONS if one.answers in ROWS_OF}
    assert {one.operation.path for one in EXPORTS.values()} == listed | reports
    assert all(one.path.startswith("/v1/") for one in OPERATIONS if one.name.startswith("list_"))
    assert {one.name for one in OPERATIONS if one.name.startswith("list_")} - OF_THE_SERVER == {
        one.operation.name for one in EXPORTS.values() if one.operation.name.startswith("list_")
    }


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_each_has_its_columns_once_in_every_format(export: Export[Any]) -> None:
    head = file_of("csv", export.rows.row).begin().decode()
    assert head.endswith("\r\n")
    names = head.strip().split(",")
    assert len(names) == len(set(names))
    assert all(file_of(one, export.rows.row).begin() is not None for one in FORMATS)
    assert MEDIA_TYPES.keys() == set(FORMATS)


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_each_takes_what_its_list_takes_but_for_pages(export: Export[Any]) -> None:
    own = {*export.operation.reader.query} - {"limit", "cursor"}
    assert {*export.reader.query} == own | {"format"}
    assert "format" not in export.operation.reader.query
    assert export.reader.path.keys() == export.operation.reader.path.keys()


def test_a_path_means_the_list_that_the_api_answers_there() -> None:
    asked = find("subscriptions", b"active=true&metadata[seat]=%3D1&format=jsonl")
    assert asked.export is EXPORTS["subscriptions"]
    assert (asked.query.active, asked.query.metadata) == (True, {"seat": "=1"})  # type: ignore[attr-defined]
    assert asked.format == "jsonl"
    asked = find("payments/a/b/timeline", b"")
    assert asked.export is EXPORTS["payments/timeline"]
    assert asked.query.id == "a/b"  # type: ignore[attr-defined]
    assert asked.format == "csv"
    assert (
        find("revenue/trials/subscriptions", b"").export is EXPORTS["revenue/trials/subscriptions"]
    )


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("subscriptions", b"limit=5", 400),
        ("subscriptions", b"cursor=x", 400),
        ("subscriptions", b"format=xlsx", 400),
        ("subscriptions", b"as_of=2999-01-01T00:00:00Z", 400),
        ("subscriptions/sub_1", b"", 404),
        ("access", b"customer_id=cus_1", 404),
        ("", b"", 404),
    ],
)
def test_what_is_no_list_or_asks_for_a_page_is_refused(
    path: str, query: bytes, status: int
) -> None:
    with pytest.raises(ApiError) as refused:
        find(path, query)
    assert refused.value.status == status


def test_all_pages_of_a_list_of_revenue_are_of_one_instant() -> None:
    before = datetime.now(UTC)
    asked = find("revenue/movements", b"")
    assert before <= asked.query.as_of <= datetime.now(UTC)  # type: ignore[attr-defined]
    given_ = find("revenue/movements", b"as_of=2026-05-01T00:00:00Z")
    assert given_.query.as_of == datetime(2026, 5, 1, tzinfo=UTC)  # type: ignore[attr-defined]
    assert find("revenue/mrr", b"").query.as_of is None  # type: ignore[attr-defined]


class BrokenError(Exception):
    pass


def test_a_place_is_given_back_however_it_ends() -> None:
    places = Places("exports", 1, 10)
    for _ in range(2):
        with suppress(BrokenError), places.one():
            with pytest.raises(ApiError, match="as many as may be") as refused, places.one():
                pass
            assert refused.value.status == 503
            raise BrokenError
    with places.one():
        pass


def told(keys: Sequence[object], page: int = 10) -> list[int]:
    course = Course()
    about = []
    for number, key in enumerate(keys, start=1):
        course.go_on(key)
        about.append(course.about(number * page))
    return about


def test_a_walk_tells_about_how_many_rows_there_are_by_where_it_is() -> None:
    assert told([100, 50, 25, 1]) == [0, 40, 40, 40]
    assert told([7, 8, 9]) == [0, 0, 0]  # it goes up: nobody knows to where
    assert told([(1, "a"), (2, "b")]) == [0, 0]
    assert told([0, 0]) == [0, 0]


TABLE = st.dictionaries(
    st.binary(min_size=1, max_size=2).filter(lambda key: key < b"\xff"), st.binary(max_size=1)
)


@given(TABLE, TABLE)
def test_two_sides_in_order_are_compared_key_by_key(
    now: dict[bytes, bytes], before: dict[bytes, bytes]
) -> None:
    def in_order(side: dict[bytes, bytes]) -> list[Change]:
        return [Change(key, side[key]) for key in sorted(side)]

    found = list(changed(iter(in_order(now)), iter(in_order(before))))
    keys = now.keys() | before.keys()
    assert found == [
        Change(key, now.get(key)) for key in sorted(keys) if now.get(key) != before.get(key)
    ]


@pytest.mark.parametrize("table", TABLES, ids=[one.name for one in TABLES])
def test_every_table_has_columns_for_each_field_of_its_key(table: Any) -> None:  # noqa: ANN401
    names = [column.name for column in columns_of(table.row)]
    assert names[:3] == ["_run", "_position", "_deleted"]
    assert set(table.key) <= set(names)
    assert len(names) == len(set(names))
