"""The formats of exports: what is read again from a file is what was told."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from api.exports.columns import columns_of
from api.exports.csv_file import SUSPECT, text
from api.exports.formats import FORMATS, file_of
from api.http.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.exports.formats import Format


class Word(StrEnum):
    """A word of a list."""

    PLUS = "+1"
    PLAIN = "plain"


class Part(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """What nests."""

    from_: str | None
    amount: int


class Row(msgspec.Struct, frozen=True):
    """A field of each sort that answers have."""

    id: str
    comment: str | None
    word: Word | None
    literal: Literal["a", "b"]
    count: int | None
    rate: float | None
    flag: bool | None
    at: datetime | None
    day: date | None
    exact: Decimal | None
    part: Part | None
    parts: list[Part]
    texts: tuple[str | None, ...]
    pairs: dict[str, str]
    by_name: dict[str, Part]
    either: str | int | bool | None


HOSTILE: Final = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    | st.sampled_from([*SUSPECT, '"', ",", "\n", ";", "|", " ", "%"]),
    max_size=12,
)
INT64: Final = st.integers(-(2**63), 2**63 - 1)
INSTANTS: Final = st.datetimes(timezones=st.just(UTC))
PARTS: Final = st.builds(Part, from_=st.none() | HOSTILE, amount=INT64)
ROWS: Final = st.builds(
    Row,
    id=HOSTILE,
    comment=st.none() | HOSTILE,
    word=st.none() | st.sampled_from(Word),
    literal=st.sampled_from(["a", "b"]),
    count=st.none() | INT64,
    rate=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    flag=st.none() | st.booleans(),
    at=st.none() | INSTANTS,
    day=st.none() | st.dates(date(1970, 1, 1), date(2199, 12, 31)),
    exact=st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=28),
    part=st.none() | PARTS,
    parts=st.lists(PARTS, max_size=3),
    texts=st.lists(st.none() | HOSTILE, max_size=3).map(tuple),
    pairs=st.dictionaries(HOSTILE, HOSTILE, max_size=3),
    by_name=st.dictionaries(HOSTILE, PARTS, max_size=2),
    either=st.none() | HOSTILE | st.integers(-9, 9) | st.booleans(),
)


def written(format_: Format, row: type[msgspec.Struct], *pages: Sequence[msgspec.Struct]) -> bytes:
    """Write rows, page by page."""
    file = file_of(format_, row)
    return b"".join([file.begin(), *(file.rows(page) for page in pages), file.end()])


def cells(data: bytes) -> list[dict[str, str]]:
    """Read CSV as Python's own reader does."""
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


def undone(cell: str) -> str:
    """Take back what was done to a cell for spreadsheets."""
    return cell.removeprefix("'")


def told(value: object) -> Any:  # noqa: ANN401 -- JSON
    """Say it in JSON, and read that."""
    return json.loads(msgspec.json.encode(value))


def cell_of(value: object) -> str:
    """The cell of a value in JSON, as the page about exports says."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


@given(HOSTILE)
def test_a_text_is_read_again_as_it_was_and_is_no_formula(value: str) -> None:
    ((read,),) = csv.reader(io.StringIO(f"{text(value)}\r\n", newline=""), strict=True)
    assert undone(read) == value
    assert not read or read[0] not in set(SUSPECT) - {"'"}
    assert read == value or value[0] in SUSPECT


@given(st.lists(ROWS, max_size=4))
def test_csv_says_what_json_says(rows: list[Row]) -> None:
    data = written("csv", Row, rows[:1], [], rows[1:])
    for row, read in zip(rows, cells(data), strict=True):
        said = told(row)
        part = said.pop("part") or {"from": None, "amount": None}
        for name in ("from", "amount"):
            assert undone(read.pop(f"part.{name}")) == cell_of(part[name])
        for name in ("parts", "texts", "pairs", "by_name"):
            assert json.loads(read.pop(name)) == said.pop(name)
        either, rate = read.pop("either"), read.pop("rate")
        assert (json.loads(either) if either else None) == said.pop("either")
        assert (float(rate) if rate else None) == said.pop("rate")
        flag = {True: "true", False: "false", None: ""}[said.pop("flag")]
        assert read.pop("flag") == flag
        assert {name: undone(cell) for name, cell in read.items()} == {
            name: cell_of(value) for name, value in said.items()
        }


def test_csv_is_as_rfc_4180_has_it() -> None:
    rows = [Part('a "quoted", one\nwith a line', -5), Part(None, 0), Part("", 1)]
    assert written("csv", Part, rows) == (
        b'from,amount\r\n"a ""quoted"", one\nwith a line",-5\r\n,0\r\n"",1\r\n'
    )


def test_what_a_spreadsheet_would_take_for_a_formula_is_a_text_and_numbers_are_numbers() -> None:
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'", "\uff0d1", " =1", "1-1"]
    read = [one["from"] for one in cells(written("csv", Part, [Part(f, -1) for f in formulas]))]
    assert read[:8] == [f"'{formula}" for formula in formulas[:8]]
    assert read[8:] == formulas[8:]
    assert {one["amount"] for one in cells(written("csv", Part, [Part("=", -1)]))} == {"-1"}


@given(st.lists(ROWS, max_size=4))
def test_json_lines_are_what_the_api_answers(rows: list[Row]) -> None:
    data = written("jsonl", Row, rows[:2], rows[2:])
    assert [json.loads(line) for line in data.splitlines()] == [told(row) for row in rows]
    assert data.count(b"\n") == len(rows)


def as_json(value: Any, type_: Any) -> Any:  # noqa: ANN401 -- pyarrow's
    """Say in JSON what was read from Parquet."""
    if value is None:
        return None
    if pa.types.is_map(type_):
        return {key: as_json(one, type_.item_type) for key, one in value}
    if pa.types.is_list(type_):
        return [as_json(one, type_.value_type) for one in value]
    if pa.types.is_struct(type_):
        return {field.name: as_json(value[field.name], field.type) for field in type_}
    return told(value)


@given(st.lists(ROWS, max_size=4))
def test_parquet_says_what_json_says(rows: list[Row]) -> None:
    table = parquet.read_table(io.BytesIO(written("parquet", Row, rows[:2], rows[2:])))
    for row, read in zip(rows, table.to_pylist(), strict=True):
        found = {name: as_json(read[name], table.schema.field(name).type) for name in read}
        found["either"] = None if found["either"] is None else json.loads(found["either"])
        assert found == told(row)


def test_parquet_has_types() -> None:
    schema = parquet.read_schema(io.BytesIO(written("parquet", Row)))
    types = {field.name: str(field.type) for field in schema}
    assert types["at"] == "timestamp[us, tz=UTC]"
    assert types["count"] == "int64"
    assert types["day"] == "date32[day]"
    assert types["exact"] == types["word"] == types["either"] == "string"
    assert types["part"] == "struct<from: string, amount: int64>"
    assert types["by_name"].startswith("map<string, struct<")


def test_parquet_comes_group_by_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.exports.parquet_file.GROUP_ROWS", 10)
    file = file_of("parquet", Part)
    page = [Part("text", 1)] * 4
    first, *others = [file.begin(), *(file.rows(page) for _ in range(5))]
    assert first == b"PAR1"
    assert [bool(data) for data in others] == [False, False, True, False, False]
    whole = b"".join([first, *others, file.end()])
    assert parquet.ParquetFile(io.BytesIO(whole)).metadata.num_row_groups == 2
    assert parquet.read_table(io.BytesIO(whole)).num_rows == 20


def test_without_pyarrow_it_is_told_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "api.exports.parquet_file", raising=False)
    with pytest.raises(ApiError, match=re.escape("pip install 'pyarrow")) as refused:
        file_of("parquet", Part)
    assert refused.value.status == 501
    assert {file_of(one, Part) is not None for one in FORMATS[:2]} == {True}


class Number(Enum):
    """No words."""

    ONE = 1


@pytest.mark.parametrize("type_", [bytes, Number, Literal[1, 2], list[bytes]])
def test_what_no_column_stands_for_is_told_before_anything_is_written(type_: Any) -> None:  # noqa: ANN401
    with pytest.raises(TypeError, match="no column"):
        columns_of(msgspec.defstruct("Odd", [("odd", type_)]))
