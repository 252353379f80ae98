"""The announcer: in one process of all, it tells what has changed, as events in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ledger.following.leader import Duty, Leader, Step
from ledger.own_events import OwnEvent, append, close_end, recorder_of
from postgres.advisory_locks import AdvisoryLock
from projections.live.projector import CHANNEL
from workflows.announcing.access import CHECKPOINT, PAGE_EVENTS_MAX, AccessAnnouncing
from workflows.announcing.anomalies import AnomalyAnnouncing
from workflows.followed_file import WHOLE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Set

    from psycopg import Connection

    from domain.aggregates.announcement import Announcement, Family
    from ledger.recorder import LedgerRecorder
    from workflows.policy_file import PolicyFile

DUTY: Final = Duty(
    name="raphus-announcer",
    lock=AdvisoryLock.ANNOUNCE,
    checkpoint=CHECKPOINT,
    failure="what has changed is not announced",
    channel=CHANNEL,
)


class Announcer(Leader):
    """Follows the read models, and the time, for as long as something is `wanted`.

    Nothing is told of access while the policy is not known: it was never right since the process
    began, or is just being written.
    """

    def __init__(
        self, conninfo: str, policy: PolicyFile, wanted: Callable[[], Set[Family]]
    ) -> None:
        super().__init__(conninfo, DUTY, self._take_wanted)
        self._conninfo = conninfo
        self._policy = policy
        self._wanted = wanted
        self._recorder: LedgerRecorder | None = None
        self._access = AccessAnnouncing(self._append)
        self._anomalies = AnomalyAnnouncing(self._append)

    def _take_wanted(self, conn: Connection[Any], is_one: bool) -> Step:
        if self._recorder is None:
            self._recorder = recorder_of(self._conninfo)
        wanted = self._wanted()
        steps = [Step()]
        if "access" in wanted:
            steps.append(self._take_access(conn, is_one=is_one))
        if "anomaly" in wanted:
            steps.append(self._anomalies.take(conn))
        return Step(
            sum(step.events for step in steps),
            max(step.position for step in steps),
            min(step.look_again_s for step in steps),
        )

    def _take_access(self, conn: Connection[Any], *, is_one: bool) -> Step:
        policy = self._policy.settled()
        if policy is None:
            return Step(look_again_s=WHOLE_S)
        return self._access.take(conn, policy, events_max=1 if is_one else PAGE_EVENTS_MAX)

    def _append(self, conn: Connection[Any], announced: Sequence[Announcement]) -> None:
        """Append events in the caller's transaction, which is to be on the disk when it ends."""
        assert self._recorder is not None, "it is made before the transaction begins"
        conn.execute("SET LOCAL synchronous_commit = on")
        own = [OwnEvent(one.stream, one.type, one.body) for one in announced]
        append(conn, self._recorder, close_end(conn, self._recorder), own)
