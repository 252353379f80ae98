"""Puts events of the past into the outbox, for a route that missed them or a new one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import psycopg

from domain.aggregates.routing import NOTICE
from domain.stream_id import stream_id
from ledger.following.checkpoint import LOG_END, selected
from ledger.following.known_position import position_at, position_before
from postgres.advisory_locks import AdvisoryLock, lock_in_transaction
from postgres.connections import WORKING, connect
from telemetry.errors import RaphusError
from workflows.outbox import table as outbox
from workflows.outbox.due_facts import Due
from workflows.outbox.follower import NAME, begin
from workflows.outbox.replay_search import ReplaySpan, pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from workflows.outbox.replay_search import Match
    from workflows.routes.conditions import Glob
    from workflows.routes.route import Route

    Progress = Callable[[str, int, int], None]

PHASE: Final = "replay"
FIRST_MAX: Final = 20
"""So many of the events that start something are named."""
_SETTINGS: Final = "SET enable_seqscan = off; SET jit = off"
# Waits for the page that the outbox is taking: its routes may be those of before.
_TAKEN: Final = """
    SELECT notification_id FROM raphus.projections_tracking WHERE application_name = %s FOR UPDATE
"""
_LATEST: Final = """
    SELECT DISTINCT ON (webhook_id, stream_id) stream_id, webhook_id, job_id, replay, state
    FROM raphus.windmill_outbox WHERE route = %s AND webhook_id = ANY (%s)
    ORDER BY webhook_id, stream_id, replay DESC
"""
_WAIT_AGAIN: Final = """
    UPDATE raphus.windmill_outbox SET state = 'waiting', problem = NULL, known_position = %s,
        created_at = clock_timestamp(),
        due = nextval(pg_get_serial_sequence('raphus.windmill_outbox', 'due'))
    WHERE job_id = %s AND state = 'parked'
"""


class TooLongError(RaphusError):
    """There are more events in the time that is meant than may be looked at."""


class Asked(NamedTuple):
    """What is to be replayed: events recorded from `since` to `until`, of matching types.

    Without `since` from the first one, without `until` to the last. `again` starts also what
    has run. No more events than `events_max` may have been recorded in that time.
    """

    route: Route
    since: datetime | None = None
    until: datetime | None = None
    types: Glob | None = None
    again: bool = False
    events_max: int | None = None

    def wants_type(self, type_: str) -> bool:
        """Tell whether events of a type may be meant."""
        is_meant = self.types is None or self.types.matches(type_)
        return is_meant and self.route.wants_type(type_)


class StartingEvent(msgspec.Struct, frozen=True):
    """An event for which a job starts, or would: a new one, or the one that was `parked`."""

    webhook_id: str
    type: str
    aggregate_id: str
    position: str
    parked: bool


class Replayed(msgspec.Struct):
    """How many events matched, and what becomes of them.

    `queued` are to be started, `waiting_again` were parked, and `left` are left alone: they have
    run, or wait already. `to_come` events of any type were not looked at: the outbox has not
    read them yet, and will. `first` are the first for which a job starts, 20 at the most.
    """

    matched: int = 0
    queued: int = 0
    waiting_again: int = 0
    left: int = 0
    to_come: int = 0
    first: list[StartingEvent] = msgspec.field(default_factory=list)


class _Latest(NamedTuple):
    """The last job that a route has for an event."""

    job_id: UUID
    replay: int
    state: str


def replay(conninfo: str, asked: Asked, *, dry_run: bool, progress: Progress) -> Replayed:
    """Queue what matches the route by what is known now, in the order of the log.

    It is one transaction: who is killed has done nothing, and may begin anew. Where there has
    never been an outbox, one begins here, so that what comes after the replay is not missed.

    Raises:
        TooLongError: more has been recorded in that time than may be looked at.
        psycopg.Error: the database went away; nothing is queued.
    """
    if not dry_run:
        begin(conninfo)
    with connect(conninfo, WORKING, "raphus-replay") as conn:
        conn.execute(_SETTINGS)
        span, to_come = _span(conn, asked)
        done, length = Replayed(to_come=to_come), span.until - span.after
        if asked.events_max is not None and length > asked.events_max:
            told = f"{length} events were recorded in that time, and {asked.events_max}"
            raise TooLongError(f"{told} are looked at at the most")
        progress(PHASE, 0, length)
        with conn.transaction():
            if not dry_run:
                lock_in_transaction(conn, AdvisoryLock.REPLAY)
            for page in pages(conn, asked.route, asked.wants_type, span):
                chosen = list(_chosen(conn, asked, page.matches, done))
                done.first += map(_told, chosen[: FIRST_MAX - len(done.first)])
                if chosen and not dry_run:
                    _queue(conn, asked.route.name, chosen, span.known)
                progress(PHASE, page.last - span.after, length)
    return done


def _span(conn: psycopg.Connection[Any], asked: Asked) -> tuple[ReplaySpan, int]:
    """Return the events to look at, and how many more there are that the outbox will read."""
    taken = conn.execute(_TAKEN, [NAME]).fetchone()
    newest = selected(conn, LOG_END)
    until = min(newest, selected(conn, position_at(asked.until))) if asked.until else newest
    end = min(until, taken[0]) if taken else until
    after = min(end, selected(conn, position_before(asked.since))) if asked.since else 0
    return ReplaySpan(after, end, newest), until - end


def _chosen(
    conn: psycopg.Connection[Any], asked: Asked, matches: Sequence[Match], done: Replayed
) -> Iterator[tuple[Match, UUID | None]]:
    """Yield what is to wait, with its job where that is parked; and count in `done`."""
    ids = [match.trigger.webhook_id for match in matches]
    rows = conn.execute(_LATEST, [asked.route.name, ids]).fetchall() if ids else []
    latest = {(stream, webhook_id): _Latest(*rest) for stream, webhook_id, *rest in rows}
    for match in matches:
        webhook_id = match.trigger.webhook_id
        # It may have run, or wait, as a notice, before its type was understood.
        streams = match.stream_id, stream_id(NOTICE, webhook_id)
        last = next((latest[s, webhook_id] for s in streams if (s, webhook_id) in latest), None)
        done.matched += 1
        if last is not None and last.state == "parked":
            done.waiting_again += 1
            yield match, last.job_id
        elif last is None or (asked.again and last.state != "waiting"):
            done.queued += 1
            replay = 0 if last is None else last.replay + 1
            yield match._replace(trigger=match.trigger._replace(replay=replay)), None
        else:
            done.left += 1


def _told(chosen: tuple[Match, UUID | None]) -> StartingEvent:
    (stream, trigger), job_id = chosen
    place = str(trigger.position)
    return StartingEvent(trigger.webhook_id, trigger.type, stream, place, job_id is not None)


def _queue(
    conn: psycopg.Connection[Any],
    route: str,
    chosen: Sequence[tuple[Match, UUID | None]],
    known: int,
) -> None:
    """Let events wait in this order, whether there is a job for them or not."""
    with conn.pipeline():
        for (stream_id, trigger), job_id in chosen:
            if job_id is None:
                outbox.add(conn, stream_id, [(route, Due(trigger, known))])
            else:
                conn.execute(_WAIT_AGAIN, [known, job_id])
        conn.execute("SELECT pg_notify(%s, '')", [outbox.CHANNEL])
