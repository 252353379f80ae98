"""Access that is gained or lost: found with each page of the log, and when its time is over."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.access.changes import changes, standing
from domain.access.judgement import judge
from domain.access.policy import table
from domain.aggregates.announcement import Announcement, Cause
from domain.look import is_look
from ledger.clock import TOLERANCE
from ledger.following.checkpoint import ProjectionTracking
from ledger.following.leader import POLL_S, Step
from ledger.following.pages import LogError, next_page
from ledger.following.taking import PageError
from postgres.connections import DATABASE_ERRORS
from projections.read_models.held_by import held_by, touched
from workflows.announcing import begun as beginning
from workflows.announcing import told_access as told
from workflows.announcing.begun import Begun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import Literal

    from psycopg import Connection

    from domain.access.changes import AccessChange
    from domain.access.policy import Policy
    from ledger.following.checkpoint import Checkpoint
    from ledger.following.pages import Page
    from projections.read_models.held_by import Customer, Touching
    from workflows.announcing.begun import Moment, Sweep

FAMILY: Final = "access"
CHECKPOINT: Final = "announcements"
"""The checkpoint up to which access has been looked at."""
PAGE_EVENTS_MAX: Final = 500
CUSTOMERS_MAX: Final = 200
"""So many are looked at at once for the sake of the time, and as many because all are."""
_SOON_S: Final = 0.01


class Looked(NamedTuple):
    """Who is looked at anew, and why; `page` has the events that are taken with it.

    `begun` is how far everything has been looked at anew then.
    """

    causes: dict[Customer, Cause]
    page: Page | None
    begun: Begun


class AccessAnnouncing:
    """Announces what has changed of access since it was told.

    What was told, and the checkpoint, are written in the transaction that appends the events, so
    each change is told once. Access is judged as it is now, by the read models and the policy: of
    what the events of a page lead to, the last counts, and the past is not told.
    """

    def __init__(self, append: Callable[[Connection[Any], Sequence[Announcement]], None]) -> None:
        self._append = append
        self._tracking = ProjectionTracking(CHECKPOINT)
        self._release = metadata.version("raphus")

    def take(
        self,
        conn: Connection[Any],
        policy: Policy,
        *,
        events_max: int = PAGE_EVENTS_MAX,
    ) -> Step:
        """Look at whom the next page is about, and at those whose time has come.

        Raises:
            LogError: the log does not go on where, and as, it has been followed.
            PageError: the page cannot be taken, by a defect; nothing of it is.
            psycopg.Error: the database went away; all was done, or nothing.
        """
        judged_by = Begun(_written(policy), self._release, None)
        with conn.transaction():
            begun = beginning.hold(conn, FAMILY)
            if begun is None:
                beginning.begin(conn, FAMILY, judged_by)
                self._tracking.begin_beside(conn)
                return Step(look_again_s=_SOON_S)
            moment = beginning.moment(conn)
            after = self._tracking.hold(conn)
            if moment.shown < after.position:  # they are built anew
                return Step()
            now = _judged_now(begun, judged_by, moment.now)
            looked = self._look(conn, now, moment, after, events_max)
            if looked.begun != begun:
                beginning.move(conn, FAMILY, looked.begun)
            try:
                self._tell(conn, looked.causes, policy, moment.now, is_silent=now.is_silent)
            except (LogError, *DATABASE_ERRORS):
                raise
            except Exception as error:
                if looked.page is None:
                    raise
                raise PageError(looked.page) from error
            if looked.page is not None:
                self._tracking.advance(conn, *_end_of(looked.page))
        return _step(conn, looked, moment)

    def _look(
        self,
        conn: Connection[Any],
        begun: Begun,
        moment: Moment,
        after: Checkpoint,
        events_max: int,
    ) -> Looked:
        """Find whom to look at: of several reasons to do so, an event is the most telling."""
        causes, then = _swept(conn, begun)
        if begun.is_silent:
            return Looked(causes, None, then)
        ended = told.ended(conn, moment.heard, CUSTOMERS_MAX)
        if ended:
            causes |= {customer: Cause(kind="clock", at=at) for customer, at in ended.items()}
            then = then._replace(told_to=moment.now)
        page = None
        if moment.shown > after.position:
            page = next_page(conn, after, min(events_max, moment.shown - after.position))
        if page is not None:
            events = touched(conn, page.after, page.last)
            causes |= {customer: _caused_by(event) for customer, event in events.items()}
        return Looked(causes, page, then)

    def _tell(
        self,
        conn: Connection[Any],
        causes: Mapping[Customer, Cause],
        policy: Policy,
        at: datetime,
        *,
        is_silent: bool,
    ) -> None:
        """Judge what customers have, tell what has changed of it, and write what has been told."""
        before = told.of_customers(conn, causes)
        gone: list[told.Row] = []
        now: list[told.Row] = []
        announced: list[Announcement] = []
        for customer, holdings in held_by(conn, causes).items():
            was = before.get(customer, {})
            stands = standing(judge(holdings, at, policy))
            given = stands.given
            gone += [told.Row(customer, one, None) for one in was.keys() - given.keys()]
            now += [
                told.Row(customer, one, until)
                for one, until in given.items()
                if one not in was or was[one] != until
            ]
            announced += [
                _announcement(customer, change, at)
                for change in changes(was, stands, customer.customer_id, causes[customer])
            ]
        told.write(conn, gone, now)
        if announced and not is_silent:
            self._append(conn, announced)


def _written(policy: Policy) -> str:
    return "\n".join(f"{line.key} = {line.value}" for line in table(policy))


def _judged_now(begun: Begun, judged_by: Begun, now: datetime) -> Begun:
    """Look at everything anew where it was judged by another policy, release, or time to come."""
    why: Sweep
    if begun.policy != judged_by.policy:
        why = "policy"
    elif begun.release != judged_by.release:
        why = "release"
    elif begun.told_to is not None and begun.told_to - now > TOLERANCE:
        why = "clock"
    else:
        return begun
    return judged_by._replace(sweep="beginning" if begun.is_silent else why)


def _swept(conn: Connection[Any], begun: Begun) -> tuple[dict[Customer, Cause], Begun]:
    """Return the next customers of all, where all are looked at anew, each with the reason."""
    if begun.sweep is None:
        return {}, begun
    found = told.following(conn, begun.swept_to, CUSTOMERS_MAX)
    if not found:
        return {}, begun._replace(sweep=None, swept_to="")
    # At the beginning nothing is told, so no reason is.
    cause = Cause(kind="policy" if begun.sweep == "beginning" else begun.sweep)
    return dict.fromkeys(found, cause), begun._replace(swept_to=found[-1].customer_id)


def _caused_by(event: Touching) -> Cause:
    kind: Literal["look", "webhook"] = "look" if is_look(event.type) else "webhook"
    return Cause(kind=kind, webhook_id=event.webhook_id, type=event.type)


def _announcement(customer: Customer, change: AccessChange, at: datetime) -> Announcement:
    type_ = "access.granted" if change.access else "access.revoked"
    return Announcement(type_, customer.business_id, (customer.customer_id,), at, change)


def _end_of(page: Page) -> tuple[int, bytes, int]:
    return page.last, page.hash, page.events


def _step(conn: Connection[Any], looked: Looked, moment: Moment) -> Step:
    """Go on at once where something was done, and else when the next access ends."""
    done = len(looked.causes) + (looked.page.events if looked.page else 0)
    if done:
        return Step(done, looked.page.last if looked.page else 0)
    until = told.next_end(conn, moment.now)
    wait_s = POLL_S if until is None else (until - moment.now).total_seconds()
    return Step(look_again_s=min(POLL_S, max(_SOON_S, wait_s)))
