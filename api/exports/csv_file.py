"""CSV as RFC 4180 has it, in which no spreadsheet finds a formula.

A text that a spreadsheet might take for one begins with an apostrophe, and so does one that begins
with an apostrophe itself: whoever takes one apostrophe from the front of each cell that has one
has what was said. Numbers, times, and true and false are never changed. An empty cell is null,
an empty text is a pair of quotation marks.
"""

from __future__ import annotations

import re
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from api.exports.columns import Column, Record, Scalar
from api.http.responses import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    import msgspec

    from api.exports.columns import Shape

SUSPECT: Final = "=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20"
"""What a formula, or a text that is told with an apostrophe in front, begins with.

The last four are the wide forms of the first, which some spreadsheets take as well.
"""
_PLAIN: Final = re.compile(rf'[^",\r\n{re.escape(SUSPECT)}][^",\r\n]*').fullmatch
_QUOTED: Final = re.compile(r'[",\r\n]').search


class _Cell(NamedTuple):
    """How a field is written: a column, or those of a struct in it; and what stands for null."""

    write: Callable[[Any], str]
    null: str


class CsvFile:
    """Writes rows of one struct as CSV, from its header on."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._head = [*_names(columns, "")]
        self._line = _line_of(columns)

    def begin(self) -> bytes:
        """Return the header: the names of the columns."""
        return ",".join(self._head).encode() + b"\r\n"

    def rows(self, rows: Sequence[msgspec.Struct]) -> bytes:
        """Return rows as lines."""
        return "".join([f"{self._line(row)}\r\n" for row in rows]).encode()

    def end(self) -> bytes:
        """Return what comes after the last row: nothing."""
        return b""


def _names(columns: Sequence[Column], before: str) -> Iterator[str]:
    for column in columns:
        if isinstance(column.shape, Record):
            yield from _names(column.shape.columns, f"{before}{column.name}.")
        else:
            yield f"{before}{column.name}"


def _line_of(columns: Sequence[Column]) -> Callable[[msgspec.Struct], str]:
    """Return what writes a struct's fields, with commas between them."""
    cells = [_cell(column.shape) for column in columns]
    writes, nulls = [cell.write for cell in cells], [cell.null for cell in cells]
    fields = [column.field for column in columns]
    values = attrgetter(*fields) if len(fields) > 1 else lambda row: (getattr(row, fields[0]),)

    def line(row: msgspec.Struct) -> str:
        told = zip(values(row), writes, nulls, strict=True)
        return ",".join([null if value is None else write(value) for value, write, null in told])

    return line


def _cell(shape: Shape) -> _Cell:
    if isinstance(shape, Record):
        return _Cell(_line_of(shape.columns), "," * (_width(shape) - 1))
    if isinstance(shape, Scalar) and shape.sort != "json":
        return _Cell(_WRITERS[shape.sort], "")
    return _Cell(_json, "")


def _width(record: Record) -> int:
    return sum(1 for _ in _names(record.columns, ""))


def text(value: str) -> str:
    """Return a text as it stands in a cell."""
    if _PLAIN(value):
        return value
    if value[:1] in SUSPECT and value:
        value = f"'{value}"
    return _marked(value) if _QUOTED(value) or not value else value


def _marked(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _json(value: object) -> str:
    written = encode(value).decode()
    # It begins with a bracket, a quotation mark, a digit or a sign: no formula is told by it.
    return _marked(written) if _QUOTED(written) else written


def _instant(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


def _flag(value: bool) -> str:
    return "true" if value else "false"


_WRITERS: Final[dict[str, Callable[[Any], str]]] = {
    "text": text,
    "integer": str,
    "float": repr,
    "flag": _flag,
    "instant": _instant,
    "day": str,
    "decimal": str,
}
