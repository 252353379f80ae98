"""Events of the log, past or live, sent to a developer's machine; nothing is kept of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from domain.access.of_thing import access_of
from ledger.following.checkpoint import LOG_END, POSITION, selected
from ledger.following.known_position import position_before
from postgres.connections import FOLLOWING, connect
from projections.read_models.held_by import Customer, held_by
from workflows.announcing.begun import moment
from workflows.job_arguments import Cancelled, TransformationError, Transformer, tells_access
from workflows.limits import LIMITS
from workflows.outbox.replay_search import ReplaySpan, pages
from workflows.outbox.table import job_id_of
from workflows.targets.catalogue import Senders
from workflows.targets.target import Parcel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from domain.access.policy import Policy
    from postgres.connections import Connection
    from workflows.outbox.replay_search import Match
    from workflows.routes.route import Route
    from workflows.targets.surroundings import Surroundings
    from workflows.targets.target import Way
    from workflows.trigger import Trigger

LOOK_EVERY_S: Final = 0.5


class Forwarded(NamedTuple):
    """An event, and what came of it; `status` None: there was no answer. `problem` tells why."""

    trigger: Trigger
    status: int | None
    took_ms: int
    problem: str


def matches(conninfo: str, route: Route, since: datetime | None, policy: Policy) -> Iterator[Match]:
    """Yield what a route is for, from what was recorded at a time on, or from now on; for ever.

    Where it tells access, the read models are waited for, but not for long: see `AccessLoader`.

    Raises:
        psycopg.Error: the database went away.
    """
    with closing(connect(conninfo, FOLLOWING, "raphus-listen")) as conn:
        end = selected(conn, LOG_END)
        after = end if since is None else min(end, selected(conn, position_before(since)))
        while True:
            end = selected(conn, LOG_END)
            is_shown = tells_access(route) and after < end and _shows(conn, end)
            for page in pages(conn, route, route.wants_type, ReplaySpan(after, end, end)):
                yield from _told(conn, page.matches, policy) if is_shown else page.matches
            if end == after:
                time.sleep(LOOK_EVERY_S)
            after = end


@contextmanager
def forwarding(
    route: Route, surroundings: Surroundings
) -> Iterator[Callable[[Match], Forwarded | None]]:
    """Give what sends an event by a route, once; it returns None where nothing is to be sent.

    Raises:
        TargetError: there is no way to the target.
    """
    with asyncio.Runner() as runner:
        transformer, senders = Transformer(), runner.run(_senders(surroundings))
        try:
            way = senders.way(route.name, route.target)
            yield lambda match: runner.run(_forwarded(route, transformer, way, match))
        finally:
            runner.run(transformer.close())
            runner.run(senders.close())


def _shows(conn: Connection, position: int) -> bool:
    """Wait until the read models show the log up to a position; False where they do not."""
    give_up_at = time.monotonic() + LIMITS.shown_within_s
    while selected(conn, POSITION) < position:
        if time.monotonic() > give_up_at:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _told(conn: Connection, found: Iterable[Match], policy: Policy) -> Iterator[Match]:
    """Yield each with the access of its thing's customer, which is judged as it is sent."""
    for match in found:
        thing, access = match.trigger.entity, None
        if thing is not None and thing.customer_id is not None:
            customer = Customer(thing.business_id, thing.customer_id)
            holdings = held_by(conn, [customer])[customer]
            access = access_of(thing, holdings, moment(conn).now, policy)
        yield match._replace(trigger=match.trigger._replace(access=access))


async def _senders(surroundings: Surroundings) -> Senders:
    return Senders(surroundings, LIMITS)


async def _forwarded(
    route: Route, transformer: Transformer, way: Way, match: Match
) -> Forwarded | None:
    trigger = match.trigger
    try:
        content = await transformer.arguments(route, trigger)
    except Cancelled:
        return None
    except TransformationError as error:
        return Forwarded(trigger, None, 0, str(error))
    job_id = job_id_of(route.name, match.stream_id, trigger.webhook_id, 0)
    made = await way.send(Parcel(job_id, trigger.webhook_id, content))
    return Forwarded(trigger, made.status, made.took_ms, made.problem)
