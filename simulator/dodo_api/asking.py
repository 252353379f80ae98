"""What is asked of the API and how it answers, and how a part of a list is chosen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from simulator.dodo_api.business import Row

T = TypeVar("T")

Query = Mapping[str, str]

PAGE_SIZE = 10
PAGE_SIZE_MAX = 100
PAGING = frozenset({"page_number", "page_size"})

NOT_FOUND = "NOT_FOUND"
INVALID = "INVALID_QUERY_PARAMS"


class Asked(msgspec.Struct, frozen=True):
    """A GET; names of headers are in lower case."""

    path: str
    query: Query
    headers: Mapping[str, str]


class Reply(msgspec.Struct, frozen=True):
    """An answer, which is sent after `delay_s`."""

    status: int
    body: bytes
    headers: dict[str, str]
    delay_s: float = 0.0


class Refusal(Exception):
    """A question that is answered by an error."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def there(found: T | None) -> T:
    """What was asked for, which must be there."""
    if found is None:
        raise Refusal(404, NOT_FOUND)
    return found


def chosen(rows: Sequence[Row], query: Query, fields: Collection[str]) -> Sequence[Row]:
    """The rows whose fields are as a query has them, in whatever case."""
    for name in fields:
        if wanted := query.get(name, "").lower():
            rows = [row for row in rows if (row.about.field(name) or "").lower() == wanted]
    return rows


def must_know(query: Query, names: Collection[str]) -> None:
    """Refuse a query with anything else, which is a mistake of who asks."""
    if set(query) - PAGING - set(names):
        raise Refusal(400, INVALID)


def page(rows: Sequence[T], query: Query, pages_max: int | None = None) -> Sequence[T]:
    """One page of a list, counted from 0; an empty one beyond the end, but for too late a page."""
    number, size = query.get("page_number", "0"), query.get("page_size", str(PAGE_SIZE))
    if not (number.isdecimal() and size.isdecimal() and 1 <= int(size) <= PAGE_SIZE_MAX):
        raise Refusal(400, INVALID)
    if pages_max is not None and int(number) >= pages_max:
        raise Refusal(400, INVALID)
    begin = int(number) * int(size)
    return rows[begin : begin + int(size)]


def time_in(query: Query, name: str) -> datetime | None:
    """A bound in time that a query has."""
    text = query.get(name)
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise Refusal(400, INVALID) from None
    if time is not None and time.tzinfo is None:
        raise Refusal(400, INVALID)
    return time
