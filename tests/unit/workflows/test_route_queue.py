"""A route's queue: it holds little of a large outbox, and each lane keeps the outbox's order."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from workflows.dispatch.circuit_breaker import CircuitBreaker
from workflows.dispatch.route_queue import Destination, RouteQueue
from workflows.limits import Limits
from workflows.outbox.table import Job
from workflows.routes.conditions import Glob
from workflows.routes.route import Route
from workflows.targets.target import Way
from workflows.targets.windmill.declaration import WindmillTarget

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workflows.targets.attempt import Attempt
    from workflows.targets.target import Parcel

LIMITS = Limits(held_max=6, lane_max=3)


class Nowhere(Way):
    """A way that nobody takes."""

    called = "nobody"

    async def send(self, parcel: Parcel) -> Attempt:
        raise NotImplementedError


STREAMS = st.sampled_from("ABC")


class Outbox(RuleBasedStateMachine):
    """A queue beside an outbox that is read, sent from, and recorded in, at any moment.

    What is sent is recorded later; between, the outbox has it waiting. A reading may be old when
    it comes: things are sent and recorded while it is on its way.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queue = RouteQueue("route", LIMITS)
        self.to = Destination(
            Route("route", (Glob("*"),), WindmillTarget("run/p/f/a/b")),
            Nowhere(),
            CircuitBreaker("route", "nobody"),
        )
        self.queue.direct(self.to)
        self.waiting: list[Job] = []
        self.unrecorded: list[Job] = []
        self.reading: list[Job] | None = None
        self.lanes: set[str] = set()
        self.sent: dict[str, list[int]] = defaultdict(list)
        self.due = 0

    @rule(streams=st.lists(STREAMS, min_size=1, max_size=6))
    def fall_due(self, streams: list[str]) -> None:
        for stream_id in streams:
            self.due += 1
            job_id = UUID(int=self.due)
            self.waiting.append(Job(job_id, "route", stream_id, "", self.due, 0, 0, 0, 0.0))
        self.queue.more = True

    @precondition(lambda self: self.reading is None and self.queue.wants_more)
    @rule()
    def read(self) -> None:
        self.full = self.queue.full_lanes
        self.queue.begin_to_read()
        self.reading = [job for job in self.waiting if job.stream_id not in self.full]
        del self.reading[LIMITS.held_max :]

    @precondition(lambda self: self.reading is not None)
    @rule()
    def take(self) -> None:
        assert self.reading is not None
        begun = self.queue.take(self.reading)
        self.queue.more |= bool(self.full) or len(self.reading) == LIMITS.held_max
        assert not self.lanes & set(begun)
        self.lanes |= set(begun)
        self.reading = None

    @precondition(lambda self: self.lanes)
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        self.send_one(data.draw(st.sampled_from(sorted(self.lanes))))

    def send_one(self, stream_id: str) -> None:
        job = self.queue.first(stream_id)
        if job is None:
            self.queue.end(stream_id)
            self.lanes.discard(stream_id)
        else:
            self.sent[stream_id].append(job.position)
            self.queue.drop(stream_id)
            self.unrecorded.append(job)

    @precondition(lambda self: self.unrecorded)
    @rule()
    def record(self) -> None:
        recorded, self.unrecorded = self.unrecorded, []
        self.waiting = [job for job in self.waiting if job not in recorded]
        for job in recorded:
            self.queue.recorded(job.job_id)

    @rule()
    def switch_off(self) -> None:
        self.queue.direct(None)
        for stream_id in self.lanes:
            self.queue.end(stream_id)
        self.lanes.clear()

    @rule()
    def switch_on(self) -> None:
        self.queue.direct(self.to)
        self.queue.more = True

    @invariant()
    def each_lane_is_sent_in_order_and_once(self) -> None:
        for positions in self.sent.values():
            assert positions == sorted(set(positions))
        for stream_id, positions in self.sent.items():
            mine = [job.position for job in self.waiting if job.stream_id == stream_id]
            left_out = set(mine) - set(positions)
            assert not left_out or not positions or min(left_out) > max(positions)

    @invariant()
    def little_is_held(self) -> None:
        assert len(self.queue._held) <= LIMITS.held_max
        assert all(len(lane) <= LIMITS.lane_max for lane in self.queue._lanes.values())

    def teardown(self) -> None:
        """Nothing is left behind, once everything may go on."""
        self.switch_on()
        if self.reading is not None:
            self.take()
        for _ in range(5 * self.due):
            if self.queue.wants_more:
                self.read()
                self.take()
            for stream_id in sorted(self.lanes):
                self.send_one(stream_id)
            if self.unrecorded:
                self.record()
        assert self.waiting == []
        assert sorted(all_of(self.sent.values())) == list(range(1, self.due + 1))


def all_of(lists: Iterable[list[int]]) -> list[int]:
    return [one for some in lists for one in some]


TestOutbox = Outbox.TestCase
