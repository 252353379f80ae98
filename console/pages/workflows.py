"""What is sent to targets: the routes, their jobs and attempts, and what has jobs sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from api.http.errors import ApiError
from api.http.parameters import between
from api.http.questions import Query
from api.resources.workflows import (
    LIST_ATTEMPTS,
    LIST_OUTBOX,
    LIST_ROUTES,
    REPLAY,
    RETRY,
    AttemptsQuery,
    OutboxQuery,
    ReplayQuery,
    RetryQuery,
    RouteNow,
)
from console.page import Action, Menu, Page, Redirect, View
from console.visit import Visit
from workflows.outbox.queries import STATES
from workflows.routes.schema import VERDICTS_BY_DEFAULT

if TYPE_CHECKING:
    from console.page import Seen

PREVIEWED: Final = 20


class OutboxPage(OutboxQuery, frozen=True, kw_only=True):
    """Asks for jobs, and may say what a form has just done about them."""

    retried: Annotated[int, between(0, 2**31)] | None = None


class Shown(NamedTuple):
    """A route as it is shown: `where` and `verdicts` as the conditions that they are."""

    route: RouteNow
    conditions: list[str]

    @classmethod
    def of(cls, route: RouteNow) -> Shown:
        """Write the conditions, and the verdicts if they are not those that go without saying."""
        written = [
            f"{name} = {msgspec.json.encode(value).decode()}" for name, value in route.where.items()
        ]
        if set(route.verdicts) != set(VERDICTS_BY_DEFAULT):
            written.append(f"verdict {' or '.join(route.verdicts)}")
        return cls(route, written)


async def _routes(visit: Visit, _query: Query) -> View:
    routes = await visit.ask(LIST_ROUTES)
    shown = list(map(Shown.of, routes.items))
    data = {"routes": shown, "problem": routes.problem, **_may(visit)}
    return View("workflows.html", "Workflows", data)


async def _outbox(visit: Visit, query: OutboxPage) -> View:
    jobs = await visit.ask_by(LIST_OUTBOX, query)
    data = {
        "jobs": jobs.items,
        "next": jobs.next,
        "states": STATES,
        "filtered": bool(query.filters()),
        "retried": query.retried,
        "retries": query.given("route", "webhook_id", "job_id"),
        **_may(visit),
    }
    return View("outbox.html", "Outbox", data)


async def _attempts(visit: Visit, query: AttemptsQuery) -> View:
    attempts = await visit.ask_by(LIST_ATTEMPTS, query)
    jobs = []
    if query.job_id is not None:
        jobs = (await visit.ask(LIST_OUTBOX, job_id=query.job_id)).items
    data = {
        "attempts": attempts.items,
        "next": attempts.next,
        "job": jobs[0] if jobs else None,
        "filtered": bool(query.filters()),
        **_may(visit),
    }
    return View("attempts.html", "Attempts", data)


async def _retry_preview(visit: Visit, query: RetryQuery) -> Seen:
    asked = query.given("route", "webhook_id", "job_id")
    if not asked:
        return Redirect(visit.link("/routes/outbox", state="parked"))
    jobs = await visit.ask(LIST_OUTBOX, state="parked", limit=PREVIEWED, **asked)
    data = {"asked": asked, "jobs": jobs.items, "more": jobs.next is not None}
    return View("retry.html", "Retry parked jobs", data)


async def _retry(visit: Visit, query: RetryQuery) -> Seen:
    done = await visit.ask_by(RETRY, query)
    return Redirect(visit.link("/routes/outbox", **query.given("route"), retried=done.retried))


async def _replay_form(visit: Visit, query: ReplayQuery) -> View:
    """Show the form, and once it is filled what it would start; nothing is done."""
    preview, problem = None, None
    if query.route is not None:
        try:
            preview = await visit.ask_by(REPLAY, replace(query, dry_run=True))
        except ApiError as error:
            if error.status != 409:
                raise  # what cannot be read is told beside its field
            problem = error.body.error.message
    routes = (await visit.ask(LIST_ROUTES)).items if "read" in visit.caller.may else []
    data = {"preview": preview, "problem": problem, "routes": routes}
    return View("replay.html", "Replay", data)


async def _replay(visit: Visit, query: ReplayQuery) -> Seen:
    done = await visit.ask_by(REPLAY, replace(query, dry_run=False))
    started = done.queued + done.waiting_again
    return Redirect(visit.link("/routes/outbox", route=query.route, retried=started))


def _may(visit: Visit) -> dict[str, bool]:
    """Tell what the visitor may change."""
    admin = "admin" in visit.caller.may
    return {"may_retry": admin, "may_replay": admin and visit.caller.business_id is None}


_RETRYING: Final = Page(
    path="/routes/retry", takes=RetryQuery, handle=_retry_preview, scope="admin"
)
_REPLAYING: Final = Page(
    path="/routes/replay",
    takes=ReplayQuery,
    handle=_replay_form,
    menu=Menu("Workflows", "Replay"),
    scope="admin",
    of_all=True,
)
WORKFLOWS: Final = (
    Page(
        path="/routes",
        takes=Query,
        handle=_routes,
        menu=Menu("Workflows", "Routes"),
        of_all=True,
    ),
    Page(
        path="/routes/outbox",
        takes=OutboxPage,
        handle=_outbox,
        menu=Menu("Workflows", "Outbox"),
    ),
    Page(
        path="/routes/attempts",
        takes=AttemptsQuery,
        handle=_attempts,
        menu=Menu("Workflows", "Attempts"),
    ),
    _RETRYING,
    _REPLAYING,
)
"""The pages."""
WORKFLOW_ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(path="/routes/retry", takes=RetryQuery, handle=_retry, form=_RETRYING),
    Action(path="/routes/replay", takes=ReplayQuery, handle=_replay, form=_REPLAYING, of_all=True),
)
"""What their forms change."""
