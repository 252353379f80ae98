"""A list walked from its first page to its last, and written as a file on the way."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from api.exports.formats import file_of
from api.exports.one_moment import at_one_moment
from api.withholding import shown_to, withheld_from

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from api.exports.catalogue import Asked, Export
    from api.http.questions import Query
    from api.http.scopes import Caller
    from api.queries.read_side import ReadSide


class Part(NamedTuple):
    """A part of a file: its bytes, how many rows have been told so far, and of about how many.

    Nobody counts them beforehand: a list that goes down in numbers tells by them how far it has
    come. 0 stands where it is not known.
    """

    data: bytes
    rows: int
    about_rows: int


async def parts(
    read_side: ReadSide, caller: Caller, asked: Asked, known_position: int | None
) -> AsyncGenerator[Part, None]:
    """Yield a file, part by part, of what a caller may see of a list, as it stands at one moment.

    Raises:
        ApiError: the list cannot be asked so: 400, 404 or 503; 501, the format is not available.
    """
    rows, course, row = 0, Course(), asked.export.rows.row
    file = file_of(asked.format, row)
    begun = file.begin()
    may_see_all = not withheld_from(caller, row)
    async with (
        at_one_moment(read_side, known_position) as then,
        aclosing(_pages(then, asked.export, asked.query, course)) as pages,
    ):
        async for page in pages:
            rows += len(page)
            shown = page if may_see_all else _shown(page, caller)
            yield Part(begun + file.rows(shown), rows, course.about(rows))
            begun = b""
    yield Part(file.end(), rows, rows)


def _shown(page: Sequence[msgspec.Struct], caller: Caller) -> list[msgspec.Struct]:
    return cast("list[msgspec.Struct]", [shown_to(caller, one).answer for one in page])


async def _pages(
    read_side: ReadSide, export: Export[Any], query: Query, course: Course
) -> AsyncGenerator[Sequence[msgspec.Struct], None]:
    while True:
        answer = await export.operation.handle(read_side, query)
        cursor = answer.next if export.is_paged else None
        if cursor is not None:
            key = export.key_of(cursor)
            query = msgspec.structs.replace(query, cursor=key)
            course.go_on(key)
        yield export.rows.of(answer)
        if cursor is None:
            return


class Course:
    """How far a walk has come, by the keys of its cursors."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._left = 1.0

    def go_on(self, key: object) -> None:
        """Note the key behind which the walk goes on."""
        if not isinstance(key, int):
            return
        if self._first is None:
            self._first = key
        elif 0 <= key < self._first:
            self._left = key / self._first

    def about(self, rows: int) -> int:
        """Return about how many rows there are, of which so many have been told; 0: not known."""
        return round(rows / (1 - self._left)) if self._left < 1 else 0
