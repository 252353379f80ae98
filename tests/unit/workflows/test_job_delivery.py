"""What has waited for a target tells the access of when it is sent, not of when it was made."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

import msgspec
import pytest

from domain.access.access import Reason
from domain.access.of_thing import ThingAccess
from tests.support.histories import NOON, said
from tests.support.triggers import trigger
from workflows.dispatch.circuit_breaker import CircuitBreaker
from workflows.dispatch.job_delivery import JobDelivery
from workflows.dispatch.progress_recorder import ProgressRecorder
from workflows.dispatch.route_queue import Destination, RouteQueue
from workflows.dispatch.trigger_loader import Loaded
from workflows.job_arguments import Transformer
from workflows.limits import Limits
from workflows.outbox.table import Job
from workflows.routes.parser import read_text
from workflows.targets.attempt import Attempt, Meaning
from workflows.targets.target import Way

if TYPE_CHECKING:
    from domain.entity import Entity
    from workflows.dispatch.access_loader import AccessLoader
    from workflows.dispatch.trigger_loader import TriggerLoader
    from workflows.targets.target import Parcel

ROUTE: Final = b'[[route]]\nname = "x"\non = ["*"]\nscript = "f/a/b"\n'
WHO: Final[dict[str, Any]] = {"customer": {"customer_id": "cus_1"}}
EVENT: Final = said("subscription.active", subscription_id="sub_1", product_id="pdt_1", **WHO)


class Busy(Way):
    """A target that takes one thing at a time, and has its hands full at first."""

    called = "the endpoint"

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(0)
        self.sent: list[dict[str, Any]] = []

    async def send(self, parcel: Parcel) -> Attempt:
        """Take something."""
        self.sent.append(msgspec.json.decode(parcel.content))
        return Attempt(datetime.now(UTC), 0, 204, "", Meaning.DELIVERED)


class Log:
    """The log, which has one event."""

    async def load(self, _: Job) -> Loaded:
        """Tell what it is."""
        return Loaded(trigger(EVENT), None)


class Customer:
    """The customer of the event, who may in or not; `asked` is set once somebody has asked."""

    def __init__(self) -> None:
        self.may = False
        self.asked = asyncio.Event()

    async def load(self, _thing: Entity | None, _job: Job) -> ThingAccess:
        """Tell whether he may."""
        self.asked.set()
        return ThingAccess("cus_1", self.may, None, Reason("active", "…"), NOON, [])


async def access_sent(limits: Limits) -> bool:
    """Deliver to a target that is busy until the customer may in; return what it is told."""
    customer, way = Customer(), Busy()
    (route,) = read_text(Path("windmill.toml"), ROUTE)
    queue = RouteQueue("x", limits)
    queue.direct(Destination(route, way, CircuitBreaker("x", way.called, limits)))
    loader, access = cast("TriggerLoader", Log()), cast("AccessLoader", customer)
    delivery = JobDelivery(Transformer(), loader, access, ProgressRecorder(), limits)
    job = Job(uuid4(), "x", "subscription/sub_1", EVENT.webhook_id, 1, 1, 0, 0, time.monotonic())
    delivering = asyncio.create_task(delivery.deliver(queue, job))
    await customer.asked.wait()
    customer.may = True
    way.slots.release()
    await delivering
    (sent,) = way.sent
    return bool(sent["access"]["access"])


@pytest.mark.parametrize(("access_for_s", "may"), [(0.0, True), (3_600.0, False)])
def test_who_has_waited_for_long_is_told_the_access_of_now(access_for_s: float, may: bool) -> None:
    assert asyncio.run(access_sent(Limits(access_for_s=access_for_s))) is may
