"""Builds an aggregate from its events, by the first part of its stream's id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from domain.aggregates.announcement import ANNOUNCEMENT, Announcements
from domain.aggregates.catalogue import STREAMS
from domain.aggregates.erasure import ERASURE, Erasures
from domain.aggregates.notice import Notice
from domain.aggregates.routing import NOTICE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domain.aggregate import Aggregate, Base
    from domain.event import Event

AGGREGATES: Final[dict[str, type[Aggregate]]] = {
    **STREAMS,
    NOTICE: Notice,
    ERASURE: Erasures,
    ANNOUNCEMENT: Announcements,
}


def aggregate(stream_id: str, events: Iterable[Event], base: Base | None = None) -> Aggregate:
    """Build the aggregate whose stream this is from its events, in order of arrival.

    With a base, they are those behind it.
    """
    return AGGREGATES[stream_id.partition("/")[0]](stream_id, events, base)
