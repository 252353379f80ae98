"""Walks a list of Dodo's to its end, so that nothing is skipped that was there all the time.

Pages are counted by offset: a row that leaves before it moves all that follow into pages that were
read. So a list that can be asked by `created_at` is not read by pages. It is asked for its first
page again and again, each time from where the last one ended, and each answer is of one moment.
Only what was made within one second, and lists that know no time, are read page by page, and then
until a pass brings nothing new. The SDK's own pages skip one: see decision 40.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, Protocol

import msgspec

from dodo.client import PAGE_SIZE
from dodo.errors import UnreadableAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dodo.client import Page
    from dodo.endpoints import ListEndpoint

_log = logging.getLogger(__name__)

OVERLAP: Final = timedelta(seconds=1)
"""Whether bounds are inclusive is said of few lists, and how exact they are of none."""
PASSES_MAX: Final = 5
"""A list that changes faster than this is left to the next walk, which is told of."""

Order = Literal["newest first", "oldest first", "none"]


class Place(msgspec.Struct, frozen=True):
    """What is left of a walk: what was made within these bounds, from a page on.

    A walk begins with the bounds that are wanted. `until` is the moment when it begins, so that
    what is made meanwhile changes nothing. `order` is what the answers showed, None before them.
    """

    until: datetime
    since: datetime | None = None
    order: Order | None = None
    page: int = 0


class Item(NamedTuple):
    """A thing in a list: its id, and its JSON as it came, to the byte."""

    id: str
    data: bytes


class Step(NamedTuple):
    """Some things, when they were so, and where to go on once they are kept."""

    items: list[Item]
    at: datetime
    place: Place


class Lists(Protocol):
    """Something that has pages: `dodo.client.Dodo`."""

    def page(
        self,
        endpoint: ListEndpoint,
        number: int = 0,
        *ids: str,
        size: int = PAGE_SIZE,
        parameters: Mapping[str, str] | None = None,
    ) -> Page:
        """Read a page of a list."""


class _Read(NamedTuple):
    """A page that was read, and when its things were made."""

    items: list[Item]
    times: list[datetime | None]
    at: datetime

    def made(self) -> list[datetime]:
        """The times of all, in a list that is asked by them."""
        return [time for time in self.times if time is not None]


class Walk:
    """A walk through one list, whose path may take ids. Iterate over it once.

    What is yielded may have been yielded before: a thing at the edge of a page, or of the page
    that was read when a walk was broken off. Iterating raises DodoError as reading a page does.
    """

    def __init__(
        self,
        dodo: Lists,
        endpoint: ListEndpoint,
        *ids: str,
        place: Place,
        size: int = PAGE_SIZE,
    ) -> None:
        self._dodo = dodo
        self._endpoint = endpoint
        self._ids = ids
        self._size = size
        self._place = place

    def __iter__(self) -> Iterator[Step]:
        if self._endpoint.until is not None and self._place.order != "none":
            yield from self._by_time()
        if self._endpoint.until is None or self._place.order == "none":
            yield from self._passes(self._place)

    def _by_time(self) -> Iterator[Step]:
        """Ask for first pages, until one has all that is left or shows that there is no order."""
        while True:
            read = self._read(self._place, 0)
            if not read.items:
                return
            if len(read.items) < self._size and not self._read(self._place, 1).items:
                yield Step(read.items, read.at, self._place)
                return
            self._place = here = _with_order(self._place, read.made())
            if here.order == "none":
                return
            narrower = _narrower(here, read.made())
            if narrower is None:
                yield from self._by_second(here)
            else:
                self._place = narrower
                yield Step(read.items, read.at, narrower)

    def _by_second(self, here: Place) -> Iterator[Step]:
        """Read two seconds by pages, of which no first page has all, and go on after one."""
        first, last = here.until - 2 * OVERLAP, here.until
        further = msgspec.structs.replace(here, until=here.until - OVERLAP)
        if here.order == "oldest first" and here.since is not None:
            first, last = here.since, here.since + 2 * OVERLAP
            further = msgspec.structs.replace(here, since=here.since + OVERLAP)
        window = Place(min(last, here.until), max(first, here.since or first), "none")
        for step in self._passes(window):
            yield step._replace(place=here)
        self._place = further

    def _passes(self, window: Place) -> Iterator[Step]:
        """Read all pages, and again until a pass brings nothing new."""
        seen: set[int] = set()
        for number in range(PASSES_MAX):
            known = len(seen)
            first = window.page if number == 0 else 0
            for step in self._pass(msgspec.structs.replace(window, page=first)):
                new = [item for item in step.items if hash(item.id) not in seen]
                seen.update(hash(item.id) for item in new)
                yield step._replace(items=new)
            if number and len(seen) == known:
                return
        _log.warning(
            "%s changed in each of %d passes: what was missed is found the next time",
            self._endpoint.source,
            PASSES_MAX,
        )

    def _pass(self, window: Place) -> Iterator[Step]:
        """Read all pages, from the one before which a walk was broken off."""
        number = max(0, window.page - 1)
        while (read := self._read(window, number)).items:
            number += 1
            yield Step(read.items, read.at, msgspec.structs.replace(window, page=number))

    def _read(self, window: Place, number: int) -> _Read:
        endpoint, asked = self._endpoint, {}
        if endpoint.since is not None and window.since is not None:
            asked[endpoint.since] = _written(window.since)
        if endpoint.until is not None:
            asked[endpoint.until] = _written(window.until)
        page = self._dodo.page(endpoint, number, *self._ids, size=self._size, parameters=asked)
        items, times = [], []
        for data in page.items:
            item, made_at = self._item(data)
            items.append(item)
            times.append(made_at)
        return _Read(items, times, page.at)

    def _item(self, data: bytes) -> tuple[Item, datetime | None]:
        """Read what names a thing, and when it was made, which a list by times must say."""
        try:
            found = msgspec.json.decode(data, type=_shape(self._endpoint.id_field))
        except (msgspec.DecodeError, RecursionError):
            found = None
        id_, made_at = msgspec.structs.astuple(found) if found is not None else ("", None)
        if not id_ or (made_at is None and self._endpoint.until is not None):
            raise UnreadableAnswerError(
                f"an item of Dodo's answer to {self._endpoint.source} cannot be read: it has no"
                f" {self._endpoint.id_field}, or no created_at. Nothing of the page was taken; if"
                " it stays so, a newer Raphus may know the shape"
            )
        return Item(id_, data), made_at


@lru_cache
def _shape(id_field: str) -> Any:  # noqa: ANN401 -- a type that is made here
    time = Annotated[datetime, msgspec.Meta(tz=True)]
    return msgspec.defstruct("Listed", [(id_field, str), ("created_at", time | None, None)])


def _order(times: list[datetime]) -> Order | None:
    """Tell in which order times are; None where they do not show one."""
    is_rising = all(one <= next_ for one, next_ in pairwise(times))
    is_falling = all(one >= next_ for one, next_ in pairwise(times))
    if is_rising and is_falling:
        return None
    return "newest first" if is_falling else "oldest first" if is_rising else "none"


def _with_order(place: Place, times: list[datetime]) -> Place:
    """Say in which order the list is, as pages have shown; in none where they do not agree.

    A page that shows none, of things that were all made at one instant, leaves it as it was known.
    A list that does not keep to the bounds it was asked for is in none either.
    """
    known, shown = place.order, _order(times)
    order = known if shown is None else shown if known in {None, shown} else "none"
    is_late = max(times) > place.until + OVERLAP
    is_early = place.since is not None and min(times) < place.since - OVERLAP
    return msgspec.structs.replace(
        place, order="none" if is_late or is_early or order is None else order
    )


def _narrower(here: Place, times: Iterable[datetime]) -> Place | None:
    """Leave out what a first page has told; None where that is less than the overlap."""
    if here.order == "oldest first":
        since = max(times) - OVERLAP
        is_less = here.since is None or since > here.since
        return msgspec.structs.replace(here, since=since) if is_less else None
    until = min(times) + OVERLAP
    return msgspec.structs.replace(here, until=until) if until < here.until else None


def _written(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
