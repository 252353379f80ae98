"""Routes, jobs and attempts as tables, and what was done about them in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from cli.rendering.tables import show_fields, show_line, show_table
from cli.rendering.words import counted, moment
from workflows.routes.schema import VERDICTS_BY_DEFAULT

if TYPE_CHECKING:
    from rich.console import Console

    from api.http.pagination import Page
    from api.resources.workflows import Retried, RouteNow, Routes
    from workflows.outbox.queries import QueuedJob, RecordedAttempt
    from workflows.outbox.replay import Replayed
    from workflows.routes.route import Route
    from workflows.trial_run import Tried

_ROUTE: Final = (
    "route", "on", "target", "transformation", "", "only if", "waiting", "parked", "started",
    "failed (24 h)",
)  # fmt: skip
_JOB: Final = ("job", "route", "event", "webhook", "state", "attempts", "since (UTC)", "problem")
_ATTEMPT: Final = ("at (UTC)", "job", "route", "number", "took", "status", "answer")


def show_routes(console: Console, found: Routes) -> None:
    """Print the routes, how their jobs fare, and what is wrong with their file."""
    if found.items:
        show_table(console, _ROUTE, [_route(one) for one in found.items])
    else:
        show_line(console, "There are no routes: RAPHUS_ROUTES names the file that declares them")
    if found.problem:
        show_line(console, f"! {found.problem}")


def _route(route: RouteNow) -> tuple[str, ...]:
    counts = route.waiting, route.parked, route.started, route.failed_last_day
    return (
        route.name,
        " ".join(route.on),
        route.target,
        route.transformation,
        "" if route.enabled else "off",
        _only_if(route),
        *map(str, counts),
    )


def _only_if(route: RouteNow) -> str:
    """Write the conditions; and the verdicts, where they are not those that go without saying."""
    verdicts = f"verdict {' or '.join(route.verdicts)}"
    where = msgspec.json.encode(route.where).decode()
    told = [
        verdicts if set(route.verdicts) != set(VERDICTS_BY_DEFAULT) else "",
        where if route.where else "",
    ]
    return "; ".join(filter(None, told))


def show_jobs(console: Console, page: Page[QueuedJob]) -> None:
    """Print jobs, a row each."""
    rows = [
        (
            job.job_id,
            job.route,
            job.type,
            job.webhook_id,
            job.state,
            str(job.attempts),
            moment(job.ended_at or job.started_at or job.created_at),
            job.problem or "",
        )
        for job in page.items
    ]
    show_table(console, _JOB, rows)
    _show_next(console, page.next)


def show_attempts(console: Console, page: Page[RecordedAttempt]) -> None:
    """Print attempts, a row each."""
    rows = [
        (
            moment(one.attempted_at),
            one.job_id,
            one.route,
            str(one.number),
            f"{one.took_ms} ms",
            str(one.status or ""),
            one.answer,
        )
        for one in page.items
    ]
    show_table(console, _ATTEMPT, rows)
    _show_next(console, page.next)


def show_retried(console: Console, found: Retried) -> None:
    """Print how many wait again."""
    waits = "waits" if found.retried == 1 else "wait"
    show_line(console, f"{counted(found.retried, 'parked job')} {waits} to be sent again")


def show_replayed(console: Console, done: Replayed, *, dry_run: bool) -> None:
    """Print what was queued, or would be."""
    would = "would be " if dry_run else ""
    show_line(
        console,
        f"{counted(done.matched, 'matching event')}: {done.queued} {would}queued,"
        f" {done.waiting_again} parked {would}made to wait again, {done.left} left alone",
    )
    if done.to_come:
        more = f"{counted(done.to_come, 'newer event')} of any type"
        show_line(console, f"{more} will be read by the server, and need no replay")


def show_unwanted(console: Console, route: Route) -> None:
    """Print that a route would not have sent an event."""
    told = "by itself sends nothing for this event: see its on, where, verdicts and enabled"
    show_line(console, f"! The route {route.name} {told}")


def show_tried(console: Console, tried: Tried) -> None:
    """Print what came of a made-up event."""
    fields = [
        ("job", tried.job_id),
        ("answer", f"{tried.status or 'none'}: {tried.answer}"),
        ("outcome", tried.outcome or "not taken"),
        ("problem", tried.problem or ""),
    ]
    show_fields(console, [(name, value) for name, value in fields if value])


def _show_next(console: Console, following: str | None) -> None:
    if following is not None:
        show_line(console, f"There are more: --cursor {following}")
