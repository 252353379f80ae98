"""Keeps the read models up with the log, in one process of all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ledger.application import Ledger
from ledger.following.leader import Duty, Leader, Step
from ledger.following.pages import PAGE_EVENTS_MAX
from postgres.advisory_locks import AdvisoryLock
from projections.live.projector import Projector
from projections.live.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.mapper import LedgerMapper
    from postgres.connections import Connection
    from projections.live.projector import Projected

_log = logging.getLogger(__name__)

DUTY: Final = Duty(
    name="raphus-follower",
    lock=AdvisoryLock.FOLLOW,
    checkpoint=Ledger.name,
    failure="the read models do not follow the log",
)


def _ignore(projected: Projected) -> None:
    pass


class Follower(Leader):
    """Projects the log; `on_page` is called in its thread after each page is committed.

    What was stored while its type was unknown is taken into its aggregates first.
    """

    def __init__(
        self,
        conninfo: str,
        mapper: LedgerMapper,
        on_page: Callable[[Projected], None] = _ignore,
    ) -> None:
        super().__init__(conninfo, DUTY, self._project)
        self._projector = Projector(mapper)
        self._statistics = Statistics()
        self._on_page = on_page
        self._adopted = 0

    def _project(self, conn: Connection, is_one: bool) -> Step:
        if adopted := self._projector.adopt(conn):
            self._adopted += adopted
            return Step(adopted)
        if self._adopted:
            _log.info("%d webhooks of types that were unknown before are understood", self._adopted)
            self._adopted = 0
        projected = self._projector.project(conn, 1 if is_one else PAGE_EVENTS_MAX)
        if projected is None:
            return Step()
        self._on_page(projected)
        self._statistics.renew(conn, projected.position)
        return Step(projected.events, projected.position)
