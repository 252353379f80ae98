"""Anomalies that open and settle, looked for every second: time alone may open one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from domain.aggregates.announcement import Announcement
from ledger.following.leader import Step
from workflows.announcing import begun as beginning
from workflows.announcing import told_anomalies as told
from workflows.announcing.begun import Begun

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from psycopg import Connection

    from workflows.announcing.told_anomalies import Found

FAMILY: Final = "anomaly"
EVERY_S: Final = 1.0
THOROUGH_EVERY_S: Final = 60.0
"""So often what is silent is looked for, and what has settled by time alone, which is rare."""
AT_ONCE_MAX: Final = 200


class AnomalyAnnouncing:
    """Announces what has become wrong, and what is no longer wrong, since it was told.

    What was told is written in the transaction that appends the events, so each is told once. What
    is wrong is told as of the time by which all that was recorded is known.
    """

    def __init__(self, append: Callable[[Connection[Any], Sequence[Announcement]], None]) -> None:
        self._append = append
        self._look_at = self._thorough_at = 0.0
        self._shown = -1

    def take(self, conn: Connection[Any]) -> Step:
        """Look at what is wrong, unless that was done a moment ago.

        Raises:
            psycopg.Error: the database went away; all was done, or nothing.
        """
        began_s = time.monotonic()
        if began_s < self._look_at:
            return Step(look_again_s=self._look_at - began_s)
        found = self._look(conn, is_thorough=began_s >= self._thorough_at)
        if found:
            return Step(found)
        self._look_at = began_s + EVERY_S
        if began_s >= self._thorough_at:
            self._thorough_at = began_s + THOROUGH_EVERY_S
        return Step(look_again_s=EVERY_S)

    def _look(self, conn: Connection[Any], *, is_thorough: bool) -> int:
        """Tell what differs; return how much that was, and no more than once at a time."""
        with conn.transaction():
            begun = beginning.hold(conn, FAMILY)
            if begun is None:
                beginning.begin(conn, FAMILY, Begun("", "", None))
                return 1
            moment = beginning.moment(conn)
            if begun.told_to is not None and moment.heard < begun.told_to <= moment.now:
                return 0  # the read models are built anew
            found = told.opened_by(conn, moment.heard, AT_ONCE_MAX)
            if is_thorough or moment.shown != self._shown:
                found += told.settled_by(conn, moment.heard, AT_ONCE_MAX)
            if is_thorough:
                found += told.differing_silence(conn, moment.now, AT_ONCE_MAX)
            told.write(conn, found)
            if found and not begun.is_silent:
                self._append(conn, [_announcement(one, moment.now) for one in found])
            if found or begun.is_silent:
                sweep = begun.sweep if found else None
                beginning.move(conn, FAMILY, begun._replace(sweep=sweep, told_to=moment.heard))
        if not found:
            self._shown = moment.shown
        return len(found)


def _announcement(one: Found, at: datetime) -> Announcement:
    type_ = "anomaly.opened" if one.is_open else "anomaly.settled"
    return Announcement(type_, one.business_id, (one.change.kind, one.change.id), at, one.change)
