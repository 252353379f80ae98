"""Windmill: routes, jobs and attempts as tables, and what was done about them in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from api.printing.tables import show_fields, show_line, show_table
from api.printing.words import moment

if TYPE_CHECKING:
    from rich.console import Console

    from api.pages import Page
    from api.windmill.listing import QueuedJob, RecordedAttempt
    from api.windmill.operations import Retried, Routes
    from api.windmill.replaying import Replayed
    from api.windmill.trying import Tried

_ROUTE = ("route", "on", "target", "transformation", "", "only if")
_JOB = ("job", "route", "event", "webhook", "state", "attempts", "since (UTC)", "problem")
_ATTEMPT = ("at (UTC)", "job", "route", "number", "took", "status", "answer")


def show_routes(console: Console, found: Routes) -> None:
    """Print the routes, and what is wrong with their file."""
    rows = [
        (
            route.name,
            " ".join(route.on),
            route.target,
            route.transformation,
            "" if route.enabled else "off",
            msgspec.json.encode(route.where).decode() if route.where else "",
        )
        for route in found.items
    ]
    show_table(console, _ROUTE, rows)
    if found.problem:
        show_line(console, f"! {found.problem}")


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
    show_line(console, f"{found.retried} parked jobs wait again")


def show_replayed(console: Console, done: Replayed, *, dry_run: bool) -> None:
    """Print what was queued, or would be."""
    would = "would be " if dry_run else ""
    show_line(
        console,
        f"{done.matched} events match: {done.queued} {would}queued, {done.waiting_again} parked"
        f" ones {would}waiting again, {done.left} left alone",
    )


def show_tried(console: Console, tried: Tried) -> None:
    """Print what came of a made-up event."""
    fields = [
        ("job", tried.job_id),
        ("answer", f"{tried.status or 'none'}: {tried.answer}"),
        ("outcome", tried.outcome or "not started"),
        ("problem", tried.problem or ""),
    ]
    show_fields(console, [(name, value) for name, value in fields if value])


def _show_next(console: Console, following: str | None) -> None:
    if following is not None:
        show_line(console, f"There are more: --cursor {following}")
