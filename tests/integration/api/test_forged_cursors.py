"""Cursors that no list has given, well formed and with a right check, are refused by every list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from api.http.cursors import Cursor
from api.routes import OPERATIONS
from projections.read_models.catalogue import LISTINGS
from tests.support.http_server import copied, served
from tests.support.looks import catalogue, observe
from tests.support.samples import samples

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from api.http.operations import Operation
    from tests.support.http_server import Served

UNPAGED: Final = {"list_keys", "list_snapshots", "list_upkeep", "list_routes"}
TIMESTAMP: Final = -1
"""The type of MessagePack's own extension for times."""


# A text that is a UUID is right for each list.
RIGHT: Final[dict[type, object]] = {
    int: 1,
    str: "123e4567-e89b-12d3-a456-426614174000",
    datetime: datetime(2026, 5, 1, tzinfo=UTC),
}
ABSURD: Final[dict[type, list[object]]] = {
    int: [2**63, 2**64 - 1, "1", None],
    # In bytes: a text of one byte that is no UTF-8.
    str: ["a\0b", b"\xa1\xff", 1],
    datetime: [
        "2026-05-01T00:00:00",
        Ext(TIMESTAMP, b"\xff" * 12),
        "0001-01-01T00:00:00+14:00",
    ],
}


def cursor_of(operation: Operation[Any, Any, Any]) -> Cursor[Any] | None:
    """Return the cursor that an operation takes."""
    if (field := operation.reader.query.get("cursor")) is None:
        return None
    read: Any = field.lex
    return cast("Cursor[Any]", read.__self__)


CURSORS: Final = {one.name: cursor for one in OPERATIONS if (cursor := cursor_of(one)) is not None}
LISTS: Final = [one for one in OPERATIONS if one.name in CURSORS]

integers = st.integers(-(2**63), 2**64 - 1) | st.sampled_from([2**31, 2**63 - 1, 2**63, 2**64 - 1])
texts = st.text(max_size=40) | st.sampled_from(["\0", "a\0b", "\x7f", "x" * 800, "{1}", "é" * 300])
spelled = st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
stamps = st.binary(min_size=12, max_size=12).map(lambda twelve: Ext(TIMESTAMP, twelve))
times = st.datetimes() | st.datetimes(timezones=st.just(UTC)) | spelled | stamps
VALUES: Final[dict[type, st.SearchStrategy[object]]] = {int: integers, str: texts, datetime: times}


def forgeries(key: Any) -> st.SearchStrategy[object]:  # noqa: ANN401 -- a type, or an alias of one
    """Draw keys of a list: of the right shape, each value of the right kind, else anything."""
    if key in VALUES:
        return VALUES[key]
    return st.tuples(*(VALUES[hint] for hint in get_type_hints(key).values()))


@pytest.fixture(scope="module")
def server(cluster: str, template: str) -> Iterator[Served]:
    with copied(cluster, template) as conninfo, served(conninfo) as running:
        observe(conninfo, catalogue("bus_1"))
        position = "0"
        for name, body in samples().items():
            position = running.deliver(body, name)
        running.get("/v1/payments", min_position=position)
        yield running


def path_of(operation: Operation[Any, Any, Any], server: Served) -> str:
    """Return the path of a list, which may be that of an object that there is."""
    resource = operation.path.split("/")[2]
    if "{id:path}" not in operation.path:
        return operation.path
    (newest,) = server.get(
        "/v1/payments" if resource == "customers" else f"/v1/{resource}", limit=1
    )["items"]
    name = "customer_id" if resource == "customers" else LISTINGS[resource].id_field
    return operation.path.replace("{id:path}", newest[name])


@pytest.fixture(scope="module")
def paths(server: Served) -> dict[str, str]:
    return {operation.name: path_of(operation, server) for operation in LISTS}


def test_every_list_is_meant() -> None:
    named = {one.name for one in OPERATIONS if one.name.startswith("list_")} - UNPAGED
    assert named < CURSORS.keys()
    others = {one.name for one in LISTS if "{id" in one.path} - named
    assert others == CURSORS.keys() - named


@pytest.mark.parametrize("operation", LISTS, ids=lambda operation: operation.name)
@settings(max_examples=30)
@given(data=st.data())
def test_a_forged_cursor_is_no_defect(
    operation: Operation[Any, Any, Any],
    data: st.DataObject,
    server: Served,
    paths: Mapping[str, str],
) -> None:
    cursor = CURSORS[operation.name]
    key = data.draw(forgeries(cursor.key))
    made = cursor.sealed(msgspec.msgpack.encode(key))
    for then in ({}, {"as_of": "2100-01-01T00:00:00Z"}):
        if then.keys() <= operation.reader.query.keys():
            answer = server.client.get(paths[operation.name], params={"cursor": made, **then})
            assert answer.status_code in {200, 400}, answer.text


@pytest.mark.parametrize("operation", LISTS, ids=lambda operation: operation.name)
def test_what_no_database_can_compare_with_is_refused(
    operation: Operation[Any, Any, Any], server: Served, paths: Mapping[str, str]
) -> None:
    cursor = CURSORS[operation.name]
    for made in absurdities(cursor.key):
        assert server.refused(paths[operation.name], cursor=cursor.sealed(made)) == (
            400,
            "invalid_parameter",
        )


def absurdities(key: Any) -> Iterator[bytes]:  # noqa: ANN401 -- a type, or an alias of one
    """Yield keys of a list, right but for one value."""
    if key is int:
        yield from map(msgspec.msgpack.encode, ABSURD[int])
        return
    kinds = list(get_type_hints(key).values())
    for place, kind in enumerate(kinds):
        for absurd in ABSURD[kind]:
            right = [RIGHT[each] for each in kinds]
            packed = [msgspec.msgpack.encode(value) for value in right]
            packed[place] = absurd if isinstance(absurd, bytes) else msgspec.msgpack.encode(absurd)
            yield bytes([0x90 + len(kinds)]) + b"".join(packed)
