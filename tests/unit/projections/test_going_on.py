"""A fold that goes on from where it stood gives the rows that the whole fold gives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from domain.aggregates.catalogue import STREAMS
from domain.aggregates.factory import aggregate
from domain.going_on import base_of, decode, encode, goes_on, place_to_go_on_from
from projections.read_models.catalogue import READ_MODELS
from simulator.merchant import merchant
from tests.support.histories import aggregates, delivery, of_one, said
from tests.support.strategies import deliveries, recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from domain.aggregate import Aggregate
    from domain.event import Event
    from projections.read_model import ReadModel, Row

GOING_ON = sorted(name for name, stream in STREAMS.items() if stream.goes_on)
KINDS = [tuple(kind.name for kind in STREAMS[name].kinds) for name in GOING_ON]


class Tables:
    """The rows of one stream, by table and key, as they are written when events come."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[tuple[object, ...], Row]] = {}

    def write(self, stream: Aggregate, new: set[str]) -> None:
        """Write what events under these webhook-ids may have changed."""
        for model in READ_MODELS:
            if stream.id.partition("/")[0] in model.streams:
                own = self.rows.setdefault(model.table, {})
                given_rows = {_key(model, row): row for row in model.touched(stream, new)}
                if model.loses(stream, new):
                    for key in [key for key, row in own.items() if _is_open(model, stream, row)]:
                        del own[key]
                own |= given_rows


def _key(model: ReadModel, row: Row) -> tuple[object, ...]:
    return tuple(_value(model, row, name) for name in model.key)


def _value(model: ReadModel, row: Row, name: str) -> Any:
    return row[[column.name for column in model.columns].index(name)]


def _is_open(model: ReadModel, stream: Aggregate, row: Row) -> bool:
    return not model.began or _value(model, row, model.began) >= stream.begins_at


def whole(stream: Aggregate) -> dict[str, dict[tuple[object, ...], Row]]:
    tables = Tables()
    tables.write(stream, {event.delivery.webhook_id for event in stream.events})
    return tables.rows


def follow(events: list[Event], page: Callable[[], int], drop: Callable[[], bool]) -> None:
    """Take events page by page as a follower does, and compare with the whole fold behind each."""
    tables, taken = Tables(), 0
    held: Aggregate | None = None
    while taken < len(events):
        some = events[taken : taken + page()]
        new = {event.delivery.webhook_id for event in some}
        taken += len(some)
        known = events[:taken]
        if held is not None and held.base is not None:
            base = held.base
            if drop():  # as after a restart: what is stored is all there is
                written = encode(base)
                if written is None:
                    base = None
                else:
                    base = decode(held.kinds[0].name, base.version, written)
            held = base and aggregate(held.id, known[base.version :])
            if held is not None:
                held.base = base
        before = {one.delivery.webhook_id for one in known[: held.base.version]} if held and held.base else set()
        is_told_twice = any(one.delivery.webhook_id in before for one in known[len(known) - len(held.events) :]) if held else False
        if held is None or is_told_twice or not goes_on(held):
            held = aggregate(known[0].originator_id, known)
        tables.write(held, new)
        assert tables.rows == whole(aggregate(known[0].originator_id, known))
        if count := place_to_go_on_from(held):
            held = held.behind(base_of(held.first(count)))
        if held.base is None:
            held = None


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_life_in_any_pages(data: st.DataObject) -> None:
    kinds = data.draw(st.sampled_from(KINDS))
    arrivals = data.draw(st.lists(deliveries(kinds), min_size=2, max_size=12))
    if data.draw(st.booleans()):
        arrivals.sort(key=lambda one: one.body.partition(b'"timestamp"')[2])
    events = recorded(arrivals).events
    follow(events, lambda: data.draw(st.integers(1, 3)), lambda: data.draw(st.booleans()))
