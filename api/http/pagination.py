"""A part of a list, with the cursor that leads to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from api.http.cursors import Cursor
    from postgres.statement import Row

T = TypeVar("T")
Key = TypeVar("Key")
Value = TypeVar("Value")


class Page(msgspec.Struct, Generic[T]):
    """A part of a list. `next` is the `cursor` of the next part, null at the end."""

    items: list[T]
    next: str | None


class Item(NamedTuple, Generic[Key, Value]):
    """What a row says, and the key by which the list is sorted."""

    key: Key
    value: Value


def page(
    rows: Sequence[Row], limit: int, read: Callable[[Row], Item[Key, Value]], cursor: Cursor[Key]
) -> Page[Value]:
    """Return the first `limit` rows; one more row tells that there is a next page."""
    items = [read(row) for row in rows[:limit]]
    following = cursor.write(items[-1].key) if len(rows) > limit else None
    return Page([item.value for item in items], following)
