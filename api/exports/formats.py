"""The formats of a file: what they are called, and what writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, get_args

from api.exports.columns import columns_of
from api.exports.csv_file import CsvFile
from api.exports.json_lines import JsonLines
from api.http.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import msgspec

    from api.exports.columns import Column

Format: TypeAlias = Literal["csv", "jsonl", "parquet"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
MEDIA_TYPES: Final[Mapping[Format, str]] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}


class File(Protocol):
    """Writes rows, some at a time; what it returns, one behind the other, is the file."""

    def begin(self) -> bytes:
        """Return what comes before the first row."""

    def rows(self, rows: Sequence[msgspec.Struct]) -> bytes:
        """Take rows, and return what can be written of them and of those before."""

    def end(self) -> bytes:
        """Return all that is left."""


def file_of(format_: Format, row: type[msgspec.Struct]) -> File:
    """Return what writes rows of a struct in a format.

    Raises:
        ApiError: 501; it is Parquet, and pyarrow is not installed.
    """
    if format_ == "jsonl":
        return JsonLines()
    columns = columns_of(row)
    return CsvFile(columns) if format_ == "csv" else _parquet(columns)


def _parquet(columns: Sequence[Column]) -> File:
    try:
        from api.exports.parquet_file import ParquetFile  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        message = (
            "Parquet needs pyarrow, which is not installed where Raphus runs:"
            " python -m pip install 'pyarrow>=26,<27' in its environment, or take csv or jsonl"
        )
        raise ApiError(501, "parquet_not_installed", message) from error
    return ParquetFile(columns)
