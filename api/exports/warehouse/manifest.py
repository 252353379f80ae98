"""What an export of everything says of itself: a file that is always of a run that has ended."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from api.exports.columns import Items, Mapping, Record, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from api.exports.columns import Shape
    from api.exports.warehouse.state import File
    from api.exports.warehouse.tables import Table

NAME: Final = "manifest.json"


class ListedFile(msgspec.Struct, frozen=True):
    """A file of a table: by which run, up to which position of the log, and what is in it."""

    file: str
    run: int
    position: int
    rows: int
    bytes: int
    sha256: str


class ListedTable(msgspec.Struct, frozen=True):
    """A table: what tells its rows apart, the types of its columns, and its files.

    `rows` is how many there are now: of each key the one of the last run, unless it is deleted.
    """

    key: list[str]
    columns: dict[str, str]
    rows: int
    files: list[ListedFile]


class Manifest(msgspec.Struct, frozen=True):
    """All files, up to a position of the log; `head` proves which log (raphus verify --against)."""

    layout: int
    release: str
    format: str
    run: int
    position: int
    head: str
    exported_at: datetime
    tables: dict[str, ListedTable]


def listed(table: Table, rows: int, files: Iterable[File]) -> ListedTable:
    """Return what is said of a table, of all files those that are its own."""
    columns = {column.name: word_of(column.shape) for column in columns_of(table.row)}
    own = [
        ListedFile(one.name, one.run, one.position, one.rows, one.bytes, one.sha256)
        for one in files
        if one.of_table == table.name
    ]
    return ListedTable(list(table.key), columns, rows, own)


def word_of(shape: Shape) -> str:
    """Return what stands in a column, in a word: of CSV, all but the first are JSON or nested."""
    if isinstance(shape, Record):
        return "record"
    if isinstance(shape, Items):
        return "list"
    return "map" if isinstance(shape, Mapping) else shape.sort
