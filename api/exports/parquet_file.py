"""Parquet: columns with types, for warehouses.

Needs pyarrow, which is an extra: it is loaded where a file is made, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import parquet

from api.exports.columns import Items, Mapping, Record, Scalar
from api.http.responses import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import msgspec

    from api.exports.columns import Column, Shape

GROUP_ROWS: Final = 20_000
"""So many rows are a group, which is in memory until it is written."""
_TYPES: Final[dict[str, Any]] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "flag": pa.bool_(),
    "instant": pa.timestamp("us", tz="UTC"),
    "day": pa.date32(),
    # Of a decimal nobody declares how long it may be: as in JSON, its text is exact.
    "decimal": pa.string(),
    "json": pa.string(),
}


class ParquetFile:
    """Writes rows of one struct as Parquet, group by group."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._fields = [(column.field, _reader(column.shape)) for column in columns]
        self._schema = pa.schema([(column.name, _type(column.shape)) for column in columns])
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._waiting: list[Any] = []
        self._waiting_rows = 0

    def begin(self) -> bytes:
        """Return what comes before the first row."""
        return self._sink.taken()

    def rows(self, rows: Sequence[msgspec.Struct]) -> bytes:
        """Take rows, and return the groups that are full."""
        if rows:
            self._waiting.append(self._batch(rows))
            self._waiting_rows += len(rows)
        if self._waiting_rows >= GROUP_ROWS:
            self._flush()
        return self._sink.taken()

    def end(self) -> bytes:
        """Return what is left, and the footer, without which it is no file."""
        self._flush()
        self._writer.close()
        return self._sink.taken()

    def _batch(self, rows: Sequence[msgspec.Struct]) -> Any:  # noqa: ANN401 -- pyarrow's
        arrays = [
            pa.array([read(getattr(row, field)) for row in rows], declared.type)
            for (field, read), declared in zip(self._fields, self._schema, strict=True)
        ]
        return pa.record_batch(arrays, schema=self._schema)

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(table, row_group_size=len(table))
            self._waiting.clear()
            self._waiting_rows = 0


class _Sink:
    """What pyarrow writes into: keeps what has not been taken yet."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written_bytes = 0

    def write(self, part: Any) -> int:  # noqa: ANN401 -- a buffer
        self._parts.append(bytes(part))
        self._written_bytes += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._written_bytes

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def _type(shape: Shape) -> Any:  # noqa: ANN401 -- pyarrow's
    if isinstance(shape, Record):
        return pa.struct([(column.name, _type(column.shape)) for column in shape.columns])
    if isinstance(shape, Items):
        return pa.list_(_type(shape.item))
    if isinstance(shape, Mapping):
        return pa.map_(pa.string(), _type(shape.value))
    return _TYPES[shape.sort]


def _reader(shape: Shape) -> Callable[[Any], Any]:
    """Return what makes of a value one that pyarrow takes for this shape."""
    if isinstance(shape, Record):
        fields = [(column.name, column.field, _reader(column.shape)) for column in shape.columns]
        return lambda value: (
            None
            if value is None
            else {name: read(getattr(value, field)) for name, field, read in fields}
        )
    if isinstance(shape, Items):
        item = _reader(shape.item)
        return lambda value: None if value is None else [item(one) for one in value]
    if isinstance(shape, Mapping):
        value_of = _reader(shape.value)
        return lambda value: (
            None if value is None else [(key, value_of(one)) for key, one in value.items()]
        )
    return _scalar(shape)


def _scalar(shape: Scalar) -> Callable[[Any], Any]:
    if shape.sort == "decimal":
        return lambda value: None if value is None else str(value)
    if shape.sort == "json":
        return lambda value: None if value is None else encode(value).decode()
    return lambda value: value
