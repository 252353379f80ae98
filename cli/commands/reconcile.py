"""Ask Dodo about what is known here, and tell what was lost."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Final

import msgspec
import psycopg

from cli.arguments import add_json, integer
from cli.database import database
from cli.errors import CommandError
from cli.offline_queries import asked
from cli.rendering.progress import shown
from cli.rendering.reconciliations import show_advice, show_findings, show_outcomes
from cli.rendering.terminal import console, wide_console
from cli.sources import add_business, source_of
from postgres.failures import reason_of
from reconciliation import queries
from reconciliation.reconciling import DAYS, check, reconcile
from reconciliation.runs import FINDINGS_MAX
from reconciliation.session import opened
from telemetry.progress import silent

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from rich.console import Console

    from api.queries.read_side import ReadSide
    from cli.settings import Settings
    from reconciliation.queries import KeptFinding, KeptRun

DAYS_MAX: Final = 36_500


class ReconcilingError(CommandError):
    """The reconciliation did not come to its end."""


class DiffersError(CommandError):
    """A check has found that something was lost, or is gone."""


class Report(msgspec.Struct):
    """What a reconciliation came to. Of a check nothing is kept: it has no `id`.

    It `differs` where something was lost, was unknown here, or is gone.
    """

    id: str | None
    outcomes: dict[str, int]
    findings: list[KeptFinding]
    advice: list[str]
    differs: bool


def add(command: ArgumentParser) -> None:
    """Take how much is asked about, and whether anything is written."""
    command.add_argument(
        "--days",
        type=_days,
        default=DAYS,
        metavar="N",
        help="what was created within so many days is read, besides all subscriptions and what is"
        " in doubt; default: %(default)s",
    )
    command.add_argument(
        "--check", action="store_true", help="only compare, and write nothing; 1 if they differ"
    )
    command.add_argument(
        "--last", action="store_true", help="ask nothing: show what the last one has found"
    )
    add_business(command)
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Reconcile, or only compare; or show what was found."""
    report = _last(settings) if args.last else _reconciled(settings, args, console(stderr=True))
    if args.json:
        print(msgspec.json.encode(report).decode())
    else:
        out = wide_console()
        show_outcomes(out, report.outcomes)
        show_findings(out, report.findings)
        show_advice(out, report.advice)
    if args.check and report.differs:
        raise DiffersError(
            "something was lost, unknown here, or is gone: raphus reconcile records what Dodo says"
        )


def _reconciled(settings: Settings, args: Namespace, progress_to: Console) -> Report:
    source = source_of(settings)
    work = check if args.check else reconcile
    try:
        with (
            database(settings) as conninfo,
            shown(progress_to) as progress,
            opened(conninfo, source, business_id=args.business, records=not args.check) as session,
        ):
            done = work(session, args.days, progress)
            business_id = session.taker.account.business_id
    except psycopg.Error as error:
        raise ReconcilingError(f"not all was asked: {reason_of(error)}") from error
    id_ = None if done.id is None else str(done.id)
    numbered = enumerate(done.findings, start=1)
    findings = [queries.told(one, number, id_ or "", business_id) for number, one in numbered]
    return Report(id_, dict(done.outcomes), findings, done.advice, differs=done.differs)


def _last(settings: Settings) -> Report:
    async def last(read_side: ReadSide) -> tuple[KeptRun, list[KeptFinding]]:
        rows = await read_side.database.rows(queries.runs(before=None, limit=1))
        if not rows:
            raise ReconcilingError("nothing was reconciled yet: raphus reconcile does it")
        run = queries.read_run(rows[0])
        asked_for = {"reconciliation_id": int(run.id)}
        statement = queries.findings(asked_for, before=None, limit=FINDINGS_MAX)
        found = map(queries.read_finding, await read_side.database.rows(statement))
        return run, list(found)[::-1]

    run, findings = asked(settings, last, silent)
    if run.problem is not None:
        run.advice.append(f"it did not come to its end: {run.problem}")
    return Report(run.id, run.outcomes, findings, run.advice, differs=False)


def _days(value: str) -> int:
    days = integer(value, DAYS_MAX)
    if days == 0:
        raise ArgumentTypeError("must be at least 1")
    return days
