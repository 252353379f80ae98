"""A long stream folded from its first event on in parts, of which one at a time is in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.aggregate import extents, place_in_log
from domain.aggregates.factory import aggregate
from domain.going_on import base_of
from ledger.following.pages import Touched, events_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from psycopg import Connection

    from domain.aggregate import Aggregate, Base, Extent
    from ledger.following.pages import Page
    from ledger.mapper import LedgerMapper

PART_EVENTS: Final = 5_000
"""A part has so many events, and all others whose facts' extents it would cut."""

_BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)


class _Place(NamedTuple):
    """The extent of an event's fact, and where the event stands."""

    extent: Extent
    version: int
    position: int


def in_parts(
    conn: Connection[Any],
    mapper: LedgerMapper,
    page: Page,
    behind: Sequence[Touched],
    base: Base | None,
) -> Generator[Aggregate]:
    """Give what is behind a base of a stream in parts, from the first that has some of the page.

    They follow one another in the order in which their facts occurred, and each goes on from those
    before it. The stream is read twice: when its facts occurred, and what they say.
    """
    stream_id, is_told = behind[0].stream_id, False
    for part in _parts(_places(conn, mapper, behind, page.last)):
        ranges = _ranges(stream_id, sorted(place.version for place in part))
        events = sorted(events_of(conn, mapper, ranges, page.last), key=place_in_log)
        one = aggregate(stream_id, events, base)
        is_told = is_told or any(place.position > page.after for place in part)
        if is_told:
            yield one
        base = base_of(one)


def _places(
    conn: Connection[Any], mapper: LedgerMapper, behind: Sequence[Touched], last: int
) -> list[_Place]:
    told = []
    places: list[tuple[int, int]] = []
    for event in events_of(conn, mapper, behind, last):
        one = aggregate(behind[0].stream_id, [event])
        ((_, said),) = one.readings()
        told.append((event.delivery.webhook_id, said.occurred_at, one.told_at(said)))
        places.append((event.originator_version, event.position or 0))
    return sorted(
        _Place(extent, *place) for extent, place in zip(extents(told), places, strict=True)
    )


def _parts(places: Iterable[_Place]) -> Iterator[list[_Place]]:
    part: list[_Place] = []
    ends_at = _BEFORE_ALL
    for place in places:
        if len(part) >= PART_EVENTS and place.extent.begin > ends_at:
            yield part
            part = []
        part.append(place)
        ends_at = max(ends_at, place.extent.end)
    if part:
        yield part


def _ranges(stream_id: str, versions: Sequence[int]) -> list[Touched]:
    """Return consecutive versions, of these in ascending order, as ranges to be read."""
    ranges: list[Touched] = []
    for version in versions:
        if ranges and ranges[-1].version == version - 1:
            ranges[-1] = ranges[-1]._replace(version=version)
        else:
            ranges.append(Touched(stream_id, version, version - 1))
    return ranges
