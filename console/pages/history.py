"""The walk through an object's history: the instants of its timeline, each with its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from console.drawing.labels import listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from api.answers.named import NamedEntry
    from api.http.operations import Operation
    from api.http.pagination import Page
    from api.services import Services
    from console.visit import Visit
    from domain.timeline import Entry

    Timeline = Operation[Services, Any, Page[NamedEntry]]

ENTRIES_MAX: Final = 30
"""So many lines of a timeline stand on a page, and so many of the newest are walked through."""
_NAMED_MAX: Final = 3


class Notch(NamedTuple):
    """An instant at which something happened; None stands for now."""

    at: datetime | None
    text: str


class Walk(NamedTuple):
    """The instants, oldest first, and now; `place` is where the page stands among them.

    `earlier` and `later` are the next in either direction. `begins_later` tells that there are
    older ones, which the timeline has.
    """

    notches: tuple[Notch, ...]
    place: int
    earlier: Notch | None
    later: Notch | None
    begins_later: bool


async def history(
    visit: Visit, timeline: Timeline, id_: str, cursor: str | None
) -> tuple[Page[NamedEntry], Walk]:
    """Ask for a page of a timeline, newest first, and for the walk through all of it.

    The walk goes on beyond the instant that is looked at, by what is known at the visit's time.

    Raises:
        ApiError: as the timeline's.
    """
    asked = {"id": id_, "order": "desc", "limit": ENTRIES_MAX}
    newest, walk = of_newest(await visit.ask(timeline, **asked, as_of=None), visit.time.as_of)
    if visit.time.as_of is None and cursor is None:
        return newest, walk
    return await visit.ask(timeline, **asked, cursor=cursor), walk


def of_newest(
    newest: Page[NamedEntry], as_of: datetime | None = None
) -> tuple[Page[NamedEntry], Walk]:
    """Return the newest part of a timeline with the walk through it."""
    return newest, walk_of(newest.items, as_of, begins_later=newest.next is not None)


def walk_of(
    newest_first: Sequence[Entry], as_of: datetime | None, *, begins_later: bool = False
) -> Walk:
    """Make the walk through entries, from where a page stands that shows what was so then."""
    types: dict[datetime, dict[str, None]] = {}
    for entry in reversed(newest_first):
        if entry.occurred_at is not None:
            types.setdefault(entry.occurred_at, {})[entry.type] = None
    notches = [Notch(at, listed([*types[at]], _NAMED_MAX)) for at in sorted(types)]
    notches.append(Notch(None, "now"))
    if as_of is None:
        place = len(notches) - 1
        return Walk(tuple(notches), place, _before(notches, place), None, begins_later)
    past = sum(at is not None and at <= as_of for at, _ in notches)
    place = max(past - 1, 0)
    stands_on_it = past > 0 and notches[place].at == as_of
    earlier = _before(notches, place if stands_on_it else past)
    return Walk(tuple(notches), place, earlier, notches[past], begins_later)


def _before(notches: Sequence[Notch], place: int) -> Notch | None:
    return notches[place - 1] if place > 0 else None
