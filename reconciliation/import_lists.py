"""Imports a sort of thing by its lists, page by page."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from dodo.client import PAGE_SIZE
from dodo.errors import GoneError
from dodo.walk import Place
from reconciliation.estimate import estimated
from reconciliation.import_state import Standing
from reconciliation.walking import page_of, walk

if TYPE_CHECKING:
    from reconciliation.import_state import ImportState
    from reconciliation.taking import Taker
    from reconciliation.things import Leg, Thing


class InLegs(msgspec.Struct, frozen=True):
    """Where a walk through several lists goes on: in one of them, or behind it."""

    leg: str = ""
    place: Place | None = None

    def place_in(self, leg: Leg, now: datetime) -> Place | None:
        """Return where a list is to be read from; None where it was read."""
        if leg.name == self.leg:
            return self.place
        return Place(now) if leg.name > self.leg else None


def walk_lists(taker: Taker, state: ImportState, thing: Thing) -> Standing[InLegs]:
    """Read all lists of a sort of thing, from where it was ended, each to its end."""
    standing = state.begun(thing.name, InLegs())
    if standing.ended:
        return standing
    for leg in thing.legs(taker.dodo):
        place = standing.place.place_in(leg, datetime.now(UTC))
        if place is not None:
            standing = _walk(taker, state, thing.name, (leg, place), standing)
    return state.end(thing.name, standing)


def _walk(
    taker: Taker,
    state: ImportState,
    name: str,
    at: tuple[Leg, Place],
    standing: Standing[InLegs],
) -> Standing[InLegs]:
    (leg, place), before = at, frozenset[str]()
    is_begun = leg.name == standing.place.leg
    try:
        for ids, looks, behind in walk(taker.dodo, leg, place, taker.account.business_id):
            news = sum(one.changes for one in taker.take(leg, looks))
            total = standing.total
            if not is_begun:
                later = partial(page_of, taker.dodo, leg, until=place.until)
                total += estimated(len(ids), PAGE_SIZE, later)
            # What is at the edge of a page may have been in the one before.
            objects = standing.objects + len(set(ids) - before)
            at_hand = InLegs(leg.name, behind)
            standing = Standing(at_hand, objects, max(total, objects), standing.news + news)
            state.move(name, standing)
            is_begun, before = True, frozenset(ids)
    except GoneError:
        pass  # what it belonged to was deleted meanwhile: its grants are found by customer
    standing = standing._replace(place=InLegs(leg.name, None))
    state.move(name, standing)
    return standing
